"""The places of integers in a graph are those of QuantizeLinear in its file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_target.int8.placement import FakeQuantize, RoundedGraph, place_rounding
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from tests.support.documents import graph_from
from tests.support.lowering import stir

BRANCHES: list[Any] = [
    {"conv": {"out": 8, "kernel": 3}},
    "norm",
    "relu",
    {"concat": [[{"conv": {"out": 4, "kernel": 1}}, "silu"], ["max_pool", {"conv": 4}, {"upsample": 2}]]},
    "norm",
    "relu",
    {"add": [[], [{"conv": 8}], [{"conv": 8}]]},
    {"conv": {"out": 2, "kernel": 1}},
]


def build(graph: Graph) -> OnnxModel:
    return build_model(graph, {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()})


def place(model: OnnxModel, recipe: Int8Recipe, **options: Any) -> RoundedGraph:
    """The graph's own weights are those of the model, which passes have made."""
    arrays = {name: np.zeros(weight.shape, np.float32) for name, weight in model.graph.weights.items()}
    return place_rounding(model, arrays, plan_quantization(model, recipe, **options), recipe)


def graph_of(*network: Any) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": list(network)})


@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
@pytest.mark.parametrize("name", ["branches", "resnet_digits", "residual_mlp"])
def test_places_are_those_of_the_file(name: str, recipe: Int8Recipe) -> None:
    model = build(graph_of(*BRANCHES) if name == "branches" else elaborate(load(name)))
    plan, found = plan_quantization(model, recipe), place(model, recipe)
    rounding = [node for node in found.graph if isinstance(node.op, FakeQuantize)]
    file = quantize_model(model, Scheme(recipe, dict.fromkeys(plan.values, (-1.0, 1.0))))
    written = [node for node in file.head.graph.node if node.op_type == "QuantizeLinear"]
    assert [f"{node.inputs[0]}.quantize" for node in rounding] == [
        model.values.get(node.output[0].removesuffix(".integers"), node.output[0].removesuffix(".integers"))
        + ".quantize"
        for node in written
    ]
    assert [node.op.value for node in rounding if isinstance(node.op, FakeQuantize)] == [
        plan.scaled_as(value) for value in plan.values
    ]
    integers = {layer.id for layer in found.layers}
    assert len(integers) == len(plan.layers) == len(found.layers)
    assert {layer.bias for layer in found.layers} <= ({True, False} if recipe == "u8s8" else {False})
    assert verify(found.graph).outputs.keys() == model.graph.outputs.keys()
    assert found.arrays.keys() == found.graph.weights.keys()


def test_operations_of_several_nodes_stand_there_as_these() -> None:
    model = build(graph_of(*BRANCHES))
    found = place(model, "u8s8").graph
    assert [node.op.kind for node in found if node.id.startswith("concat_0.branch0.silu_0")] == [
        *("sigmoid", "fake_quantize", "mul", "fake_quantize")
    ]
    assert [node.id for node in found if node.op.kind == "add"] == ["add_0.add.Add_0", "add_0.add"]
    norms = [node for node in model.graph if node.op.kind == "batch_norm"]
    assert [(found[node.id].op.kind, found[node.id].shape) for node in norms] == [("conv", norms[0].shape)]


def test_where_all_layers_are_kept_nothing_is_rounded() -> None:
    model = build(graph_of(*BRANCHES))
    found = place(model, "u8s8", kept=frozenset(plan_quantization(model, "u8s8").layers))
    assert not found.layers
    assert "fake_quantize" not in {node.op.kind for node in found.graph}
    assert "batch_norm" in {node.op.kind for node in found.graph}


def test_what_is_rounded_inside_is_refused() -> None:
    model = build(graph_of({"conv": 8}, "rms_norm", {"conv": 4}))
    with pytest.raises(
        ArchspecError, match=r"rms_norm_0, of the kind rms_norm, is computed in parts.*calibration data"
    ):
        place(model, "u8s8")
    assert place(model, "s8s8").layers  # which rounds inputs of layers alone
