"""Values in rows: chosen so that little is transposed, and every operation computes the same in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archspec.api import elaborate, load, to_torch
from archspec.errors import Place
from archspec.ops import Input, LayerNorm, Log, Op, Shape, Sqrt
from compiler.graph import INTEGERS, Graph, Node, NodeSource
from compiler.onnx_source.read import read_graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.rows import IN_ROWS, can_be_rows, choose_rows
from compiler.onnx_target.write import to_bytes, write_model
from compiler.passes.fuse_attention import AttentionKernel
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, difference, run_onnx, run_torch, sample_inputs, stir
from tests.support.op_examples import EXAMPLES

NORM: dict[str, Any] = {"norm": {"kind": "layer", "over": "channels"}}
MIXER = {
    "archspec": 1,
    "inputs": {"x": [6, "H", "W"]},
    "sizes": {"H": 8, "W": 6},
    "network": [
        {"conv": {"out": 16, "kernel": 3}},
        {
            "repeat": {
                "n": 2,
                "body": [
                    {
                        "residual": {
                            "body": [
                                NORM,
                                {"conv": {"out": 32, "kernel": 1}},
                                "gelu",
                                {"conv": {"out": 16, "kernel": 1}},
                            ]
                        }
                    }
                ],
            }
        },
        NORM,
        {"conv": {"out": 4, "kernel": 3}},
    ],
}


def kinds(graph: Graph, **options: Any) -> Counter[str]:
    model = build_model(graph, weights_of(graph), options=ExportOptions(**options))
    return Counter(node.op_type for node in model.head.graph.node)


def weights_of(graph: Graph) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in stir(to_torch(graph)).state_dict().items()}


def surround(op: Op, shapes: tuple[Shape, ...]) -> Graph:
    """An operation between normalizations of its operands and its result."""
    source = NodeSource(Place("test.yaml"))
    nodes: list[Node] = []
    norm = LayerNorm(over="channels")

    def normalize(name: str, shape: Shape) -> str:
        for turn in range(2):
            nodes.append(Node(f"{name}_norm{turn}", norm, (nodes[-1].id,), shape, source))
        return nodes[-1].id

    operands = []
    numbers = INTEGERS if op.takes == "int" else None
    for number, shape in enumerate(shapes):
        nodes.append(Node(f"x{number}", Input(dims=tuple(shape), type=op.takes), (), shape, source, type=numbers))
        operands.append(normalize(f"x{number}", shape) if op.takes == "float" else f"x{number}")
    nodes.append(Node("op", op, tuple(operands), op.infer(*shapes), source))
    last = normalize("op", nodes[-1].shape)
    return Graph("surrounded", {node.id: node for node in nodes}, {"y": last})


CASES = [
    (op, shapes)
    for op, shapes in EXAMPLES
    if shapes
    and shapes[0].rank
    and op.infer(*shapes).rank
    and not (isinstance(op, Log | Sqrt) and op.eps < 0.1)  # so steep near zero that rounding is magnified
    and can_be_rows(surround(op, shapes), surround(op, shapes)["op"])
]


@pytest.mark.parametrize(("op", "shapes"), CASES, ids=[f"{op}-{shapes[0]}" for op, shapes in CASES])
def test_an_operation_in_rows_computes_the_same(op: Op, shapes: tuple[Shape, ...], tmp_path: Path) -> None:
    graph = surround(op, shapes)
    assert "op" in choose_rows(graph)
    assert compare(graph, tmp_path) < TOLERANCE


def test_every_operation_that_can_be_written_in_rows_has_an_example() -> None:
    assert {type(op) for op, _ in CASES} == IN_ROWS.keys() - {AttentionKernel}


def test_a_region_in_rows_is_transposed_at_its_ends_alone(tmp_path: Path) -> None:
    graph = graph_from(MIXER)
    found = kinds(graph)
    assert (found["Transpose"], found["Conv"], found["MatMul"], found["LayerNormalization"]) == (2, 2, 4, 3)
    assert compare(graph, tmp_path, sizes=({}, {"H": 5, "W": 9})) < TOLERANCE


def test_where_nothing_is_saved_values_stay_in_planes() -> None:
    for name in ("resnet18", "convnext_tiny"):
        assert not choose_rows(elaborate(load(name)))


def test_readers_in_another_form_share_one_transposition() -> None:
    branches = [[{"conv": {"out": 4, "kernel": 3}}] for _ in range(3)]
    graph = graph_from({**MIXER, "network": [*MIXER["network"][:3], {"concat": branches}]})  # type: ignore[index]
    assert kinds(graph)["Transpose"] == 2


def test_outputs_are_planes_under_their_own_names(tmp_path: Path) -> None:
    graph = graph_from({**MIXER, "network": [*MIXER["network"][:3], {"output": "features"}, NORM, {"output": "last"}]})  # type: ignore[index]
    assert kinds(graph)["Transpose"] == 3
    assert compare(graph, tmp_path) < TOLERANCE


def test_a_value_of_one_position_is_moved_for_nothing() -> None:
    network = ["global_avg_pool", NORM, {"conv": {"out": 8, "kernel": 1}}, "flatten"]
    assert not choose_rows(graph_from({**MIXER, "network": network}))


def test_shapes_that_the_file_states_are_those_of_rows() -> None:
    graph = graph_from(MIXER)
    model = onnx.load_from_string(to_bytes(build_model(graph, weights_of(graph))))
    onnx.checker.check_model(model, full_check=True)
    stated = {item.name: item.type.tensor_type.shape.dim for item in model.graph.value_info}
    dims = stated["repeat_0.i0.residual_0.add"]
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", "H", "W", 16]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 5e-3), ("bf16", 0.05)])
def test_in_half_precision(precision: Any, tolerance: float) -> None:
    graph = graph_from(MIXER)
    module = stir(to_torch(graph))
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    options = ExportOptions(precision=precision, io="fp32")
    inputs = sample_inputs(graph, 2)
    model = build_model(graph, weights, options=options)
    if precision == "bf16":  # which the CPU provider has few kernels for
        onnx.checker.check_model(onnx.load_from_string(to_bytes(model)), full_check=True)
        return
    found = run_onnx(to_bytes(model), inputs)
    assert difference(run_torch(graph, module, inputs), found) < tolerance


def test_a_wrong_weight_shows() -> None:
    graph = graph_from(MIXER)
    module = stir(to_torch(graph))
    weights = {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}
    name = next(name for name in weights if name.endswith("body.conv_0.weight"))
    weights[name][0] += 1
    inputs = sample_inputs(graph, 2)
    found = run_onnx(to_bytes(build_model(graph, weights)), inputs)
    assert difference(run_torch(graph, module, inputs), found) > 10 * TOLERANCE


def test_int8_products_have_a_scale_for_each_output_channel() -> None:
    from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
    from compiler.onnx_target.int8.scheme import Scheme

    graph = graph_from(MIXER)
    module = stir(to_torch(graph))
    model = build_model(graph, {name: tensor.numpy() for name, tensor in module.state_dict().items()})
    plan = plan_quantization(model, "u8s8")
    assert "repeat_0.i0.residual_0.body.conv_0" in plan.layers
    whole = dict.fromkeys(plan.values, (-8.0, 8.0))
    quantized = quantize_model(model, Scheme("u8s8", whole))
    inputs = sample_inputs(graph, 2)
    exact, found = run_torch(graph, module, inputs), run_onnx(to_bytes(quantized), inputs)
    assert difference(exact, found) < 0.2
    rounded = next(node for node in quantized.head.graph.node if node.output[0].endswith("body.conv_0.weight.rounded"))
    assert onnx.helper.get_node_attr_value(rounded, "axis") == 1
    assert np.shape(quantized.tensors[rounded.input[1]]) == (32,)
    kept = plan_quantization(model, "u8s8", frozenset({"repeat_0.i0.residual_0.body.conv_0"}))
    assert "repeat_0.i0.residual_0.body.conv_0" not in kept.layers


def test_a_layer_in_rows_is_read_back_under_its_name(tmp_path: Path) -> None:
    graph = graph_from(MIXER)
    write_model(build_model(graph, weights_of(graph)), tmp_path / "rows.onnx")
    found = read_graph(tmp_path / "rows.onnx")
    assert [(node.id, node.op.kind, node.shape) for node in found] == [
        (node.id, node.op.kind, node.shape) for node in graph
    ]


def test_a_kernel_may_be_shared_by_rows_and_planes(tmp_path: Path) -> None:
    shared = {"conv": {"out": 16, "kernel": 1, "share": "mix"}}
    network = [*MIXER["network"][:2], NORM, shared, NORM, {"conv": {"out": 16, "kernel": 3}}, shared]  # type: ignore[index]
    graph = graph_from({**MIXER, "network": network})
    found = kinds(graph)
    assert (found["MatMul"], found["Conv"]) == (5, 3)
    assert compare(graph, tmp_path) < TOLERANCE
