"""The command assert: conditions that hold, that do not, and that cannot be decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec.cli.main import app
from tests.support.commands import run, words_of


def test_assert_holds() -> None:
    output = run("assert", "resnet50", "params <= 25.6M", "macs < 4.2G", "paths.block.total == 65536")
    rows = [line.split() for line in output.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("ok", "25,557,032"), ("ok", "4,089,184,256"), ("ok", "65,536")]


def test_assert_fails() -> None:
    output = run("assert", "resnet50", "params <= 25M", "macs < 4.2G", expect=1)
    assert [line.split()[0] for line in output.splitlines()] == ["failed", "ok"]
    found = json.loads(run("assert", "resnet50", "params <= 25M", "--json", expect=1))
    assert not found["holds"]
    assert found["conditions"][0]["found"] == 25_557_032


def test_assert_at_other_params_and_sizes() -> None:
    run("assert", "resnet50", "outputs.output == 10", "--set", "classes=10")
    run("assert", "resnet50", "inputs.image[1] == 64", "--size", "H=64")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("parms <= 5", "did you mean 'params'"),
        ("params", "a condition is KEY"),
        ("params <= 5MB", "no number of bytes"),
        ("macs.totl < 3", "there is total, convention, conventions"),
    ],
)
def test_wrong_usage_of_assert_exits_2(condition: str, message: str) -> None:
    assert message in words_of(run("assert", "resnet18", condition, expect=2))


def test_assert_reads_the_comments_for_lint(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    head = "archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork:\n"
    spec.write_text(f"{head}  - conv: 16\n  - batch_norm\n  - relu\n")
    found = json.loads(run("assert", spec, "lint.count >= 1", "--json"))["conditions"][0]["found"]
    from archspec.api import open_network
    from compiler.analysis.lint import lint_graph

    codes = {finding.code for finding in lint_graph(*open_network(spec))}
    spec.write_text(f"# archspec: ignore[{','.join(sorted(codes))}]\n{head}  - conv: 16\n  - batch_norm\n  - relu\n")
    assert json.loads(run("assert", spec, "lint.count >= 0", "--json"))["conditions"][0]["found"] < found


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        *[("params <= 100", 1), ("params <= 200", 2), ("params >= 100", 0), ("params == 108", 2), ("params != 107", 0)],
        *[("macs < 7k", 2), ("macs > 6k", 0), ("saved <= 1GiB", 2), ("findings == 0", 2), ("receptive_field <= 3", 2)],
        *[("activations == 512", 0), ("nodes == 3", 0), ("operations.intensity <= 100", 2), ("memory.batch == 1", 0)],
        *[("nodes[1].parameters == 108", 2), ("params <= macs", 2)],
    ],
)
def test_unknown_operations_leave_open_what_they_may_change(half_known: Path, condition: str, code: int) -> None:
    result = CliRunner().invoke(app, ["assert", str(half_known), condition])
    assert result.exit_code == code, result.output
    if code == 2:
        assert "cannot be decided" in result.stderr
        assert "unknown operations are not counted: 1 × com.acme:Foo" in result.stderr


def test_unknown_operations_as_data(half_known: Path) -> None:
    found = json.loads(CliRunner().invoke(app, ["assert", str(half_known), "params <= 200", "--json"]).stdout)
    assert found["holds"] is None
    assert found["unknown"] == {"com.acme:Foo": 1}
    assert found["conditions"][0]["holds"] is None
    assert found["conditions"][0]["marks"]["parameters.trainable"]["kind"] == "at least"
    run("assert", half_known, "params <= 200", "params <= 100", "--json", expect=1)  # what is certain goes first
