"""Tables for people: in a file or a pipe each row is one line; in a terminal they are as wide as it is, and no number
is ever cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from archspec.wording import escape_controls

GAP = "  "
MIN_WIDTH = 16
"""The smallest width of a column of words, in letters; where there is no room for it, a row becomes several lines."""

NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")

Cell: TypeAlias = str | Text


@dataclass(frozen=True)
class Column:
    """A column. What it holds decides what happens where there is no room: figures stay whole; words are wrapped, and
    one that is longer than the column is cut in its middle; a bar is left out."""

    title: str
    holds: Literal["figures", "words", "bar"] = "figures"
    style: str = ""


def words(title: str = "", style: str = "") -> Column:
    """A column of names or sentences."""
    return Column(title, "words", style)


class Grid:
    """Rows under titles; where no column has one, there is no line for them. Columns given as plain text hold figures.

    Where not even narrow columns of words leave room for the figures, a row is its first cell, and below it the others,
    each after its title.
    """

    def __init__(self, *columns: Column | str) -> None:
        described = [Column(column) if isinstance(column, str) else column for column in columns]
        self.columns = [replace(column, title=escape_controls(column.title)) for column in described]
        self.rows: list[list[Text]] = []

    def add_row(self, *cells: Cell, style: str = "") -> None:
        """Add a row with a cell for each of the first columns; `style` is that of the row."""
        self.rows.append([_style(cell, column, style) for column, cell in zip(self.columns, cells, strict=False)])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lay_out(options.max_width):
            line.no_wrap, line.overflow = True, "ignore"
            line.rstrip()
            yield line

    def _lay_out(self, room: int) -> Iterator[Text]:
        everything = range(len(self.columns))
        without_bars = [i for i in everything if self.columns[i].holds != "bar"]
        for shown in (everything, without_bars):
            widths = self._find_widths(shown, room)
            if widths:
                return self._write_rows(shown, widths)
        return self._write_records(room)

    def _find_widths(self, shown: Sequence[int], room: int) -> dict[int, int] | None:
        """The width of each of these columns, together no more than `room`; None where they need more."""
        widths, least = {}, {}
        for i in shown:
            title, cells = self.columns[i].title, [row[i].plain for row in self.rows if i < len(row)]
            whole = max(map(cell_len, cells), default=0)
            widths[i] = max(whole, cell_len(title))
            numbers = max(map(_longest_number, [title, *cells]))
            needed = numbers if self.columns[i].holds == "words" else max(whole, _longest_number(title))
            least[i] = min(widths[i], max(MIN_WIDTH, needed))
        room -= len(GAP) * (len(shown) - 1)
        if room < sum(least.values()):
            return None
        widths = {i: max(least[i], min(width, room)) for i, width in widths.items()}
        while sum(widths.values()) > room:
            widest = max((i for i in shown if widths[i] > least[i]), key=widths.__getitem__)
            widths[widest] -= 1
        return widths

    def _write_rows(self, shown: Sequence[int], widths: dict[int, int]) -> Iterator[Text]:
        if any(self.columns[i].title for i in shown):
            titles = {i: Text(self.columns[i].title, style="bold") for i in shown}
            yield from self._write_row(titles, widths)
        for row in self.rows:
            yield from self._write_row({i: row[i] for i in shown if i < len(row)}, widths)

    def _write_row(self, cells: dict[int, Text], widths: dict[int, int]) -> Iterator[Text]:
        wrapped = {i: list(wrap(cell, widths[i])) for i, cell in cells.items()}
        for number in range(max(map(len, wrapped.values()), default=1)):
            line = Text()
            for i, lines in wrapped.items():
                text = lines[number] if number < len(lines) else Text()
                blank = " " * (widths[i] - cell_len(text.plain))
                for part in (blank, text) if self.columns[i].holds == "figures" else (text, blank):
                    line.append(part)
                line.append(GAP)
            yield line

    def _write_records(self, room: int) -> Iterator[Text]:
        for row in self.rows:
            for i, (column, cell) in enumerate(zip(self.columns, row, strict=False)):
                if cell.plain and column.holds != "bar":
                    title = f"{GAP}{column.title} " if column.title else GAP
                    yield from wrap(Text(title, style="dim").append_text(cell) if i else cell, room)


def wrap(text: Text, width: int, *, cut: bool = True) -> Iterator[Text]:
    """The lines of a text, broken at spaces; those that continue it stand farther in than it does. A word that is
    longer than a line is cut in its middle, or else left whole."""
    plain = text.plain
    if cell_len(plain) <= width:
        yield text
        return
    start = len(plain) - len(plain.lstrip(" "))
    hang = min(start + len(GAP), max(0, width - MIN_WIDTH))
    line, end = Text(), 0
    for found in re.finditer(r"\S+", plain):
        word = text[found.start() : found.end()]
        word = _cut_middle(word, width - hang) if cut else word
        blank = min(found.start() - end, hang) if not line else found.start() - end
        if line and cell_len(line.plain) + blank + cell_len(word.plain) > width:
            yield line
            line, blank = Text(), hang
        line.append(" " * blank).append_text(word)
        end = found.end()
    yield line


def _cut_middle(word: Text, width: int) -> Text:
    """Cut a word to at most `width` letters of a word, its beginning and its end without parts of numbers; a number is
    left whole."""
    plain = word.plain
    if cell_len(plain) <= width:
        return word
    letters = max(0, width - 1) // (2 if cell_len(plain) > len(plain) else 1)
    head, tail = (letters + 1) // 2, len(plain) - letters // 2
    for number in NUMBER.finditer(plain):
        head = number.start() if number.start() < head < number.end() else head
        tail = number.end() if number.start() < tail < number.end() else tail
    if not head and tail == len(plain):
        return word
    return word[:head].append("…").append_text(word[tail:])


def _style(cell: Cell, column: Column, style: str) -> Text:
    """A cell on one line. Names from files may hold anything: only the program's own words have styles."""
    text = Text(style=f"{column.style} {style}".strip())
    if isinstance(cell, str):
        return text.append(escape_controls(cell))
    return text.append_text(escape_text(cell))


def escape_text(text: Text) -> Text:
    """A text of one line without control characters."""
    escaped = escape_controls(text.plain)
    if text.plain != escaped:
        text.plain = escaped
    return text


def _longest_number(text: str) -> int:
    return max((len(number[0]) for number in NUMBER.finditer(text)), default=0)
