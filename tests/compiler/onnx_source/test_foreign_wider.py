"""Files that were refused, or of which too little was known: sequences, functions, lost shapes, sizes, few bits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archspec.errors import ArchspecError
from compiler.analysis.compare.diff import diff_graphs
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.report import analyze
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.compiler.onnx_source.test_foreign_rules import Arrays, floats, node
from tests.support.foreign_models import check_elements, export_torch, run_shapes
from tests.support.models import build_model, save


def build(
    nodes: Sequence[onnx.NodeProto], shape: Sequence[int | str], arrays: Arrays, opset: int = 18
) -> onnx.ModelProto:
    model = build_model(nodes, {"x": shape}, {"y": None}, {name: np.asarray(array) for name, array in arrays.items()})
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.opset_import[0].version = opset
    return model


def read(
    nodes: Sequence[onnx.NodeProto], shape: Sequence[int | str], arrays: Arrays, path: Path, opset: int = 18
) -> Graph:
    graph = verify(read_graph(save(build(nodes, shape, arrays, opset), path / "m.onnx")))
    check_elements(graph, path / "m.onnx")
    return graph


# Sequences


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("ways", [1, 2])
def test_a_recurrent_layer_counts_as_its_cells_do(kind: type[nn.RNNBase], ways: int, tmp_path: Path) -> None:
    module = kind(5, 6, bidirectional=ways == 2)
    graph = read_graph(export_torch(module, (7, 1, 5), tmp_path / "m.onnx"))
    cell = {nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell, nn.RNN: nn.RNNCell}[kind](5, 6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():  # which does not look into whole sequences
        gates = cell.weight_ih.shape[0]
        F.linear(torch.rand(1, 5), cell.weight_ih), F.linear(torch.rand(1, 6), cell.weight_hh)
    cost = measure_cost(graph)
    assert cost.macs["conv-linear"] == ways * 7 * counter.get_total_flops() // 2 == ways * 7 * gates * 11
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert find_unknown(graph) == {}


def test_attention_in_one_node_counts_as_its_products_do(tmp_path: Path) -> None:
    """The operation of opset 23; the products are torch's of the same extents."""
    nodes = [node("Split", "x", "q k v", axis=3, num_outputs=3), node("Attention", "q k v")]
    path = save(build(nodes, (1, 4, 7, 24), {}, opset=23), tmp_path / "m.onnx")
    graph = verify(read_graph(path))
    q, k, v = torch.rand(3, 1, 4, 7, 8)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        F.scaled_dot_product_attention(q, k, v)
    assert measure_cost(graph).macs["conv-linear"] == counter.get_total_flops() // 2
    assert graph[graph.outputs["y"]].shape == (4, 7, 8)


GEMM = {"w": floats(12, 5)}


@pytest.mark.parametrize("bias", [(1,), (), (4, 1), (1, 5), (4, 5)])
def test_a_layer_knows_any_bias(bias: tuple[int, ...], tmp_path: Path) -> None:
    """Of one of four rows, for which all are stored."""
    model = build([node("Gemm", "x w b")], (4, 12), GEMM | {"b": floats(*bias)})
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    cost = measure_cost(graph)
    assert graph[graph.outputs["y"]].shape == (5,)
    assert cost.parameters == 60 + prod(bias)
    assert cost.macs["conv-linear"] == 60


