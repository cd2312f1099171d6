"""The word for the parts of a value, as it is read."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import read_one


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("split: [a, b]", []),
        ('split: {taps: ["a{i}", b], sizes: [1, in_channels - 1], axis: -1}', []),
        ("split", ["missing-field"]),
        ("split: []", ["too-short"]),
        ("split: {taps: [a b]}", ["bad-name"]),
        ("split: {taps: [a], parts: 2}", ["unknown-field"]),
    ],
)
def test_fields_of_the_word(text: str, codes: list[str]) -> None:
    found = read_one(text)[1]
    assert bool(found) == bool(codes)
    if codes[:1] in (["missing-field"], ["unknown-field"]):
        assert found == codes
