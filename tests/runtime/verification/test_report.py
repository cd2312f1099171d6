"""A verification passes unless a check failed."""

from __future__ import annotations

import json

import pytest

from runtime.verification.checks import Check, Status
from runtime.verification.report import Verification


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
