"""The word of an operation that the caller brings, as it is read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("ext: roll", []),
        ("ext: {use: roll, steps: 3}", []),
        ("ext: {steps: 3}", ["missing-field"]),
        ("ext", ["missing-field"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
