"""What is printed of a verification: facts, a row for each check, and the verdict."""

from __future__ import annotations

import pytest

from archspec.cli.tables.verify import HASH, MAX_CLASSES, print_verification
from compiler.onnx_file.metadata import CLASSES, GRAPH, PRECISION
from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts
from runtime.verification.report import Verification
from tests.support.tables import read_rows


def facts(classes: int) -> ModelFacts:
    metadata: dict[str, str] = {GRAPH: "sha256:" + "0123456789abcdef" * 4, PRECISION: "fp32"}
    metadata |= {CLASSES: "[" + ", ".join(f'"c{number}"' for number in range(classes)) + "]"}
    return ModelFacts("m.onnx", 1000, (), 17, 9, "archspec", 3, 2, 10, "float32", metadata)


@pytest.mark.parametrize(("status", "verdict"), [("noted", "verified"), ("failed", "not verified")])
def test_one_failure_decides(status: str, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    checks = (Check("file", "passed", "opset 17"), Check("content", status, "by hand"))  # type: ignore[arg-type]
    print_verification(Verification(None, checks))
    rows = read_rows(capsys)
    assert rows[0] == ["ok", "file", "opset 17"]
    assert rows[1] == [{"noted": "note", "failed": "FAILED"}[status], "content", "by hand"]
    assert rows[-1] == [verdict]


@pytest.mark.parametrize("classes", [MAX_CLASSES, MAX_CLASSES + 1])
def test_facts_are_told_in_short(classes: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_verification(Verification(facts(classes), ()))
    rows = dict(row for row in read_rows(capsys) if len(row) == 2)
    assert rows["file"] == "m.onnx"
    assert rows["precision"] == "fp32"
    assert len(rows[f"{GRAPH.word} hash"]) == HASH
    assert rows["classes"].startswith(f"{classes}: c0, c1")
    assert rows["classes"].endswith(", …") == (classes > MAX_CLASSES)
