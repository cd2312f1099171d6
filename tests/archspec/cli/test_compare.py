"""diff, assert and fit as a user types them: words, exit codes, JSON, files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from click.testing import Result
from onnx import helper
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.cli.analysis.assert_ import assert_
from archspec.cli.analysis.diff import diff
from archspec.cli.analysis.fit import fit
from archspec.errors import ArchspecError
from tests.support.lowering import stir
from tests.support.models import build_model

app = typer.Typer()
for _command in (diff, assert_, fit):
    app.command(name=_command.__name__.rstrip("_"))(_command)


def run(*words: str | Path, expect: int = 0) -> str:
    result: Result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == expect, result.output
    return result.output


def fail(*words: str | Path) -> str:
    """What the command says of a mistake that `archspec.cli.main` prints before it exits 2."""
    result: Result = CliRunner().invoke(app, list(map(str, words)))
    assert isinstance(result.exception, ArchspecError), result.output
    return str(result.exception)


def words_of(text: str) -> str:
    """The words without the frame that typer draws around wrong usage."""
    return " ".join(text.replace("│", " ").split())


def test_diff_of_resnets() -> None:
    output = run("diff", "resnet50", "resnet101")
    assert "~ repeat_0 / i2 / repeat_0 / i0.bottleneck_0  ×22 instead of ×5  +18,992,128  +3,712,221,184" in output
    assert ["parameters", "25,557,032", "44,549,160", "+18,992,128", "1.74×"] in map(str.split, output.splitlines())
    assert "conv_1" not in output  # equal parts are folded away


def test_diff_shows_fields_additions_and_removals() -> None:
    output = run("diff", "unet", "unet_bn")
    assert "conv_0  padding 0 → same, bias true → false" in output
    assert "+       norm_0  batch_norm" in output
    assert "-       crop0" in output
    assert "~ image  dims 1×H×W → 3×H×W" in output


def test_diff_of_what_is_equal() -> None:
    assert "no difference" in run("diff", "resnet18", "resnet18", "--exit-code")


def test_diff_as_git_exits() -> None:
    run("diff", "resnet18", "resnet34")
    run("diff", "resnet18", "resnet34", "--exit-code", expect=1)


def test_diff_of_a_variant_by_params_and_sizes() -> None:
    words = ("diff", "resnet50", "resnet50", "--set-b", "classes=10", "--size", "H=64", "--size-b", "W=96")
    found = json.loads(run(*words, "--json"))
    assert found["a"]["sizes"] == {"H": 64, "W": 224}
    assert found["b"]["sizes"] == {"H": 64, "W": 96}
    assert found["figures"]["parameters.trainable"]["difference"] == -990 * 2049
    assert not found["equal"]
    last = found["changes"][-1]
    assert (last["change"], last["a"]["name"], last["fields"]) == ("changed", "linear_0", {"out": [1000, 10]})


def test_diff_folds_neighbours_on_one_side() -> None:
    output = run("diff", "densenet121", "densenet201")
    assert "i24 … i47, 24 of them" in output
    assert f"{2**98:,}" in output  # paths
    figures = json.loads(run("diff", "densenet121", "densenet201", "--json"))["figures"]
    assert figures["paths.op.total"]["b"] == 2**98


def test_diff_to_an_exported_model(tmp_path: Path) -> None:
    """The export has folded its normalizations into the convolutions, and has done nothing else."""
    graph = elaborate(load("resnet_digits"))
    to_onnx(graph, stir(to_torch(graph)).state_dict(), tmp_path / "model.onnx", verify=False)
    found = json.loads(run("diff", "resnet_digits", tmp_path / "model.onnx", "--json"))

    def leaves(changes: list[Any]) -> Iterator[Any]:
        for change in changes:
            yield from leaves(change["children"]) if change.get("children") else [change]

    changed = [item for item in leaves(found["changes"]) if item["change"] != "same"]
    removed = [item["a"]["layer"] for item in changed if item["change"] == "removed"]
    assert set(removed) == {"batch_norm"}
    fields = [item["fields"] for item in changed if item["change"] == "changed"]
    assert fields == [{"bias": [False, True]}] * len(removed)
    assert not found["rewired"]
    assert found["figures"]["macs.total"]["difference"] == 0


def test_diff_says_what_is_wrong() -> None:
    assert "did you mean 'resnet50'" in fail("diff", "resnet50", "resnt50")
    assert "did you mean 'classes'" in fail("diff", "resnet50", "resnet18", "--set-b", "clases=3")


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


def test_fit_finds_a_width() -> None:
    output = run("fit", "residual_mlp", "--vary", "width", "--budget", "params <= 5M", "--budget", "macs <= 3M")
    assert ["853", "3,000,855", "2,996,589", "fits"] in [line.split() for line in output.splitlines()]
    assert "next: archspec analyze residual_mlp --set width=853" in output


def test_fit_writes_a_variant(tmp_path: Path) -> None:
    variant = tmp_path / "wider.yaml"
    words = ("fit", "densenet121", "--vary", "growth", "--budget", "params <= 10M", "--set", "classes=10")
    output = run(*words, "-o", variant)
    assert "next: archspec analyze" in output
    spec = load(variant)
    assert spec.params["classes"] == 10
    run("assert", variant, "params <= 10M")
    run("assert", variant, "params <= 10M", "--set", f"growth={spec.params['growth'] + 1}", expect=1)


def test_fit_as_json_repeats_as_a_command() -> None:
    found = json.loads(run("fit", "resnet50", "--vary", "depths[2]=1..20", "--budget", "params <= 30M", "--json"))
    assert found["best"]["params"] == {"depths": [3, 4, 9, 3]}
    assert found["command"] == "archspec analyze resnet50 --set 'depths=[3,4,9,3]'"
    assert found["beyond"][0]["params"] == {"depths": [3, 4, 10, 3]}
    assert found["complete"]


def test_fit_exits_1_where_none_fits(tmp_path: Path) -> None:
    words = ("fit", "residual_mlp", "--vary", "blocks", "--budget", "params <= 10", "-o", tmp_path / "v.yaml")
    output = run(*words, expect=1)
    assert "none that was tried fits" in output
    assert "every other value up to 64 was tried; that none beyond fits is not proven" in output
    assert not (tmp_path / "v.yaml").exists()


def test_fit_says_what_it_has_proven() -> None:
    words = ("fit", "residual_mlp", "--budget", "params <= 50k", "--vary")
    assert "among them every value above it" in run(*words, "width=1..150")
    assert "every larger value up to 198 was tried; that none beyond fits is not proven, but" in run(*words, "width")
    assert "not proven" not in run(*words, "width=1..60")


def test_fit_replaces_no_file_unasked(tmp_path: Path) -> None:
    variant = tmp_path / "v.yaml"
    variant.write_text("mine")
    words = ("fit", "residual_mlp", "--vary", "width=1..20", "--budget", "params <= 5k")
    assert "--force replaces it" in fail(*words, "-o", variant)
    assert variant.read_text() == "mine"
    run(*words, "-o", variant, "--force")
    run("assert", variant, "params <= 5k")
    assert "--force is read by -o alone" in words_of(run(*words, "--force", expect=2))
    assert "should end in .yaml" in fail(*words, "-o", tmp_path / "v.json")


def test_fit_says_what_is_wrong() -> None:
    budget = ("--budget", "params <= 5M")
    assert "did you mean 'blocks'" in fail("fit", "residual_mlp", "--vary", "bloks", *budget)
    assert "what is varied is PARAM" in fail("fit", "residual_mlp", "--vary", "blocks=5", *budget)
    said = run("fit", "residual_mlp", "--vary", "blocks", "--budget", "params >= 5M", expect=2)
    assert "is no budget" in words_of(said)
    assert "Missing option" in run("fit", "residual_mlp", "--vary", "blocks", expect=2)


@pytest.fixture
def half_known(tmp_path: Path) -> Path:
    """A convolution of 4·3·9 parameters on 8×8, and an operation that nobody knows."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Foo", ["c"], ["y"], name="foo", domain="com.acme"),
    ]
    model = build_model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 4, 8, 8]}, {"k": np.ones((4, 3, 3, 3), np.float32)})
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    onnx.save(model, tmp_path / "half.onnx")
    return tmp_path / "half.onnx"


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
    result: Result = CliRunner().invoke(app, ["assert", str(half_known), condition])
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


