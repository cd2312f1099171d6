"""Mistakes and findings, each with the line of text that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from archspec.errors import Diagnostic, Place
from archspec.file_types import is_onnx
from archspec.spec.comments import BREAK
from archspec.spec.text import MAX_BYTES
from archspec.wording import escape_controls
from compiler.analysis.lint import Finding

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s,:\[\]{}"\']+')
_TAB = " " * 4
MAX_COLUMNS = 120
"""The largest number of columns of a line that are shown, however wide the terminal is: a file may be one line."""


def print_messages(items: Iterable[Diagnostic | Finding], out: Console) -> None:
    """Print each message on one line, however long, then the line of text at its place with a mark below, then its
    calls."""
    for item in items:
        place = str(item.place)
        message, *calls = str(item).removeprefix(f"{place}: ").split("\n")
        level, bracket, rest = escape_controls(message).partition("]")
        colour = "bold red" if isinstance(item, Diagnostic) else "bold yellow"
        text = Text.assemble((escape_controls(place), "bold"), ": ", (level + bracket, colour), rest)
        _add_line(text, item.place, min(out.width, MAX_COLUMNS), colour)
        for call in calls:
            text.append(f"\n{escape_controls(call)}", "dim")
        out.print(text, soft_wrap=True)


def _add_line(text: Text, place: Place, width: int, colour: str) -> None:
    """Add the line of a place, numbered, with a mark below the word there; nothing where there is no such line."""
    lines = _read_lines(place.file) if place.line else ()
    if not 0 < place.line <= len(lines):
        return
    bar = " | "
    number = f"{place.line:>5}"
    shown, start, length = cut_out(lines[place.line - 1], place.column, width - len(number + bar))
    text.append(f"\n{number}{bar}", "cyan").append(shown)
    text.append(f"\n{'':{len(number)}}{bar}", "cyan").append(" " * start).append("^" * length, colour)


def cut_out(line: str, column: int, width: int) -> tuple[str, int, int]:
    """The part of a line around a column, counted in characters from one, that `width` columns of a terminal show; and
    at which of them the word there starts, and how many it takes. Nothing in it moves a cursor or changes a colour."""
    start, near = column - 1, 2 * width  # a line may be as long as a file
    word = _WORD.match(line, start, start + near)
    end = word.end() if word else column
    before, at, after = map(_spell, (line[max(0, start - near) : start], line[start:end], line[end : end + near]))
    if cell_len(before) + cell_len(at) + cell_len(after) > width:
        at = _clip(at, width // 2)
        before = _clip(before[::-1], width // 3)[::-1]
        after = _clip(after, width - cell_len(before) - cell_len(at))
    return (before + at + after).rstrip(), cell_len(before), max(1, cell_len(at))


def _spell(text: str) -> str:
    return escape_controls(text.replace("\t", _TAB))


def _clip(text: str, width: int) -> str:
    """The beginning of a text, with an ellipsis where it does not fit into `width` columns."""
    if len(text) <= width and cell_len(text) <= width:
        return text
    text = text[: max(0, width - 1)]
    while cell_len(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


@lru_cache(maxsize=16)
def _read_lines(name: str) -> tuple[str, ...]:
    """The lines of a spec's file; none where it is no file of text, or cannot be read any more."""
    path = Path(name)
    try:
        if is_onnx(path) or not path.is_file():
            return ()
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return ()
    return tuple(BREAK.split(text))
