"""Residual and dense blocks, which a file does not name, found by the structure of the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from math import isclose

from archspec import ops
from archspec.ops import Op
from compiler.analysis.paths.counting import find_gates
from compiler.dominators import find_dominators
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.moves import Cut, PadEdges
from compiler.onnx_source.ops.products import Rows
from compiler.onnx_source.ops.windows import Convolution, Pool

SHORTCUT: tuple[type[Op], ...] = (
    *(ops.Conv, Convolution, ops.Linear, Rows, ops.Normalization, ops.Scale, ops.Dropout, ops.Concat),
    *(ops.AvgPool, ops.MaxPool, Pool, ops.GlobalAvgPool, ops.PadChannels, PadEdges, Cut),
)
"""The operations that a shortcut may pass and stay one: projections, norms, pooling and padding, but no activation."""

MAX_STEPS = 100
"""The largest number of nodes of a body that are gone back through to find its first one."""


def mark_blocks(graph: Graph) -> Graph:
    """Mark the `body` of each residual sum and dense concatenation, as a spec would say it.

    Of a sum of two, the ways from their last common point are compared, gates left out: one without activations, or
    with one and at most one layer, is the shortcut, if the other has more layers, or is longer; that is the body, and
    becomes the last operand. A concatenation of a value and of what is computed from it alone is dense. Neither body
    holds upsampling.
    """
    graph = share_concats(graph)
    ways = _Ways(graph)
    taken: set[str] = set()
    nodes = []
    for node in graph:
        block = _find_block(ways, node)
        if block:
            body = _name_body(graph, str(ways.dominators[node.id]), block)
            body = body if body and body not in taken else node.id
            taken.add(body)
            node = replace(block, body=body)
        nodes.append(node)
    return join_means(graph.with_nodes(nodes))


def join_means(graph: Graph) -> Graph:
    """Make the sum of n values that are no block, times 1/n, their mean."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph:
        total = graph[node.inputs[0]] if isinstance(node.op, ops.Scale) else node
        if isinstance(node.op, ops.Scale) and isinstance(total.op, ops.Add) and total.body is None:
            alone = graph.readers[total.id] == (node.id,) and total.id not in graph.outputs.values()
            if alone and not node.op.trainable and isclose(node.op.value, 1 / len(total.inputs), rel_tol=1e-6):
                joined[node.id] = replace(node, op=ops.Mean(), inputs=total.inputs)
                renamed[total.id] = node.id
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in renamed)


def share_concats(graph: Graph) -> Graph:
    """Share concatenations: one that begins with the operands of an earlier one reads that one instead: [[a, b], c].

    So a dense block that joins all its results anew for each layer reads like one that appends them one by one.
    """
    branches: dict[tuple[int, str], int] = {}  # a tree of the operands of all concatenations so far
    ends: dict[int, str] = {}
    nodes = []
    for node in graph:
        if isinstance(node.op, ops.Concat):
            here, inputs = 0, node.inputs
            for position, operand in enumerate(node.inputs, start=1):
                here = branches.setdefault((here, operand), len(branches) + 1)
                if here in ends and 1 < position < len(node.inputs):
                    inputs = (ends[here], *node.inputs[position:])
            ends.setdefault(here, node.id)
            node = replace(node, inputs=inputs)
        nodes.append(node)
    return graph.with_nodes(nodes)


class _Ways:
    """The most operations, activations and enlargements on any way from the inputs to each node, gates left out.

    All ways to a node pass its dominator, so that the difference of the two is what lies between.
    """

    def __init__(self, graph: Graph) -> None:
        self.dominators = find_dominators(graph)
        self.gates = find_gates(graph)
        self.length = self._count_most(graph, lambda node: True)
        self.layers = self._count_most(graph, lambda node: bool(node.op.macs(*graph.operands(node))))
        self.bent = self._count_most(graph, lambda node: not (isinstance(node.op, SHORTCUT) or node.id in self.gates))
        self.enlarged = self._count_most(graph, _enlarges)

    def rank(self, id: str) -> tuple[int, int]:
        """Count what is compared: first the layers with weights, then all operations."""
        return self.layers[id], self.length[id]

    def is_shortcut(self, fork: str, id: str) -> bool:
        """True if the way from `fork` holds no activation; or one, and at most one layer."""
        bent, layers = self.bent[id] - self.bent[fork], self.layers[id] - self.layers[fork]
        return bent == 0 or (bent == 1 and layers <= 1)

    def _count_most(self, graph: Graph, counts: Callable[[Node], bool]) -> dict[str, int]:
        most: dict[str, int] = {}
        for node in graph:
            gates = self.gates.get(node.id, frozenset())
            before = (most[operand] for position, operand in enumerate(node.data_inputs) if position not in gates)
            most[node.id] = max(before, default=0) + counts(node)
        return most


def _enlarges(node: Node) -> bool:
    """Tell whether positions of the result lie closer than those of the operand: no block holds such a node, and a skip
    around it is that of an encoder and decoder."""
    return any(node.op.stride_fraction(axis) < 1 for axis in range(node.shape.rank))


def _find_block(ways: _Ways, node: Node) -> Node | None:
    """The merge of a block, its body as the last operand."""
    fork = ways.dominators[node.id]
    if fork is None or len(node.inputs) != 2 or not isinstance(node.op, ops.Add | ops.Concat):
        return None
    shortcut, body = node.inputs
    if isinstance(node.op, ops.Add):
        shortcut, body = sorted(node.inputs, key=ways.rank)
    skips = shortcut == fork if isinstance(node.op, ops.Concat) else ways.is_shortcut(fork, shortcut)
    if not skips or ways.rank(shortcut) == ways.rank(body) or ways.enlarged[body] > ways.enlarged[fork]:
        return None
    return replace(node, inputs=(shortcut, body))


def _name_body(graph: Graph, fork: str, merge: Node) -> str:
    """The innermost scope around the whole body: that of the merge, if it stands there too."""
    first = last = graph[merge.inputs[-1]]
    for _ in range(MAX_STEPS):
        if first.inputs[0] == fork:
            break
        first = graph[first.inputs[0]]
    scope, around, start = (node.id.split(".")[:-1] for node in (last, merge, first))
    if not around or scope[: len(around)] != around:
        around = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(scope, start, strict=False))]
    return ".".join(around)
