"""A verification passes unless a check failed; what was chosen is where a file runs."""

from __future__ import annotations

import json

import pytest

from runtime.verification.checks import Check, Choice, Status, Verification
from runtime.verification.differences import EXACT, LIMITS


@pytest.mark.parametrize(
    ("statuses", "passed"),
    [([], True), (["passed", "noted"], True), (["noted", "failed"], False), (["failed", "passed"], False)],
)
def test_one_failed_check_fails_it(statuses: list[Status], passed: bool) -> None:
    found = Verification(None, tuple(Check(f"row {status}", status, "text") for status in statuses))
    assert found.passed == passed
    told = json.loads(json.dumps(found.to_dict()))
    assert told["passed"] == passed
    assert [check["status"] for check in told["checks"]] == statuses
    assert (told["file"], told["bisection"]) == (None, None)


def test_cases_are_batches_with_the_sizes() -> None:
    assert Choice().cases == []
    assert Choice(batches=(1, 3)).cases == [(1, {}), (3, {})]
    assert Choice(sizes={"H": 8}).cases == [(1, {"H": 8})]
    assert Choice(batches=(2,), sizes={"H": 8}).cases == [(2, {"H": 8})]


def test_limits_are_those_of_the_type_unless_one_is_given() -> None:
    assert Choice().limits("float16") == LIMITS["float16"]
    assert Choice().limits("int64") == EXACT
    given = Choice(tolerance=0.5).limits("float16")
    assert (given.numbers, given.flips) == (0.5, LIMITS["float16"].flips)