def test_a_bias_may_be_computed(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", "x a", "m", keepdims=1), node("Gemm", "x w m")]
    graph = read(nodes, ("n", 12), GEMM | {"a": [1]}, tmp_path)
    assert [item.op.word for item in graph] == ["input", "max", "linear", "add"]
    assert find_unknown(graph) == {}


# Resizing, and parts of nothing


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("sizes", [(18, 30), (4, 3), (30, 11), (5, 5)])
def test_resizing_may_keep_the_ratio_of_extents(policy: str, sizes: tuple[int, int], tmp_path: Path) -> None:
    resize = node("Resize", "x - - s", axes=[2, 3], keep_aspect_ratio_policy=policy)
    graph = read([resize], (1, 3, 9, 10), {"s": np.array(sizes)}, tmp_path)
    assert graph[graph.outputs["y"]].shape == run_shapes(tmp_path / "m.onnx")["y"][1:]


@pytest.mark.parametrize("where", ["align_corners", "half_pixel", "asymmetric"])
def test_one_position_may_be_spread_over_a_map(where: str, tmp_path: Path) -> None:
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Resize", "p - - s", "r", mode="linear", coordinate_transformation_mode=where),
        node("Conv", "r w"),
    ]
    graph = read(nodes, (1, 4, 9, 12), {"s": np.array([1, 4, 9, 12]), "w": floats(6, 4, 3, 3)}, tmp_path)
    assert find_unknown(graph) == {}
    assert measure_cost(graph).macs["conv-linear"] == 7 * 10 * 6 * 36
    measure_receptive_field(graph)


def test_a_part_of_nothing_is_joined_to_the_rest(tmp_path: Path) -> None:
    """As a roll by no positions is exported."""
    nodes = [
        node("Slice", "x a e d", "l"),
        node("Slice", "x b a d", "r"),
        node("Concat", "l r", "c", axis=2),
        node("Relu", "c"),
    ]
    graph = read(nodes, (1, 4, 9, 12), {"a": [0], "e": [99], "b": [9], "d": [2]}, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "relu"]


# Shapes that nothing says


def test_what_no_shape_is_said_of_is_left_out_and_counted(tmp_path: Path) -> None:
    """As the boxes behind a detector: how many there are depends on the numbers."""
    nodes = [
        node("Conv", "x w", "c"),
        node("Relu", "c", "r"),
        node("NonZero", "r", "z"),
        node("Transpose", "z", "y"),
    ]
    graph = verify(read_graph(save(build(nodes, (1, 4, 9, 12), {"w": floats(6, 4, 3, 3)}), tmp_path / "m.onnx")))
    assert [item.op.kind for item in graph] == ["input", "conv", "relu"]
    assert find_unknown(graph) == {"NonZero": 1, "Transpose": 1}
    assert dict(graph.outputs) == {"r": "r"}
    assert "nothing says the shape of what node z (NonZero) gives" in graph.notes[0]
    assert analyze(graph).to_dict()["notes"] == list(graph.notes)
    assert measure_cost(graph).macs["conv-linear"] == 70 * 6 * 36


@pytest.mark.parametrize(
    ("operation", "reads", "arrays"),
    [
        ("TopK", "x i", {"i": [2]}),
        ("GatherND", "x i", {"i": [[0, 1], [0, 2]]}),
        ("GatherElements", "x i", {"i": np.zeros((1, 2, 9, 12), np.int64)}),
        ("ScatterND", "x i u", {"i": [[0, 1]], "u": floats(1, 9, 12)}),
        ("ScatterElements", "x i u", {"i": np.zeros((1, 1, 1, 1), np.int64), "u": floats(1, 1, 1, 1)}),
        ("GridSample", "x g", {"g": floats(1, 5, 6, 2)}),
    ],
)
def test_what_moves_numbers_costs_no_products(operation: str, reads: str, arrays: Arrays, tmp_path: Path) -> None:
    more = {"axis": 1} if operation in ("TopK", "GatherElements", "ScatterElements") else {}
    outputs = "h i2" if operation == "TopK" else "h"
    graph = read([node(operation, reads, outputs, **more), node("Relu", "h")], (1, 4, 9, 12), arrays, tmp_path)
    assert find_unknown(graph) == {}
    assert measure_cost(graph).macs["conv-linear"] == 0


