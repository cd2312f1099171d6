"""The word that undoes a pooling, as it is read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("max_unpool: pooled", []),
        ("max_unpool", ["missing-field"]),
        ("max_unpool: 3", ["wrong-type"]),
        ("max_unpool: {like: pooled, kernel: 2}", ["unknown-field"]),
    ],
)
def test_fields_of_the_word(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
