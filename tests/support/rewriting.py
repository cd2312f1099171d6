"""Shared by the tests of passes: small graphs, and how far results and values are from those before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from archspec.api import to_torch
from archspec.errors import Place
from archspec.ops import Input, Op, Shape
from compiler.graph import Graph, Node, NodeSource
from compiler.passes.base import AppliedPass, Pass, run_passes, trace_value
from compiler.passes.weight_arrays import WeightArrays
from compiler.torch_target.module import assign_weights
from tests.support.lowering import difference, run_torch, sample_inputs, stir

FOLDED_TOLERANCE = 1e-5
"""Relative to the largest value, in single precision, of a few layers whose numbers were rounded anew."""

Rewrite: TypeAlias = Callable[[Graph, WeightArrays], tuple[Graph, WeightArrays]]


class Drawing:
    """A graph, node by node: `x` is the input, and each operation gets the next of the names n0, n1, …"""

    def __init__(self, shape: Shape, dims: tuple[int | str, ...] | None = None, **sizes: int) -> None:
        self.source = NodeSource(Place("test.yaml"))
        self.nodes = {"x": Node("x", Input(dims=dims or tuple(shape)), (), shape, self.source)}
        self.sizes = sizes

    def add(self, op: Op, *operands: str) -> str:
        """A node on these operands, or on the node before; its name."""
        inputs = operands or (list(self.nodes)[-1],)
        name = f"n{len(self.nodes) - 1}"
        shape = op.infer(*(self.nodes[operand].shape for operand in inputs))
        self.nodes[name] = Node(name, op, inputs, shape, self.source)
        return name

    def graph(self, *outputs: str) -> Graph:
        """With these nodes as outputs, or the last one."""
        ends = outputs or (list(self.nodes)[-1],)
        return Graph("drawing", self.nodes, {f"y{i}": end for i, end in enumerate(ends)}, self.sizes)


def chain(shape: Shape, *ops: Op) -> Graph:
    drawing = Drawing(shape)
    for op in ops:
        drawing.add(op)
    return drawing.graph()


def kinds(graph: Graph) -> list[str]:
    """Of all nodes behind the inputs."""
    return [node.op.kind for node in graph if node.inputs]


def stirred(graph: Graph, seed: int = 0) -> WeightArrays:
    """Weights that show every mistake."""
    return {name: value.numpy().copy() for name, value in stir(to_torch(graph), seed).state_dict().items()}


def measure(before: Graph, weights: WeightArrays, after: Graph, others: WeightArrays, **sizes: int) -> float:
    """How far the results of one graph with its weights are from those of another."""
    one, other = to_torch(before), to_torch(after)
    assign_weights(one, before, weights)
    assign_weights(other, after, others)
    inputs = sample_inputs(before, 3, sizes)
    return difference(run_torch(before, one, inputs), run_torch(after, other, inputs))


def apply(step: Rewrite, graph: Graph, seed: int = 0) -> tuple[Graph, float]:
    """The graph behind the pass, and how far its results are from those before."""
    weights = stirred(graph, seed)
    after, others = step(graph, weights)
    return after, measure(graph, weights, after, others)


def run(one: Pass, graph: Graph) -> tuple[Graph, AppliedPass, float]:
    """The graph behind the pass, what its journal says, and how far results, and values by the journal, are off."""
    weights = stirred(graph)
    after, others, (step,) = run_passes([one], graph, weights)
    worst = max(measure(graph, weights, after, others), measure_values(graph, weights, after, others, (step,)))
    return after, step, worst


def measure_values(
    before: Graph, weights: WeightArrays, after: Graph, others: WeightArrays, steps: tuple[AppliedPass, ...]
) -> float:
    """How far the nodes behind the passes are from the values that they give, as the journals say."""
    given = {node.id: value for node in after if (value := trace_value(steps, node.id)) is not None}
    return measure(replace(before, outputs=given), weights, replace(after, outputs={id: id for id in given}), others)
