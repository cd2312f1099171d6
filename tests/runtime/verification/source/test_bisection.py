"""The bisect names the node that was tampered with, and none of a file that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from archspec.api import elaborate, load, proof_cases, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Linear, Relu, Scale, Shape
from compiler.graph import Graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from runtime.verification.model.inside import ModelInside
from runtime.verification.source.bisection import METRICS, Bisection, ComparedFile, bisect
from tests.support.lowering import stir
from tests.support.rewriting import Drawing

Change = Callable[[onnx.ModelProto], str]
"""Spoils a model; gives the id of the node that then differs."""

BODY = "repeat_0.stage1.repeat_0.i0.basic_block_0.residual_0.body"


def bisect_file(
    spec: str, folder: Path, change: Change | None = None, precision: Any = "fp32", kind: str = "float32"
) -> tuple[Bisection, str]:
    graph = elaborate(load(spec))
    module = stir(to_torch(graph))
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    built = build_model(graph, weights, options=ExportOptions(precision=precision))
    path = folder / "m.onnx"
    write_model(built, path)
    wrong = ""
    if change:
        model = onnx.load(path)
        wrong = change(model)
        onnx.save(model, path)
    return bisect(ComparedFile(ModelInside(path), graph, module, built, kind), draw(graph)), wrong


def draw(graph: Graph) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in proof_cases(graph)[0].items()}


def find(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def set_number(model: onnx.ModelProto, name: str, place: int, number: float) -> None:
    tensor = next(item for item in model.graph.initializer if item.name == name)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[place] += number
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def change_weight(model: onnx.ModelProto) -> str:
    set_number(model, f"{BODY}.conv_0.weight", 7, 0.25)
    return f"{BODY}.norm_0"


def change_bias(model: onnx.ModelProto) -> str:
    set_number(model, find(model, "linear_0").input[2], 3, 0.25)
    return "linear_0"


def change_stride(model: onnx.ModelProto) -> str:
    """What reads the result cannot add it up, and does not run."""
    strides = next(item for item in find(model, f"{BODY}.conv_0").attribute if item.name == "strides")
    strides.ints[:] = [2, 2]
    return f"{BODY}.norm_0"


def change_operator(model: onnx.ModelProto) -> str:
    node = find(model, f"{BODY}.relu_0")
    node.op_type = "Tanh"
    return f"{BODY}.relu_0"


def change_operand(model: onnx.ModelProto) -> str:
    node = find(model, f"{BODY}.conv_1")
    node.input[0] = find(model, f"{BODY}.conv_0").output[0]
    return f"{BODY}.norm_1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_weight, "1 of 9,216 numbers of"),
        (change_bias, "1 of 10 numbers of"),
        (change_stride, "strides is [2, 2], expected [1, 1]"),
        (change_operator, "is Tanh, expected Relu"),
        (change_operand, "body.conv_1 reads"),
    ],
)
def test_the_node_is_named(change: Change, reason: str, tmp_path: Path) -> None:
    found, wrong = bisect_file("resnet_digits", tmp_path, change)
    assert found.first is not None
    assert found.first.node.id == wrong
    assert reason in " ".join(found.first.reasons)
    assert str(found.first.node.source.place) in str(found.first)
    assert all(item.node.id == wrong for item in found.differing) or change is change_stride


def test_what_the_file_computes_together_is_said(tmp_path: Path) -> None:
    found, _ = bisect_file("resnet_digits", tmp_path, change_weight)
    assert found.first is not None
    assert found.first.computes == (f"{BODY}.conv_0", f"{BODY}.norm_0")
    assert f"{BODY}.conv_0.weight" in found.first.weights
    assert f"{BODY}.norm_0.running_mean" in found.first.weights
    row = found.to_dict()["differing"][0]
    assert (row["node"], row["op"]) == (f"{BODY}.norm_0", "batch_norm")
    assert row["line"] > 1


@pytest.mark.parametrize("spec", ["resnet20", "shake_shake26_2x32d", "highway10", "se_net", "mlp_norm"])
def test_no_node_of_an_export_differs_by_itself(spec: str, tmp_path: Path) -> None:
    found, _ = bisect_file(spec, tmp_path)
    assert found.differing == ()
    assert found.compared > len(ModelInside(tmp_path / "m.onnx").nodes) / 2
    assert found.largest < METRICS["float32"].limit / 4


@pytest.mark.parametrize(("precision", "kind"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_half_precision_is_rounded_by_node(precision: str, kind: str, tmp_path: Path) -> None:
    found, _ = bisect_file("resnet_digits", tmp_path, None, precision, kind)
    assert found.differing == ()
    assert METRICS["float32"].limit < found.largest < METRICS[kind].limit / 4
    found, wrong = bisect_file("resnet_digits", tmp_path, change_operator, precision, kind)
    assert [item.node.id for item in found.differing] == [wrong]


def test_values_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.verification.source.bisection.MAX_BYTES", 1 << 14)
    found, wrong = bisect_file("resnet_digits", tmp_path, change_weight)
    assert [item.node.id for item in found.differing] == [wrong]


def test_a_file_of_other_names_is_refused(tmp_path: Path) -> None:
    def rename(model: onnx.ModelProto) -> str:
        for number, node in enumerate(model.graph.node):
            node.name = f"node{number}"
        return ""

    with pytest.raises(ArchspecError, match="names no node as resnet_digits does"):
        bisect_file("resnet_digits", tmp_path, rename)


def test_a_reason_may_stand_before_the_node(tmp_path: Path) -> None:
    """The factor behind the rectifier is in the layer before it, whose own value no node of the network gives."""
    drawing = Drawing(Shape(3))
    for op in (Linear(out=4), Relu(), Scale(value=3.0), Linear(out=2)):
        drawing.add(op)
    graph = drawing.graph()
    module = stir(to_torch(graph))
    built = build_model(graph, {name: value.numpy() for name, value in module.state_dict().items()})
    write_model(built, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    set_number(model, "n0.bias", 1, 50.0)
    onnx.save(model, tmp_path / "m.onnx")
    found = bisect(ComparedFile(ModelInside(tmp_path / "m.onnx"), graph, module, built), draw(graph))
    assert [item.node.id for item in found.differing] == ["n2"]
    assert found.differing[0].reasons == ("1 of 4 numbers of n0.bias differ, by at most 50",)
