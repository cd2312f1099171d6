"""ONNX files as others write them, and what ONNX Runtime says of their values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.models import build_model, save

Node = onnx.NodeProto
Arrays = Mapping[str, Any]
"""Stored tensors by name, as arrays or what numpy makes one of."""

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


def export_torch(module: nn.Module, shape: Sequence[int], path: Path, *, dynamo: bool = False, opset: int = 17) -> Path:
    """A module in evaluation mode, through one of torch's two exporters."""
    torch.manual_seed(0)
    for name, value in module.state_dict().items():  # equal tensors would be stored once
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if "running_var" in name else 0.0))
    options = {"external_data": False, "verbose": False} if dynamo else {"opset_version": opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (torch.rand(*shape),), path, dynamo=dynamo, **options)
    return path


def count_macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates by torch's own counter, which gives two for each; it does not look into fused attention."""
    torch.backends.mha.set_fastpath_enabled(False)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        module.eval()(torch.rand(*shape))
    torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() // 2


def run_shapes(path: Path, sizes: Mapping[str, int] | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of every value in a file, as ONNX Runtime computes it, batches of one."""
    model = onnx.load(path)
    there = {item.name for item in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name and name not in there]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds: dict[str, Any] = {}
    for item in session.get_inputs():
        extents = [extent if isinstance(extent, int) else (sizes or {}).get(extent, 1) for extent in item.shape]
        feeds[item.name] = np.ones(extents, TYPES[item.type])
    names = [item.name for item in session.get_outputs()]
    return {name: np.shape(value) for name, value in zip(names, session.run(names, feeds), strict=True)}


def check_elements(graph: Graph, path: Path, sizes: Mapping[str, int] | None = None) -> int:
    """Hold the number of elements of every value that the graph has against ONNX Runtime's; how many were compared."""
    model, shapes = onnx.load(path), run_shapes(path, sizes)
    last = {node.source.place.line: node for node in graph if node.inputs}
    for line, node in last.items():
        name = model.graph.node[line - 1].output[0]
        if len(model.graph.node[line - 1].output) == 1:
            assert node.shape.elements == prod(shapes[name]), f"{node.id}: {node.shape}, {name}: {shapes[name]}"
    return len(last)


def build_small() -> onnx.ModelProto:
    """A model with some of everything that may break: windows, arithmetic on shapes, a residual, attention."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "k", "b"], ["a"], pads=[1, 1, 1, 1], name="/conv/Conv"),
        node("BatchNormalization", ["a", "b", "b", "b", "v"], ["n"], name="/norm/BatchNormalization"),
        node("Relu", ["n"], ["r"]),
        node("Add", ["a", "r"], ["s"], name="/Add"),
        node("Shape", ["s"], ["shape"]),
        node("Slice", ["shape", "zero", "two"], ["front"]),
        node("Concat", ["front", "minus"], ["wanted"], axis=0),
        node("Reshape", ["s", "wanted"], ["rows"]),
        node("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
        node("MatMul", ["rows", "columns"], ["scores"]),
        node("Softmax", ["scores"], ["soft"], axis=-1),
        node("MatMul", ["soft", "rows"], ["mixed"]),
        node("Reshape", ["mixed", "shape"], ["map"]),
        node("Split", ["map"], ["left", "right"], axis=1),
        node("Concat", ["left", "right"], ["whole"], axis=1),
        node("Resize", ["whole", "", "scales"], ["large"], mode="linear"),
        node("MaxPool", ["large"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        node("ReduceMean", ["small"], ["mean"], axes=[2, 3], keepdims=0),
        node("Gemm", ["mean", "g"], ["y"], transB=1),
    ]
    arrays = {
        "k": np.ones((4, 3, 3, 3), np.float32),
        "b": np.zeros(4, np.float32),
        "v": np.ones(4, np.float32),
        "g": np.ones((5, 4), np.float32),
        "zero": np.array([0]),
        "two": np.array([2]),
        "minus": np.array([-1]),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    return build_model(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 5]}, arrays)


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Node:
    """Operands and results by names with spaces between; `-` is one that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def build_nodes(nodes: Sequence[Node], shape: Sequence[int | str], arrays: Arrays, opset: int = 18) -> onnx.ModelProto:
    """A model from x to y, which says nothing of the shape of y."""
    model = build_model(nodes, {"x": shape}, {"y": None}, {name: np.asarray(array) for name, array in arrays.items()})
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.opset_import[0].version = opset
    return model


def read_nodes(
    nodes: Sequence[Node], shape: Sequence[int | str], arrays: Arrays, folder: Path, opset: int = 17
) -> Graph:
    """The graph of a model from x to y, its sizes held against ONNX Runtime's."""
    path = save(build_nodes(nodes, shape, arrays, opset), folder / "m.onnx")
    graph = verify(read_graph(path))
    check_elements(graph, path)
    return graph


def check_node(operation: Node, arrays: Arrays, kind: str, folder: Path) -> None:
    """Hold one node on a map against the operation that it should be, and its sizes against ONNX Runtime's."""
    nodes = [operation]
    if operation.op_type == "SpaceToDepth":  # its extents have to be multiples
        nodes = [node("MaxPool", "x", "h", kernel_shape=[1, 1], pads=[0] * 4), node("SpaceToDepth", "h", blocksize=3)]
    graph = read_nodes(nodes, (1, 4, 9, 12), arrays, folder)
    assert [item.op.kind for item in graph][-1] == kind
    apart = sum(item.op.kind == "pad" for item in graph if kind != "pad")  # what no convolution can pad itself
    assert len(graph) == 1 + len(nodes) + apart
