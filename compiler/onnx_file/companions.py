"""The companion of a model: the file of its weights, which goes with it when another model takes its place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.files import is_plain_file, list_folder

with extra("run"):
    from compiler.onnx_file.digest import abbreviate, is_content
    from compiler.onnx_file.external import find_external, list_data
    from compiler.onnx_file.metadata import CONTENT
    from compiler.onnx_file.skim import mentions, read_metadata, skip_numbers


def name_data(model: str, content: str) -> str:
    """The name of the file with the weights of a model of that file name and content."""
    return f"{model}.{abbreviate(content)}.data"


def find_older_data(older: Path) -> Callable[[], list[Path]]:
    """Look at the model in `older` before it is replaced; the function that comes back is called afterwards. It lists
    the files of weights that this program wrote for the older model, and that no file of its folder names by then,
    neither what has taken its place nor any other model, whatever its name is. So who renamed or copied it meanwhile
    keeps its weights.

    In doubt a file is not listed: where a neighbour cannot be read, or there are too many. Beside what is no model of
    this program there is none.
    """
    names = _list_data(older)
    return lambda: _list_unused(older.parent, names)


def _list_unused(folder: Path, names: Collection[str]) -> list[Path]:
    if not names:
        return []
    used = _find_used([name.encode() for name in names], _list_neighbours(folder, names))
    return [folder / name for name in sorted(names) if name.encode() not in used]


def _list_data(model: Path) -> set[str]:
    """The files beside a model of this program that were written for it alone, as their names say.

    Its nodes are read only where the folder has such a name: most models are one file.
    """
    try:
        content = str(read_metadata(model).get(CONTENT, ""))
        ending = name_data("", content)
        if not is_content(content) or not any(path.name.endswith(ending) for path in list_folder(model.parent) or ()):
            return set()
        names = list_data(find_external(skip_numbers(model)))
    except (OSError, ArchspecError):  # nothing is there yet, or something else
        return set()
    ours = re.compile(rf"[^/\\]+{re.escape(ending)}")
    return {name for name in names if ours.fullmatch(name) and is_plain_file(model.with_name(name))}


def _list_neighbours(folder: Path, data: Collection[str]) -> list[Path] | None:
    """The files of a folder but these data; None where they are too many, or cannot be listed."""
    names = list_folder(folder)
    return names and [path for path in names if path.name not in data and os.path.isfile(path)]


def _find_used(names: Collection[bytes], neighbours: list[Path] | None) -> set[bytes]:
    """Find which of these names stand in one of the models, or may."""
    if neighbours is None:
        return set(names)
    try:
        return set().union(*(mentions(path, names) for path in neighbours))
    except (OSError, ArchspecError):
        return set(names)
