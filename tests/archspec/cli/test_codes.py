"""Codes of messages by name: one catalogue of mistakes, failures and findings."""

from __future__ import annotations

from archspec.cli.codes import read_codes
from archspec.spec.codes import FAILURES, MISTAKES
from compiler.analysis.lint import CODES, RULES


def test_every_code_is_found_by_its_name_once() -> None:
    codes = read_codes()
    assert list(codes) == [*(code.code for code in (*MISTAKES, *FAILURES)), *CODES]
    assert len(codes) == len(MISTAKES) + len(FAILURES) + len(CODES)
    assert {name for name, code in codes.items() if code.code != name} == set()


def test_the_codes_are_those_that_are_raised_and_those_of_rules() -> None:
    codes = read_codes()
    assert {"shape-mismatch", *(rule.code for rule in RULES)} <= codes.keys()
    assert "shape-mismatsh" not in codes
