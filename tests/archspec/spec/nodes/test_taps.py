"""Taps, what takes them up, and outputs, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("tap: a", []),
        ('from: "f{i}"', []),
        ("output: out", []),
        ("tap", ["missing-field"]),
        ("tap: 3", ["wrong-type"]),
        ('from: "f{i"', ["bad-name"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