@pytest.mark.parametrize("kind", ["Tile", "Trilu", "CumSum", "Sin", "Cos"])
def test_tables_are_computed_in_the_file(kind: str, tmp_path: Path) -> None:
    """Of a few numbers: positions, masks, repeated shapes."""
    reads, arrays = {
        "Tile": ("s t", {"s": [4, 3], "t": [1]}),
        "Trilu": ("s", {"s": [[4, 3]]}),
        "CumSum": ("s t", {"s": [4, -1], "t": np.int64(0)}),
        "Sin": ("s", {"s": [0.0, 0.0]}),
        "Cos": ("s", {"s": [0.0, 0.0]}),
    }[kind]
    arrays = {name: np.float32(array) if kind in ("Sin", "Cos") else array for name, array in arrays.items()}
    cast = [node(kind, reads, "h"), node("Cast", "h", "i", to=7), node("Reshape", "i n", "k"), node("Abs", "k", "a")]
    nodes = [*cast, node("Max", "a o", "m"), node("Concat", "m l", "j", axis=0), node("Reshape", "x j")]
    graph = read(nodes, (1, 4, 3, 2), {**arrays, "n": [-1], "o": [1], "l": [-1]}, tmp_path)
    assert find_unknown(graph) == {}


# Functions, sizes, files of one processor


def build_functions(*names: str) -> onnx.ModelProto:
    """Each function calls the next one twice; the last one is a convolution of x with w."""
    model = build_model(
        [node(names[0], "x w", domain="own")], {"x": [1, 4, 8, 8]}, {"y": None}, {"w": floats(4, 4, 1, 1)}
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, inner in pairwise(names):
        nodes = [node(inner, "a w", "h", domain="own"), node(inner, "h w", "b", domain="own")]
        model.functions.append(helper.make_function("own", name, ["a", "w"], ["b"], nodes, opsets))
    if names[-1] not in names[:-1]:
        body = [node("Conv", "a w", "b")]
        model.functions.append(helper.make_function("own", names[-1], ["a", "w"], ["b"], body, opsets))
    return model


def test_functions_are_put_in_place_of_their_calls(tmp_path: Path) -> None:
    graph = verify(read_graph(save(build_functions("Block", "Unit", "Layer"), tmp_path / "m.onnx")))
    assert [item.op.kind for item in graph] == ["input", *["conv"] * 4]
    cost = measure_cost(graph)
    assert (cost.parameters, cost.macs["conv-linear"]) == (16, 4 * 16 * 64)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (tuple(f"f{number}" for number in range(40)), "nodes with those of its functions; at most 100,000 are read"),
        (("f", "g", "f"), "calls itself"),
        (("f", "f"), "calls itself"),
    ],
)
def test_functions_that_would_never_end_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=message):
        read_graph(save(build_functions(*names), tmp_path / "m.onnx"))


def test_axes_of_one_name_may_have_sizes_of_their_own(tmp_path: Path) -> None:
    """Some converters call every open extent `?`; others mean one by a name that they give twice."""
    for named in ("?", "side"):
        path = save(
            build([node("Conv", "x w")], ("n", 4, named, named), {"w": floats(6, 4, 3, 3)}), tmp_path / "m.onnx"
        )
        graph = read_graph(path, sizes={"x.2": 9, "x.3": 12})
        assert graph[graph.outputs["y"]].shape == (6, 7, 10)
    assert read_graph(path, sizes={"side": 8})["x"].shape == (4, 8, 8)
    assert read_graph(path, sizes={"side": 8, "x.3": 12})["x"].shape == (4, 8, 12)
    with pytest.raises(ArchspecError, match=r"has no size 'x\.4'"):
        read_graph(path, sizes={"x.4": 8})


