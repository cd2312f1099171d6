"""The forms of attention in ONNX, also where extents are free."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.transformers.optimizer import optimize_model

from archspec.api import to_torch
from archspec.errors import ArchspecError
from archspec.ops import Attention, Input, Op, Shape
from compiler.graph import Graph, Node
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from tests.support.lowering import (
    TOLERANCE,
    compare,
    difference,
    export,
    graph_of,
    list_kinds,
    run_onnx,
    run_torch,
    sample_inputs,
    stir,
)
from tests.support.transformers import build_swin, build_vit


def free(op: Op, *dims: tuple[Any, ...], sizes: dict[str, int]) -> Graph:
    """A graph of one operation whose inputs have dynamic sizes."""
    shapes = [Shape(*(sizes.get(entry, entry) for entry in entries)) for entries in dims]
    graph = graph_of(op, *shapes)
    inputs = {f"x{i}": Input(dims=entries) for i, entries in enumerate(dims)}
    nodes = {
        id: Node(id, inputs.get(id, node.op), node.inputs, node.shape, node.source) for id, node in graph.nodes.items()
    }
    return Graph("free", nodes, graph.outputs, sizes)


MAP = (8, "H", "W")
CASES = [
    (Attention(heads=2), (MAP, MAP, MAP), {"H": 5, "W": 3}, {"H": 2, "W": 9}),
    (Attention(heads=2), (MAP, (8, "L"), (12, "L")), {"H": 5, "W": 3, "L": 4}, {"H": 2, "W": 3, "L": 11}),
    (Attention(heads=2, causal=True), ((8, "L"),) * 3, {"L": 6}, {"L": 9}),
    (Attention(heads=2, window=(4, 2), bias="relative"), (MAP,) * 3, {"H": 8, "W": 4}, {"H": 4, "W": 10}),
    (Attention(heads=2, window=4, shift=(1, 2)), (MAP,) * 3, {"H": 8, "W": 12}, {"H": 4, "W": 16}),
    (Attention(heads=2, window=4, shift=2), ((8, "H", 8),) * 3, {"H": 8}, {"H": 16}),
    (Attention(heads=2, window=(2, 3), grid=True), (MAP,) * 3, {"H": 8, "W": 12}, {"H": 2, "W": 9}),
]


@pytest.mark.parametrize(("op", "dims", "sizes", "others"), CASES, ids=[str(op) for op, *_ in CASES])
def test_one_file_holds_at_all_sizes(
    op: Attention, dims: tuple[tuple[Any, ...], ...], sizes: dict[str, int], others: dict[str, int], tmp_path: Path
) -> None:
    assert compare(free(op, *dims, sizes=sizes), tmp_path, sizes=({}, others)) < TOLERANCE


def test_a_fixed_map_needs_no_arithmetic_on_shapes() -> None:
    x = Shape(8, 8, 12)
    kinds = list_kinds(Attention(heads=2, window=4, shift=2), x, x, x)
    assert set(kinds) == {"Reshape", "Transpose", "Div", "MatMul", "Add", "Softmax"}
    x = Shape(8, 7)
    assert list_kinds(Attention(heads=2), x, x, x).count("Transpose") == 3


@pytest.mark.parametrize("model_type", ["vit", "bert"])
def test_the_optimizer_for_transformers_fuses_the_whole_block(model_type: str, tmp_path: Path) -> None:
    """ONNX Runtime's own fusers find attention with its projections, norms with sums, and GELU with its bias."""
    graph = build_vit()
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    found = optimize_model(str(path), model_type=model_type, num_heads=4, hidden_size=32, opt_level=0)
    assert Counter(node.op_type for node in found.model.graph.node) == {
        "Transpose": 2,
        "LayerNormalization": 1,
        "SkipLayerNormalization": 4,
        "Attention": 2,
        "BiasGelu": 2,
        "MatMul": 6,
    }
    inputs = sample_inputs(graph, 2)
    fused = run_onnx(found.model.SerializeToString(), inputs)
    assert difference(run_torch(graph, module, inputs), fused) < TOLERANCE


def test_half_precision_scales_the_query_before_the_products() -> None:
    graph = build_vit(layers=1)
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    nodes = build_model(graph, weights, options=ExportOptions(precision="fp16")).head.graph.node
    product = next(node for node in nodes if node.op_type == "MatMul" and "attention" in node.name)
    assert product.input[0].startswith("block0.attention.Mul")


def test_a_table_of_too_many_pairs_is_refused() -> None:
    x = Shape(8, 150, 150)
    with pytest.raises(
        ArchspecError, match="op adds a term to 506,250,000 scores; a file holds at most 268,435,456: put"
    ):
        list_kinds(Attention(bias="relative"), x, x, x)


def test_of_windows_a_session_fuses_all_but_the_softmax(tmp_path: Path) -> None:
    """No fuser knows a bias for each window. GELU is fused with its bias by the optimizer for transformers; a session
    takes scaling and transposition into the product of the scores."""
    graph = build_swin()
    path = export(graph, stir(to_torch(graph)).state_dict(), tmp_path)
    found = optimize_model(str(path), model_type="swin", num_heads=4, hidden_size=32, opt_level=0)
    kinds = Counter(node.op_type for node in found.model.graph.node)
    assert (kinds["BiasGelu"], kinds["LayerNormalization"], kinds["Softmax"]) == (2, 5, 2)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert (kinds["FusedMatMul"], kinds["Softmax"], kinds["Div"]) == (2, 2, 0)
