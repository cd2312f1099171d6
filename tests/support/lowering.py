"""Shared by the tests of the two targets: graphs of one operation, weights that show every mistake, both witnesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from archspec.api import accepted_sizes, to_onnx, to_torch
from archspec.errors import Place
from archspec.ops import Input, Op, Shape
from compiler.graph import INTEGERS, Graph, Node, NodeSource
from compiler.onnx_file.accepted import vary_apart
from compiler.onnx_target.emitter import Emitter, ModelEmitter, OnnxValue
from compiler.onnx_target.rules import RULES
from compiler.onnx_target.shapes import name_shapes

Arrays = dict[str, NDArray[Any]]
M = TypeVar("M", bound=nn.Module)

TOLERANCE = 1e-4
"""Relative to the largest value of the reference, for fp32 with sums in another order."""


def graph_of(op: Op, *shapes: Shape) -> Graph:
    """A graph of one operation, on inputs of these shapes."""
    source = NodeSource(Place("test.yaml"))
    names = [f"x{i}" for i in range(len(shapes))]
    type = INTEGERS if op.takes == "int" else None
    inputs = [Input(dims=tuple(shape), type=op.takes) for shape in shapes]
    nodes = [Node(name, x, (), shape, source, type=type) for name, x, shape in zip(names, inputs, shapes, strict=True)]
    nodes.append(Node("op", op, tuple(names), op.infer(*shapes), source))
    return Graph("one_op", {node.id: node for node in nodes}, {"y": "op"})


def stir(module: M, seed: int = 0) -> M:
    """Move every parameter and statistic off its special first value, so that leaving one out shows. A kernel keeps its
    scale: a deep network must not overflow."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict(keep_vars=True).items():
            noise = torch.randn(tensor.shape, generator=random)
            scale = float(tensor.abs().mean()) or 1.0
            tensor.copy_(noise.abs() + 0.5 if name.endswith("running_var") else tensor + 0.2 * scale * noise)
    return module


def stir_members(graph: Graph, count: int) -> list[Arrays]:
    """The weights of several networks of one graph, each stirred from a seed of its own."""
    states = [stir(to_torch(graph, seed=seed), seed).state_dict() for seed in range(count)]
    return [{name: tensor.numpy() for name, tensor in state.items()} for state in states]


def sample_inputs(graph: Graph, batch: int, sizes: Mapping[str, int] | None = None, seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    shapes = {name: (batch, *shape) for name, shape in graph.infer(sizes or {}).items()}
    return {
        name: random.integers(graph.rows[name], size=shapes[name])
        if name in graph.rows
        else random.standard_normal(shapes[name]).astype(np.float32)
        for name in graph.inputs
    }


def empty_inputs(graph: Graph, batch: int) -> list[torch.Tensor]:
    """Inputs without values, on `meta`: whole numbers where a graph takes such."""
    return [
        torch.empty(batch, *node.shape, dtype=torch.int64 if name in graph.rows else None, device="meta")
        for name, node in graph.inputs.items()
    ]


def choose_other_sizes(graph: Graph, turns: int = 1) -> dict[str, int]:
    """AcceptedSize sizes, so many steps beyond the graph's own, of all that may change at once."""
    rules = accepted_sizes(graph)
    return {name: rules[name].sample(rules[name].value, 1 + turns)[-1] for name in vary_apart(rules)}


def run_torch(graph: Graph, module: nn.Module, inputs: Arrays) -> Arrays:
    with torch.no_grad():
        result = module.eval()(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
    named = result if isinstance(result, dict) else {next(iter(graph.outputs)): result}
    return {name: value.numpy() for name, value in named.items()}


def run_onnx(model: Path | bytes, inputs: Arrays) -> Arrays:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # as many as a worker of the tests may use
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def export(graph: Graph, weights: Mapping[str, Any], folder: Path) -> Path:
    """The ONNX file, without the program's own proof: the tests hold their own comparison."""
    path = folder / f"{graph.name}.onnx"
    to_onnx(graph, weights, path, verify=False)
    return path


def difference(expected: Arrays, found: Arrays) -> float:
    """The largest difference, relative to the largest expected value of its output."""
    assert expected.keys() == found.keys()
    worst = 0.0
    for name, reference in expected.items():
        assert reference.shape == found[name].shape, name
        assert np.isfinite(reference).all()
        assert np.isfinite(found[name]).all()
        scale = max(float(np.abs(reference).max(initial=0)), 1e-6)
        worst = max(worst, float(np.abs(reference - found[name]).max(initial=0)) / scale)
    return worst


def compare(
    graph: Graph, folder: Path, batches: Sequence[int] = (1, 3), sizes: Sequence[Mapping[str, int]] = ({},)
) -> float:
    """The largest difference between torch and ONNX Runtime, with stirred weights, over batches and sizes."""
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), folder)
    cases = [sample_inputs(graph, batch, chosen) for batch in batches for chosen in sizes]
    return max(difference(run_torch(graph, module, case), run_onnx(path, case)) for case in cases)


def list_kinds(op: Op, *shapes: Shape) -> list[str]:
    """The kinds of the ONNX nodes that an operation is written with, in order, without passes."""
    graph = graph_of(op, *shapes)
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    model = ModelEmitter(graph, weights, name_shapes(graph, accepted_sizes(graph)))
    operands = [OnnxValue(name) for name in graph.inputs]
    RULES[type(op)](op, Emitter(model, graph["op"]), *operands)
    return [node.kind for node in model.nodes]
