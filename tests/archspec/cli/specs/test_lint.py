"""The command lint: exit codes, lines, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.api import to_onnx, to_torch
from archspec.cli.tables.console import console
from archspec.cli.tables.lint import print_lint
from tests.archspec.spec.texts import graph_of, write
from tests.support.commands import run
from tests.support.lint_texts import IMAGE, lint_text

BIASED = IMAGE + "  - conv: 8\n  - batch_norm\n  - relu\n"


def test_nothing_found_exits_0() -> None:
    assert run("lint", "resnet18", "se_resnet50") == "resnet18: ok\nse_resnet50: ok\n"
    assert run("lint", "resnet18", "--json") == "[]\n"


def test_findings_exit_1_and_say_where(tmp_path: Path) -> None:
    path = write(tmp_path, BIASED)
    output = run("lint", "resnet18", path, expect=1)
    assert f"{path}:4:5: warning[bias-before-norm]: the bias of this conv, 8 parameters, is lost" in output
    assert output.startswith("resnet18: ok\n")
    assert output.endswith("\n1 finding; `archspec explain CODE` says why, `# archspec: ignore[CODE]` silences one\n")


def test_findings_as_json(tmp_path: Path) -> None:
    path = write(tmp_path, BIASED)
    (row,) = json.loads(run("lint", path, "--json", expect=1))
    assert (row["spec"], row["code"], row["line"], row["column"]) == (str(path), "bias-before-norm", 4, 5)


def test_codes_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, BIASED + "  - relu\n")
    assert "idle-relu" not in run("lint", path, "--ignore", "idle", expect=1)
    assert "bias-before-norm" not in run("lint", path, "--select", "idle-relu", expect=1)
    assert run("lint", path, "--select", "dead-node, unused") == f"{path}: ok\n"


@pytest.mark.parametrize(
    "words", [("--select", "idle-rel"), ("--ignore", "nonsense"), ("--set", "a"), ("--size", "H=0")]
)
def test_wrong_usage_exits_2(words: tuple[str, ...]) -> None:
    run("lint", "resnet18", *words, expect=2)


def test_a_near_code_is_suggested() -> None:
    assert "'idle-relu'?" in run("lint", "resnet18", "--select", "idle-rel", expect=2)


def test_mistakes_of_one_spec_hide_nothing_of_the_next(tmp_path: Path) -> None:
    wrong, biased = write(tmp_path, IMAGE + "  - rellu\n", "a.yaml"), write(tmp_path, BIASED, "b.yaml")
    output = run("lint", wrong, biased, expect=2)
    assert "error[unknown-node]: unknown node 'rellu'; did you mean 'relu'?" in output
    assert "warning[bias-before-norm]" in output
    assert "\n1 mistake; " in output
    assert "\n1 finding; " in output
    rows = json.loads(run("lint", wrong, biased, "--json", expect=2))
    assert [row["code"] for row in rows] == ["unknown-node", "bias-before-norm"]


def test_an_onnx_file_is_looked_over(tmp_path: Path) -> None:
    graph = graph_of(IMAGE + "  - conv: 8\n  - relu\n  - max_pool: 3\n")
    path = tmp_path / "model.onnx"
    to_onnx(graph, to_torch(graph).state_dict(), path, verify=False)
    output = run("lint", path, expect=1)
    assert str(path) in output
    assert "warning[lost-pixels]" in output
    assert "--ignore CODE" in output
    assert "# archspec: ignore" not in output
    (pool,) = json.loads(run("lint", path, "--json", expect=1))
    assert pool["message"].startswith(pool["nodes"][0])


def test_params_and_sizes_are_those_of_the_options() -> None:
    assert "warning[lost-pixels]" in run("lint", "densenet121", "--size", "H=250", expect=1)
    assert "at H = 256 and W = 230 none is lost" not in run("lint", "densenet121", expect=0)


def test_findings_in_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    print_lint(lint_text(BIASED), console())
    output = capsys.readouterr().out
    assert "lint: 1 finding\n" in output
    assert "warning[bias-before-norm]" in output
    print_lint((), console())
    assert "lint: nothing found" in capsys.readouterr().out
