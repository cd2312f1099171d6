"""Fields of other frameworks."""

from __future__ import annotations

from archspec.spec.foreign import field_sayings
from archspec.spec.foreign_fields import FIELDS


def test_each_word_is_said_once_for_each_line() -> None:
    sayings = field_sayings()
    assert [said.written for said in sayings["p"]] == ["padding", "rate", "survival"]
    assert len(sayings) < sum(map(len, map(str.split, FIELDS.splitlines())))
