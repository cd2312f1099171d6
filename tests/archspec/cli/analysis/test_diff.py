"""The command diff: what changed, as text and as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from archspec.api import elaborate, load, to_onnx, to_torch
from tests.support.commands import fail, run
from tests.support.lowering import stir


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
