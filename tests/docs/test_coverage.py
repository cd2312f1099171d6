"""The count of what can be said: its list is sound, and its answers follow the language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docs.coverage_page import SAID, UNSAID, Architecture, is_said, read_architectures

ROWS = read_architectures()


def test_each_architecture_stands_once_with_its_source() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 250
    assert all(row.source for row in ROWS)


def test_each_need_is_a_word_or_has_a_reason() -> None:
    needs = {need for row in ROWS for need in row.needs}
    assert needs == {*SAID, *UNSAID}
    assert not SAID.keys() & UNSAID.keys()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("dropout", True),
        ("drop_out", False),
        ("conv.kernel", True),
        ("conv.kernal", False),
        ("concat.fit=crop", True),
        ("concat.fit=shrink", False),
        ("upsample.scale[]", True),
        ("dropout.rate[]", False),
    ],
)
def test_a_need_is_said_where_the_schema_has_its_word(path: str, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAID, "tried", path)
    assert is_said("tried") is said
    is_said.cache_clear()


def test_one_need_without_a_word_is_enough() -> None:
    row = Architecture("net", "paper", ("crop", "spline"))
    assert row.lacks == ("spline",)
    assert replace(row, needs=("crop",)).lacks == ()
