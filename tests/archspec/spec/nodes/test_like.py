"""Words with another value that lends its extents, as they are read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("resize: skip", []),
        ('resize: {like: "f{i}", mode: linear, corners: aligned}', []),
        ("resize", ["missing-field"]),
        ("resize: 3", ["wrong-type"]),
        ("resize: {like: skip, mode: bilinear}", ["bad-value"]),
        ("resize: {like: skip, size: 3}", ["unknown-field"]),
    ],
)
def test_fields_of_the_words(text: str, codes: list[str]) -> None:
    assert read_one(text)[1] == codes
