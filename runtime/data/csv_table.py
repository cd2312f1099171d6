"""Tables of data: CSV files whose header names what each column holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.errors import InputError, tell_value
from archspec.wording import list_some
from runtime.data.description import DataDescription
from runtime.data.listing import FolderListing, find_ending
from runtime.data.splits import PART_NAMES
from runtime.data.texts import read_start, read_text

MAX_TABLE_BYTES = 1 << 28
"""The largest CSV file, in bytes."""

MAX_COLUMNS = 4096
"""The largest number of columns of a table."""

MAX_HEADER_BYTES = 1 << 16
"""The number of bytes at the beginning of a file in which its header is looked for."""

MAX_TABLES = 50
"""The largest number of CSV files of a folder that are looked at."""

DELIMITERS = ",;\t"
"""What may stand between columns; the one that stands most often in the header does."""

IMAGE = ("image", "file", "filename", "file_name", "path", "name")
"""What the column of the images' files is called, in small letters."""

MASK = ("mask", "mask_file", "mask_path", "segmentation")
"""What the column of the masks' files is called."""

LABEL = ("label", "class", "category", "target")
"""What the column of the classes' names is called."""

PART = ("part", "split", "set", "subset")
"""What the column of the parts is called."""


@dataclass(frozen=True)
class CsvRow:
    """A row: the line on which it begins, and its cells by their columns' names as they are written."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """A table in a file: its columns by name, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]

    def place(self, row: CsvRow) -> str:
        """Write where a row stands."""
        return f"{self.path}:{row.line}"


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Find the column that has one of these names, in whatever letters; the first of the names that there is."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def find_tables(listing: FolderListing, description: DataDescription | None = None) -> dict[str, tuple[str, ...]]:
    """Find the CSV files of a folder, with their columns; of a description that names one, that alone. A file that
    cannot be read has no columns."""
    named = description.table if description else None
    files = [named] if named else [name for name in listing.top_files if find_ending(name) == ".csv"][:MAX_TABLES]
    return {name: read_header(listing.path(name)) for name in files}


def read_header(path: Path) -> tuple[str, ...]:
    """Read the names of a table's columns; none where it cannot be read."""
    try:
        first = next(_split(read_start(path, MAX_HEADER_BYTES), path), (0, []))[1]
    except InputError:
        return ()
    return tuple(first) if len(first) <= MAX_COLUMNS else ()


def read_table(path: Path) -> CsvTable:
    """Read a table in UTF-8. Empty lines are passed over.

    Raises InputError, with file and line, where it cannot be read, two columns have one name, or a row has other cells
    than the header.
    """
    lines = _split(read_text(path, MAX_TABLE_BYTES, "table"), path)
    _, columns = next(lines, (1, []))
    if not columns or len(columns) > MAX_COLUMNS or len(set(columns)) < len(columns):
        raise InputError(f"{path}:1: expected a header that names each column, found {tell_value(','.join(columns))}")
    rows = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise InputError(f"{path}:{line}: this row has {len(cells)} cells, and the header {len(columns)}")
        rows.append(CsvRow(line, dict(zip(columns, cells, strict=True))))
    if not rows:
        raise InputError(f"{path} has a header, and no rows below it")
    return CsvTable(path, tuple(columns), tuple(rows))


def _split(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that has some, with the line on which it begins."""
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=header.count), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: {error}") from error


def check_one(listing: FolderListing, files: Sequence[str], columns: str) -> None:
    """Raises InputError unless one file is a table that has the columns."""
    if len(files) != 1:
        found = f"{listing.folder} has {len(files) or 'no'} tables with the columns {columns}"
        raise InputError(f"{found}: name one in data.yaml, as in `table: {(files or ['data.csv'])[0]}`")


def find_file(listing: FolderListing, table: CsvTable, row: CsvRow, column: str, folders: Sequence[str]) -> str:
    """Find the file that a row names. Raises InputError where there is none, or several."""
    name = row.cells[column]
    found = listing.find(name, folders)
    if found is None:
        several = [file for file in listing.files if name and (file == name or file.endswith(f"/{name}"))]
        why = (
            f"several files have it: {list_some(several, 3, ', ')}" if several else f"{listing.folder} has no such file"
        )
        raise InputError(f"{table.place(row)}: `{column}` is {tell_value(name)}, and {why}")
    return found


def read_part(table: CsvTable, row: CsvRow, column: str | None) -> str:
    """Read the part that a row names; empty where it names none. Raises InputError for a word that is none."""
    if column is None or not row.cells[column]:
        return ""
    part = PART_NAMES.get(row.cells[column].lower())
    if part is None:
        known = ", ".join(PART_NAMES)
        raise InputError(f"{table.place(row)}: `{column}` is {tell_value(row.cells[column])}, no part (known: {known})")
    return part
