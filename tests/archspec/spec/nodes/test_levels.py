"""Ways down and up, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("encoder_decoder: {n: 2}", []),
        ("encoder_decoder: {}", ["bad-loop"]),
        ("encoder_decoder: {n: 2, merge: shake}", ["bad-value"]),
        ("encoder_decoder: {n: 2, middle: []}", ["unknown-field"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
