"""The files that give way to what a command writes: those that it could have written itself, by their content."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from archspec.errors import InputError
from archspec.file_types import ONNX, ZIP, check_says_its_kind, find_file_type, is_onnx
from archspec.files import check_file_name

HEAD = 4096
"""The number of bytes in which a file says what it is."""


class Kind(NamedTuple):
    """A kind of file that a command writes: in words, whether a file is one, the name of an example, and what to do
    where something else is in its place."""

    what: str
    is_one: Callable[[Path], bool]
    example: str
    advice: str = "; --force replaces it"


def check_gives_way(path: str | Path, kind: Kind, *, force: bool = False) -> None:
    """Raises InputError where a folder is there, where the name says that it is something else, and where a file is
    there that is neither of the kind nor empty and is not to be replaced by force."""
    check_file_name(path, kind.example)
    check_says_its_kind(path, kind.what, Path(kind.example).suffix)
    if os.path.isfile(path) and os.path.getsize(path) and not force and not kind.is_one(Path(path)):
        raise InputError(f"{path} is there already, and does not hold {kind.what}{kind.advice}")


def _begins(pattern: bytes) -> Callable[[Path], bool]:
    start = re.compile(pattern, re.DOTALL)

    def is_one(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return start.match(file.read(HEAD)) is not None
        except OSError:
            return False

    return is_one


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz" and find_file_type(path) == ZIP


MODEL = Kind(ONNX, is_onnx, "model.onnx", "; --force replaces it, and in Python force=True")
ARRAYS = Kind("arrays", _is_npz, "outputs.npz", ": give the arrays another name")

PICTURE = Kind(
    "an SVG of archspec's",
    _begins(rb'<svg [^>]*aria-labelledby="title desc">\s*<title id="title">'),
    "network.svg",
)
PAGE = Kind("a page of archspec's", _begins(rb"<!doctype html>.*<title>[^<]* \xc2\xb7 archspec</title>"), "page.html")
PNG = Kind(
    "a PNG of archspec's",
    _begins(rb"\x89PNG\r\n\x1a\n.{25}.{4}tEXtSoftware\0archspec"),  # right behind the header, which has 25 bytes
    "picture.png",
    ": move it away, or name another folder",
)
KEY = Kind("a key of archspec's", _begins(rb'\{\n  "drawn by": "archspec run --pictures",\n'), "key.json")
MERMAID = Kind("Mermaid text of archspec's", _begins(rb"%% [^\n]*\nflowchart TD\n"), "network.mmd")
DOT = Kind(
    "Graphviz text of archspec's",
    _begins(rb'digraph "[^\n]*" \{\n  graph \[fontname="monospace", fontsize=12'),
    "network.dot",
)
OUTLINE = Kind(
    "JSON of a drawing of archspec's",
    _begins(rb'\{\n  "name": [^\n]*\n  "sizes": \{[^}]*\},\n  "id": "[^\n]*\n  "title": '),
    "network.json",
)

DRAWN = {"svg": PICTURE, "html": PAGE, "mmd": MERMAID, "dot": DOT, "json": OUTLINE}
"""The kinds of what `draw` writes, by their formats."""
