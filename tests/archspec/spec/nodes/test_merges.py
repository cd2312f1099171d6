"""Merges of branches, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("add: [[], [relu]]", []),
        ("concat: {n: 2, body: []}", []),
        ("add: []", ["bad-value"]),
        ("mul: {fit: crop}", ["bad-branches"]),
        ("shake: {branches: [[]], draw: pixel}", ["bad-value"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
