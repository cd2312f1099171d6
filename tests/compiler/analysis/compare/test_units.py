"""Numbers with units, read exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest

from compiler.analysis.compare.units import ConditionError, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("25.6M", 25_600_000),
        ("8GiB", 8 * 2**30),
        ("2^58", 2**58),
        ("-1,000", -1000),
        ("1_0k", 10_000),
        ("1e-3", Fraction(1, 1000)),
    ],
)
def test_a_number_is_read_exactly(text: str, number: Fraction) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["", "M", "1,00", "1.5.2", "2^2^2", "1.5^2", "ten", "1Q"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ConditionError):
        read_number(text)