@pytest.mark.filterwarnings("ignore")
def test_files_that_onnx_runtime_optimized(tmp_path: Path) -> None:
    """Fused operations are what they were made of; channels in blocks are for one processor."""
    nodes = [
        node("Conv", "x w b", "c", pads=[1] * 4),
        node("Relu", "c", "r"),
        node("Conv", "r w b", "d"),
        node("Clip", "d l h"),
    ]
    arrays = {"w": floats(16, 16, 3, 3), "b": floats(16), "l": np.float32(0), "h": np.float32(6)}
    path = save(build(nodes, (1, 16, 9, 12), arrays, opset=17), tmp_path / "m.onnx")
    plain = measure_cost(read_graph(path))
    for level in ("EXTENDED", "ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = str(tmp_path / f"{level}.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    fused = read_graph(tmp_path / "EXTENDED.onnx")
    assert any(item.domain == "com.microsoft" for item in onnx.load(tmp_path / "EXTENDED.onnx").graph.node)
    assert [item.op.kind for item in fused] == ["input", "conv", "relu", "conv", "relu6"]
    assert measure_cost(fused).macs == plain.macs
    if any(item.domain.endswith("nchwc") for item in onnx.load(tmp_path / "ALL.onnx").graph.node):  # by its processor
        with pytest.raises(ArchspecError, match="was optimized by ONNX Runtime for one processor"):
            read_graph(tmp_path / "ALL.onnx")


# Few bits


@pytest.mark.parametrize(
    ("zero", "scale", "kinds"),
    [
        (np.uint8(0), 0.1, ["conv", "relu", "conv"]),
        (np.int8(-128), 0.1, ["conv", "relu", "conv"]),
        (np.uint8(0), 6 / 255, ["conv", "relu6", "conv"]),
        (np.uint8(128), 0.1, ["conv", "conv"]),
        (np.int8(0), 0.1, ["conv", "conv"]),
    ],
)
def test_a_zero_that_is_the_lowest_number_cuts_off_what_is_below(
    zero: Any, scale: float, kinds: list[str], tmp_path: Path
) -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("QuantizeLinear", "c s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Conv", "d v"),
    ]
    arrays = {"w": floats(6, 4, 3, 3), "v": floats(2, 6, 1, 1), "s": np.float32(scale), "z": zero}
    graph = read(nodes, (1, 4, 9, 12), arrays, tmp_path)
    assert [item.op.kind for item in graph] == ["input", *kinds]
    held = {item.type for item in graph if item.inputs}
    assert held == {zero.dtype.name, "float32"}


@pytest.mark.parametrize("before", ["Relu", "Sigmoid", "Abs", "MaxPool"])
def test_what_is_never_negative_is_not_cut_off(before: str, tmp_path: Path) -> None:
    more = {"kernel_shape": [2, 2]} if before == "MaxPool" else {}
    first = [node("Relu", "x", "p")] if before == "MaxPool" else [node("Identity", "x", "p")]
    nodes = [
        *first,
        node(before, "p", "r", **more),
        node("QuantizeLinear", "r s", "q"),
        node("DequantizeLinear", "q s"),
    ]
    graph = read(nodes, (1, 4, 9, 12), {"s": np.float32(0.1)}, tmp_path)
    assert sum(item.op.kind == "relu" for item in graph) == (before in ("Relu", "MaxPool"))


# What two files do not share


CHOICES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Pad", {"mode": "constant"}, {"mode": "reflect"}, "x p"),
    ("Pad", {}, {}, "x p 0|5"),
    ("Resize", {"mode": "linear", "antialias": 0}, {"mode": "linear", "antialias": 1}, "x - - z"),
    ("Gather", {"axis": 1}, {"axis": 1}, "x i|j"),
    ("HardSigmoid", {"alpha": 0.2}, {"alpha": 0.4}, "x"),
    ("ThresholdedRelu", {"alpha": 1.0}, {"alpha": 0.5}, "x"),
    ("Selu", {}, {"gamma": 2.0}, "x"),
    ("LRN", {"size": 3}, {"size": 3, "beta": 0.5}, "x"),
    ("LpPool", {"kernel_shape": [2, 2], "p": 2}, {"kernel_shape": [2, 2], "p": 1}, "x"),
    ("CumSum", {"reverse": 0}, {"reverse": 1}, "x axis"),
    ("ReduceSum", {}, {}, "x a|b"),
    ("ReduceSum", {"keepdims": 0}, {"keepdims": 0}, "x a|b"),
    ("TopK", {"axis": 2}, {"axis": 3}, "x k"),
    ("DepthToSpace", {"blocksize": 2, "mode": "DCR"}, {"blocksize": 2, "mode": "CRD"}, "x"),
    ("Transpose", {"perm": [2, 1, 0, 3]}, {"perm": [3, 1, 0, 2]}, "x"),
    ("Einsum", {"equation": "nchw,wd->nchd"}, {"equation": "nchw,hd->ncwd"}, "x m"),
    ("Mod", {"fmod": 1}, {"fmod": 1}, "x 2|3"),
]


