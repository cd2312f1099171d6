"""The command explain: every code has a summary and a remedy."""

from __future__ import annotations

import json

import pytest

from archspec.spec.codes import FAILURES, MISTAKES
from compiler.analysis.lint import CODES
from tests.support.commands import fail, run


@pytest.mark.parametrize("code", [*(code.code for code in (*MISTAKES, *FAILURES)), *CODES])
def test_every_code_is_explained(code: str) -> None:
    output = run("explain", code)
    assert output.startswith(f"{code}\n")
    assert "What to do: " in output
    assert ("ignore[" in output) is (code in CODES)
    row = json.loads(run("explain", code, "--json"))
    assert row["code"] == code
    assert row["summary"]
    assert row["remedy"]


def test_without_a_code_all_are_listed() -> None:
    output = run("explain")
    assert all(f"\n{code} " in output for code in (*(code.code for code in (*MISTAKES, *FAILURES)), *CODES))
    assert [row["code"] for row in json.loads(run("explain", "--json"))] == [
        *(code.code for code in (*MISTAKES, *FAILURES)),
        *CODES,
    ]


def test_a_near_code_is_suggested() -> None:
    assert "there is no code 'dead-nod'; did you mean 'dead-node'" in fail("explain", "dead-nod")
    assert "`archspec explain` lists them" in fail("explain", "nothing of the kind")
