"""Tables in CSV files: cells by the names of their columns, and mistakes by their lines."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data import csv_table
from runtime.data.csv_table import IMAGE, find_column, find_file, find_tables, read_header, read_part, read_table
from runtime.data.listing import list_data


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_by_their_columns(tmp_path: Path, delimiter: str, end: str) -> None:
    rows = [["image", "label"], ["a.png", "cat"], [], [" b, c.png ", 'big "dog"']]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=end).writerows(rows)
    path = write(tmp_path, "\ufeff" + buffer.getvalue())
    table = read_table(path)
    assert table.columns == read_header(path) == ("image", "label")
    assert [row.cells for row in table.rows] == [
        {"image": "a.png", "label": "cat"},
        {"image": "b, c.png", "label": 'big "dog"'},
    ]
    assert [row.line for row in table.rows] == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.csv:1: expected a header that names each column, found ''"),
        ("a,a\n1,2", r"t\.csv:1: expected a header"),
        ("a,b\n1,2\n3", r"t\.csv:3: this row has 1 cells, and the header 2"),
        ("a,b\n1,2,3", r"t\.csv:2: this row has 3 cells, and the header 2"),
        ("a,b\n", r"t\.csv has a header, and no rows below it"),
        ('a,b\n1,"2', r"t\.csv:2: unexpected end of data"),
        ('a,b\n1,"2"3', r"t\.csv:2: "),
    ],
)
def test_mistakes_have_lines(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(write(tmp_path, text))


def test_what_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "latin.csv").write_bytes("a,b\n1,ä".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.csv:2:3: the byte 0xe4 is not UTF-8: save the table as UTF-8"):
        read_table(tmp_path / "latin.csv")
    with pytest.raises(InputError, match=r"cannot read .*gone\.csv: No such file"):
        read_table(tmp_path / "gone.csv")
    assert read_header(tmp_path / "gone.csv") == ()
    assert read_header(write(tmp_path, ",".join(map(str, range(5000))))) == ()
    monkeypatch.setattr(csv_table, "MAX_TABLE_BYTES", 3)
    with pytest.raises(InputError, match=r"t\.csv has more than 3 bytes"):
        read_table(tmp_path / "t.csv")


def test_columns_are_found_by_any_of_their_names() -> None:
    assert find_column(["id", "File_Name", "path"], IMAGE) == "File_Name"
    assert find_column(["id"], IMAGE) is None


def test_files_and_parts_of_rows(tmp_path: Path) -> None:
    for name in ("images/a.png", "other/a.png", "b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    path = write(tmp_path, "image,part\na.png,valid\nb.png,\nc.png,extra\n")
    listing, table = list_data(tmp_path), read_table(path)
    assert find_tables(listing) == {"t.csv": ("image", "part")}
    first, second, third = table.rows
    assert find_file(listing, table, first, "image", ["images"]) == "images/a.png"
    with pytest.raises(
        InputError, match=r"t\.csv:2: `image` is 'a\.png', and several files have it: images/a\.png, other"
    ):
        find_file(listing, table, first, "image", [])
    with pytest.raises(InputError, match=r"t\.csv:4: `image` is 'c\.png', and .* has no such file"):
        find_file(listing, table, third, "image", [])
    assert [read_part(table, row, "part") for row in (first, second)] == ["validation", ""]
    assert read_part(table, first, None) == ""
    with pytest.raises(InputError, match=r"t\.csv:4: `part` is 'extra', no part \(known: train, training, val"):
        read_part(table, third, "part")


@given(st.text(alphabet='ab,;\t\n\r" \0é', max_size=40))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_table_or_an_error_of_the_input(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert isinstance(read_header(path), tuple)
    try:
        assert read_table(path).rows
    except InputError as error:
        said = str(error)
        assert str(path) in said
