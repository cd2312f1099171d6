"""The operations of a caller's own that a command is allowed to import: what `--allow` names, and nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from archspec.wording import cut

if TYPE_CHECKING:
    from archspec.ops import Op

AllowOption: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--allow",
        metavar="FILE.py:CLASS",
        help="Run this Python file (or module), and let `ext` nodes use its operation (NAME=… for another name).",
    ),
]


def load_allowed(given: Iterable[str]) -> dict[str, type[Op]]:
    """Import the operations that `--allow` names, by the names that a spec has for them: the class's in snake case
    unless another is given. Raises typer.BadParameter where there is no such class, or it is no operation."""
    allowed: dict[str, type[Op]] = {}
    modules: dict[str, ModuleType] = {}
    for text in given:
        found = re.fullmatch(r"(?:([A-Za-z_]\w*)=)?(.+):([A-Za-z_]\w*)", text)
        if found is None:
            raise typer.BadParameter(f"--allow needs FILE.py:CLASS or MODULE:CLASS, found '{cut(text, 60)}'")
        name, module, kind = found.groups()
        if module not in modules:
            modules[module] = _import(module)
        op = _take_class(modules[module], module, kind)
        allowed[name or op.kind] = op
    return allowed


def _import(module: str) -> ModuleType:
    """Import a module by its name, or run a file as one."""
    try:
        return _run_file(Path(module)) if module.endswith(".py") else import_module(module)
    except typer.BadParameter:
        raise
    except Exception as error:  # whatever the caller's own code raises is what is wrong with it
        raise typer.BadParameter(f"--allow: {module} cannot be imported: {type(error).__name__}: {error}") from error


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise typer.BadParameter(f"--allow: there is no file {path}")
    spec = spec_from_file_location(f"archspec_allowed_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # pydantic looks for the names of annotations there
    spec.loader.exec_module(module)
    return module


def _take_class(module: ModuleType, name: str, kind: str) -> type[Op]:
    from archspec.errors import suggest
    from archspec.ops import Op

    found: Any = getattr(module, kind, None)
    known = [key for key, item in vars(module).items() if isinstance(item, type) and item.__module__ == module.__name__]
    if found is None:
        raise typer.BadParameter(f"--allow: {name} has no class '{kind}'{suggest(kind, known)}")
    if not (isinstance(found, type) and issubclass(found, Op)) or getattr(found, "__abstractmethods__", None):
        raise typer.BadParameter(f"--allow: {name}:{kind} is no operation: derive it from archspec.ops.Layer or Op")
    return found
