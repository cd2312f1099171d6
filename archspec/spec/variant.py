"""Writing a variant: a spec that extends another one and replaces some of its params and sizes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError
from archspec.files import check_absent, write_text
from archspec.spec.text import to_yaml
from archspec.spec.zoo import SUFFIXES, find_import, find_spec, real_path, zoo_specs


def check_target(path: str | Path, base: str | Path, *, force: bool) -> None:
    """Refuse a file in which no variant of `base` can be written, or that would be replaced unasked. Raises
    ArchspecError."""
    target = Path(path)
    if target.suffix not in SUFFIXES[:2]:
        raise ArchspecError(f"{target} should end in .yaml")
    _refer(target, base)
    check_absent(target, force=force)


def write_variant(path: str | Path, base: str | Path, params: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Write a spec that extends `base`, a file or a zoo name, with these params and sizes.

    Raises ArchspecError where the file cannot reach its base: it lies in another folder, or would stand for it.
    """
    target = Path(path)
    check_target(target, base, force=True)
    data = {"archspec": 1, "name": target.stem, "extends": _refer(target, base)}
    data |= {key: dict(values) for key, values in (("params", params), ("sizes", sizes)) if values}
    write_text(target, to_yaml(data))


def _refer(target: Path, base: str | Path) -> str:
    """Write what `extends` says in the file `target` to mean `base`."""
    meant, folder = real_path(find_spec(base)), real_path(target).parent
    names = {real_path(path): name for name, path in zoo_specs().items()}
    name = names.get(meant) or Path(os.path.relpath(meant, folder)).as_posix()
    try:
        found: Path | None = find_import(name, target, folder, by_name=True)
    except LookupError:
        found = None
    if found != meant or real_path(target) == meant:
        message = f"a variant at {target} cannot extend {base}"
        raise ArchspecError(f"{message}: give it another name than its base, in the folder of its base or above")
    return name
