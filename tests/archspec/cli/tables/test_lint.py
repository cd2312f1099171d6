"""What is printed of findings and codes: lines that editors read, and how many there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import load
from archspec.cli.tables.console import console
from archspec.cli.tables.lint import print_code, print_codes, print_findings, print_lint
from archspec.errors import Diagnostic, Place
from archspec.spec.codes import MISTAKES
from compiler.analysis.lint import CODES, Finding, lint_graph
from compiler.elaborate.elaborate import elaborate

SPEC = """\
archspec: 1
inputs: {x: [3, 32, 32]}
params: {idle: 3}
network: [conv: 8, relu]
"""


def findings_of(folder: Path) -> tuple[Finding, ...]:
    path = folder / "net.yaml"
    path.write_text(SPEC, encoding="utf-8")
    spec = load(path)
    return lint_graph(elaborate(spec), spec)


def test_a_finding_is_a_line_that_editors_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = findings_of(tmp_path)
    assert [each.code for each in found] == ["unused-param"]
    print_findings([("net.yaml", found), ("other.yaml", ())], {})
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{found[0].place}: ")
    assert "[unused-param]" in first
    assert "other.yaml: ok" in others
    assert others[-1].startswith("1 finding; `archspec explain CODE` says why")


def test_mistakes_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    mistake = Diagnostic("unknown-node", "unknown node 'flaten'", Place("net.yaml", 3, 1))
    print_findings([("net.yaml", [mistake])], {})
    text = capsys.readouterr().out
    assert "\n1 mistake; `archspec explain CODE` says what is meant" in text
    assert "finding" not in text


def test_what_no_rule_knows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([("m.onnx", ())], {"m.onnx": {"com.microsoft:Gelu": 2}})
    text = capsys.readouterr().out
    assert text.startswith("m.onnx: no rule knows of unknown operations: ")
    assert text.endswith("m.onnx: nothing found in the rest\n")


def test_a_report_says_that_nothing_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    print_lint((), console())
    assert capsys.readouterr().out == "\nlint: nothing found\n"


def test_every_code_is_in_the_list_and_has_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {code.code: code for code in MISTAKES} | CODES
    print_codes(codes)
    words = capsys.readouterr().out.split()
    assert {*codes} <= {*words}
    print_code(CODES["unused-param"])
    text = capsys.readouterr().out
    assert "What to do: " in text
    assert "# archspec: ignore[unused-param]" in text
