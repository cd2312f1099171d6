"""Residuals, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("residual: {body: []}", []),
        ("residual: {}", ["missing-field"]),
        ("residual: {body: [], project: [], shortcut: []}", ["bad-residual"]),
        ("residual: {body: [], scaling: fixdown}", ["bad-value"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
