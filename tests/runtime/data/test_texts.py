"""Texts beside data: their encodings, and where what is none stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.texts import read_start, read_text


def read(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return read_text(path, 100, "table")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_utf_8_is_read_with_a_mark_and_without(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("texts") / "t.csv"
    assert read(path, text.encode("utf-8-sig")) == text
    assert read(path, text.encode()) == text.removeprefix("\ufeff")
    assert read_start(path, 100) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b".encode("utf-16"), r"t\.csv:1:1: this is UTF-16 .*: save the table as UTF-8"),
        ("a,b".encode("utf-16-be"), r"t\.csv:1:1: a zero byte stands in the table"),
        ("é\na,b\0".encode(), r"t\.csv:2:4: a zero byte stands in the table"),
        (b"ab\nc\xff", r"t\.csv:2:2: the byte 0xff is not UTF-8: save the table as UTF-8"),
        (b"a" * 101, r"t\.csv has more than 100 bytes, which is too much for a table"),
    ],
)
def test_others_are_told_with_their_place(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(tmp_path / "t.csv", content)


def test_the_start_is_read_whatever_the_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        (tmp_path / "t.csv").write_bytes("image,label".encode(encoding))
        assert read_start(tmp_path / "t.csv", 100) == "image,label", encoding
    assert read_start(tmp_path / "t.csv", 4) == "im"
    assert read_start(tmp_path / "none.csv", 4) == ""
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        read_text(tmp_path / "none.csv", 4, "table")
