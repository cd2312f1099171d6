"""Loops and choices, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("repeat: {n: 2, body: []}", []),
        ("repeat: {each: {w: [1]}, body: []}", []),
        ("repeat: {body: []}", ["bad-loop"]),
        ("repeat: {n: 1, each: {w: [1]}, body: []}", ["bad-loop"]),
        ("dense: {each: {}, body: []}", ["bad-loop"]),
        ("repeat: {each: {i: [1]}, body: []}", ["bad-loop"]),
        ("when: {test: true, then: []}", []),
        ("when: {then: []}", ["missing-field"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