def test_totals_with_unknown_operations_are_the_least(half_known: Path) -> None:
    from archspec.cli.main import app as whole

    def say(*words: str) -> str:
        return CliRunner().invoke(whole, list(words)).stdout

    for words in (("analyze", str(half_known), "--cost", "--memory"), ("show", str(half_known))):
        text = say(*words)
        assert "≥ 108" in text
        assert "≥ 6,912" in text
        assert "unknown operations: 1 × com.acme:Foo" in text
    marks = json.loads(say("analyze", str(half_known), "--memory", "--json"))["marks"]
    assert {"parameters", "macs", "memory.training_total_bytes"} <= marks.keys()
    assert not {"lint", "receptive_field", "activations"} & marks.keys()
    tree = json.loads(say("show", str(half_known), "--json"))
    assert (tree["unknown"], [child.get("unknown") for child in tree["children"]]) == (
        {"com.acme:Foo": 1},
        [None, None, 1],
    )
    assert "no rule knows of unknown operations: 1 × com.acme:Foo" in say("lint", str(half_known))
    assert "≥" not in say("analyze", "resnet_digits", "--cost", "--memory")


def test_diff_says_what_it_did_not_compare(half_known: Path, tmp_path: Path) -> None:
    assert run("diff", "resnet18", "resnet18").endswith(
        "joined in the same way; values of the weights are not compared\n"
    )
    output = run("diff", half_known, half_known)
    assert "unknown operations: 1 × com.acme:Foo" in output
    model = onnx.load(half_known)
    model.graph.node[0].name = "other"
    onnx.save(model, tmp_path / "other.onnx")
    output = run("diff", half_known, tmp_path / "other.onnx")
    assert "the same network: other names; values of the weights are not compared" in output
    assert "conv → other" in output
    model.graph.node[1].op_type = "Bar"
    onnx.save(model, tmp_path / "bar.onnx")
    output = run("diff", half_known, tmp_path / "bar.onnx")
    assert "com.acme:Foo → com.acme:Bar" in output
    figures = json.loads(run("diff", half_known, tmp_path / "bar.onnx", "--json"))["figures"]
    assert figures["parameters.trainable"]["difference"] is None
    assert figures["parameters.trainable"]["marks"]["a"]["kind"] == "at least"


def test_the_largest_batch_is_the_most_there_may_be(half_known: Path) -> None:
    from archspec.cli.main import app as whole

    words = ["analyze", str(half_known), "--memory", "--fits", "1MiB"]
    assert "training: at most " in CliRunner().invoke(whole, words).stdout
    found = json.loads(CliRunner().invoke(whole, [*words, "--json"]).stdout)
    assert found["marks"]["largest_batch"]["kind"] == "at most"
