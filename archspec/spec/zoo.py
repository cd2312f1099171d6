"""Specs that are found in files, and by name in the zoo that comes with the package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from archspec.errors import Diagnostic, Place, SpecError, suggest
from archspec.spec.text import read_file

ZOO = Path(__file__).resolve().parents[2] / "specs"
"""The folder of the zoo, the same place in a checkout, an editable install and a wheel: beside the packages."""

SUFFIXES = (".yaml", ".yml", ".json")

LIBRARIES = "blocks"
"""The folder of the zoo's block libraries in it."""

RECIPES = "recipes"
"""The folder of the zoo's recipes in it: how networks are trained, which are no specs."""

RULES = ".weights.yaml"
"""The ending of the names of files that say how the weights of specs beside them are called elsewhere."""


@cache
def zoo_specs() -> dict[str, Path]:
    """List every spec of the zoo by name; block libraries, recipes and rules for weights are not specs."""
    found = _list_documents(ZOO, without=(LIBRARIES, RECIPES))
    return {path.stem: path for path in found if not path.name.endswith(RULES)}


@cache
def zoo_libraries() -> dict[str, Path]:
    """List the block libraries of the zoo by the names under which specs import them."""
    files = _list_documents(ZOO / LIBRARIES)
    return {path.relative_to(ZOO).with_suffix("").as_posix(): path for path in files}


@cache
def zoo_recipes() -> dict[str, Path]:
    """List the recipes of the zoo by name."""
    return {path.stem: path for path in _list_documents(ZOO / RECIPES)}


@cache
def zoo_blocks() -> dict[str, str]:
    """List the blocks of the zoo's libraries by name, each with the name of its library. Raises SpecError."""
    libraries = {name: read_file(path, name).data for name, path in zoo_libraries().items()}
    return {block: name for name, library in libraries.items() for block in library["blocks"]}


def _list_documents(folder: Path, without: Sequence[str] = ()) -> list[Path]:
    """List the documents below a folder by their paths, but for those in the folders `without` in it. Every command
    asks for them, and names are looked at faster than paths."""
    found: list[list[str]] = []
    for place, folders, names in os.walk(folder):
        if place == str(folder):
            folders[:] = [name for name in folders if name not in without]
        within = place.split(os.sep)
        found += [[*within, name] for name in names if os.path.splitext(name)[1] in SUFFIXES]
    return [Path(os.sep.join(parts)) for parts in sorted(found)]


def shown(path: Path) -> str:
    """A path as messages show it: relative to the working folder where it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):
        return str(path)


def real_path(path: Path) -> Path:
    """The path without links. Raises SpecError."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 raise RuntimeError for a loop of links
        raise SpecError([Diagnostic("unreadable", f"cannot be read: {error}", Place(str(path)))]) from None


def find_spec(source: str | Path) -> Path:
    """The file of a spec, given as a path or as a zoo name. Raises SpecError."""
    path = Path(source)
    if "\0" in str(source):
        raise SpecError([Diagnostic("unreadable", "a path holds no NUL", Place(repr(str(source))))])
    specs = zoo_specs()
    if str(source).startswith(f"{LIBRARIES}/") and not path.suffix and not path.exists():
        if str(source) in zoo_libraries():
            return zoo_libraries()[str(source)]
        near = suggest(str(source), zoo_libraries()) or "; `archspec list --blocks` shows them"
        raise SpecError([Diagnostic("unknown-spec", f"the zoo has no such block library{near}", Place(str(source)))])
    hidden = str(source) in specs and path.is_dir()  # a run's folder may have the name of its spec
    named = path.suffix in SUFFIXES or path.name != str(source) or len(str(source)) > 255
    if named or (path.exists() and not hidden):
        return path
    if str(source) not in specs:
        library = zoo_blocks().get(str(source))
        near = (
            f"; it is a block of {library}, which `archspec show {library}` tells"
            if library
            else suggest(str(source), specs) or "; `archspec list` shows the zoo"
        )
        if str(source) in zoo_recipes():
            near = "; it is a recipe: `archspec train SPEC --recipe NAME` takes it"
        message = f"there is no file and no zoo spec of this name{near}"
        raise SpecError([Diagnostic("unknown-spec", message, Place(str(source)))])
    return specs[str(source)]


def find_rule_files(source: str | Path) -> Iterator[tuple[Path, list[Path]]]:
    """A spec's file, with the files of rules for weights beside it, or in all of the zoo where it is a spec of the zoo;
    then the same for the spec that it extends, and so on.

    Raises SpecError where one of these specs cannot be found or read.
    """
    path = find_spec(source)
    seen: set[Path] = set()
    while path not in seen:
        seen.add(path)
        in_zoo = real_path(path).is_relative_to(ZOO)
        yield path, sorted(ZOO.rglob(f"*{RULES}") if in_zoo else path.parent.glob(f"*{RULES}"))
        written = read_file(path, shown(path)).data
        base = written.get("extends") if isinstance(written, dict) else None
        if not isinstance(base, str):
            return
        try:
            path = find_import(base, path, real_path(path).parent, by_name=True)
        except LookupError as error:
            code, message = error.args
            raise SpecError([Diagnostic(code, message, Place(shown(path)))]) from None


def find_import(name: str, importer: Path, root: Path, *, by_name: bool) -> Path:
    """The file that `import` or (`by_name`) `extends` means: beside the importing file, or in the zoo; the importing
    file itself only where there is no other. `root` is the spec's folder, without links.

    Raises LookupError(code, message) where there is none, or where it lies outside the two trees.
    """
    if "\0" in name or Path(name).is_absolute():
        raise LookupError("import-outside", f"'{name}' is outside the spec's folder and the zoo; imports are relative")
    itself, trees, own = importer.resolve(), (root, ZOO), None
    meant = [folder / f"{name}{suffix}" for folder in (itself.parent, ZOO) for suffix in ("", *SUFFIXES)]
    for candidate in _resolve(meant, only_files=True):
        if any(map(candidate.is_relative_to, trees)):
            if candidate != itself:
                return candidate
            own = candidate
    if by_name and name in zoo_specs():
        return zoo_specs()[name]
    if own is not None:
        return own
    if not all(any(map(candidate.is_relative_to, trees)) for candidate in _resolve(meant)):
        raise LookupError("import-outside", f"'{name}' is outside the spec's folder and the zoo")
    near = suggest(name, zoo_specs() if by_name else zoo_libraries())
    if "\\" in name:
        near = "; folders are separated by `/`, on every system"
    raise LookupError("unknown-import", f"there is no '{name}' beside {shown(importer)} or in the zoo{near}")


def _resolve(paths: Iterable[Path], *, only_files: bool = False) -> Iterator[Path]:
    """Give paths without links, or those of them that are files: most are not, and to resolve one takes the system a
    look at each of its folders."""
    for path in paths:
        try:
            if not only_files or path.is_file():
                yield path.resolve()
        except (OSError, RuntimeError):  # too long a name, a loop of links
            continue
