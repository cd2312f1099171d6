"""What is chosen is where a file runs, and how far results may be apart."""

from __future__ import annotations

from runtime.verification.differences import EXACT, LIMITS
from runtime.verification.options import VerifyOptions


def test_cases_are_batches_with_the_sizes() -> None:
    assert VerifyOptions().cases == []
    assert VerifyOptions(batches=(1, 3)).cases == [(1, {}), (3, {})]
    assert VerifyOptions(sizes={"H": 8}).cases == [(1, {"H": 8})]
    assert VerifyOptions(batches=(2,), sizes={"H": 8}).cases == [(2, {"H": 8})]


def test_limits_are_those_of_the_type_unless_one_is_given() -> None:
    assert VerifyOptions().limits("float16") == LIMITS["float16"]
    assert VerifyOptions().limits("int64") == EXACT
    given = VerifyOptions(tolerance=0.5).limits("float16")
    assert (given.numbers, given.flips) == (0.5, LIMITS["float16"].flips)