@pytest.mark.parametrize(("kind", "first", "second", "reads"), CHOICES, ids=[f"{row[0]}-{row[3]}" for row in CHOICES])
def test_other_attributes_are_a_difference(
    kind: str, first: dict[str, Any], second: dict[str, Any], reads: str, tmp_path: Path
) -> None:
    """And the same ones are none, said or left out where they have their usual value."""
    arrays: dict[str, Any] = {
        "p": [0, 0, 1, 1, 0, 0, 1, 1],
        "z": [1, 4, 5, 5],
        "i": [0, 1],
        "j": [2, 3],
        "axis": 2,
        "k": [9],
    }
    arrays |= {"m": floats(9, 9)}
    arrays |= {"a": [2], "b": [3]} | {str(n): np.float32(n) for n in (0, 2, 3, 5)}
    graphs = []
    for attributes, position in ((first, 0), (second, -1), (first, 0)):
        names = [name.split("|")[position] for name in reads.split()]
        used = {name: arrays[name] for name in names if name in arrays}
        outputs = "y i2" if kind == "TopK" else "y"
        graphs.append(read([node(kind, " ".join(names), outputs, **attributes)], (1, 4, 9, 9), used, tmp_path))
    assert not diff_graphs(*graphs[:2]).equal
    assert diff_graphs(graphs[0], graphs[2]).equal


def test_usual_values_go_without_saying(tmp_path: Path) -> None:
    said = read([node("Selu", "x", alpha=1.67326319217681884765625)], (1, 4), {}, tmp_path)
    assert diff_graphs(said, read([node("Selu", "x")], (1, 4), {}, tmp_path)).equal


def test_numbers_are_told_apart_where_single_precision_does(tmp_path: Path) -> None:
    """In an attribute, and in a constant; what one float is written as is the same."""
    near = np.nextafter(np.float32(0.1234567), np.float32(1))
    for pair in (0.1234567, near), (0.1234567, np.float32(0.1234567)):
        said = [read([node("Selu", "x", alpha=float(number))], (1, 4), {}, tmp_path) for number in pair]
        powers = [read([node("Pow", "x n")], (1, 4), {"n": np.float32(number)}, tmp_path) for number in pair]
        equal = np.float32(pair[0]) == np.float32(pair[1])
        for graphs in said, powers:
            assert diff_graphs(*graphs).equal == equal
            assert (graphs[0].nodes["y"].op.facts == graphs[1].nodes["y"].op.facts) == equal


def test_the_domain_of_onnx_may_be_written_out(tmp_path: Path) -> None:
    """What is usual, and the types of results, are found in either case; another domain has neither."""
    model = build([node("Selu", "x", "s", alpha=1.6732631921768188), node("Greater", "s x")], (1, 4), {})
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.BOOL, (1, 4)))
    model.graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, (1, 4)))
    graphs = []
    for domain in ("", "ai.onnx", "com.example"):
        for item in model.graph.node:
            item.domain = domain
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 17))
        graphs.append(read_graph(save(model, tmp_path / "m.onnx")))
    assert diff_graphs(*graphs[:2]).equal
    assert [graph.nodes["y"].type for graph in graphs] == ["bool", "bool", "float32"]
    assert not diff_graphs(graphs[0], graphs[2]).equal


def test_whole_numbers_are_less_than_what_they_were_made_of(tmp_path: Path) -> None:
    there = node("Cast", "x", "i", to=TensorProto.INT64)
    graph = read([there, node("Cast", "i", to=TensorProto.FLOAT)], (1, 4), {}, tmp_path)
    assert [item.op.word for item in graph] == ["input", "cast"]
    halves = [node("Cast", "x", "h", to=TensorProto.FLOAT16), node("Cast", "h", "f", to=1), node("Relu", "f")]
    assert [item.op.kind for item in read(halves, (1, 4), {}, tmp_path)] == ["input", "relu"]
