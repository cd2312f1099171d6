"""Which values of a model are written in rows, their channels last, instead of in planes, their channels first.

A convolution reads planes. A matrix product over the channels and a normalization over them read rows, and what acts at
each position alone, joins values or moves positions can do either. A value that is computed in one form and read in the
other is transposed. Planes and rows are chosen so that fewest numbers are transposed, and where several choices need
equally many, as few values as possible are in rows: a minimum cut of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from archspec import ops
from archspec.ops import OPS, Op
from archspec.ops.scalar import Scalar
from compiler.graph import Graph, Node
from compiler.passes.fuse_attention import AttentionKernel

if TYPE_CHECKING:
    import networkx as nx


def choose_rows(graph: Graph) -> frozenset[str]:
    """Choose the nodes whose results are written in rows, by id."""
    if not any(_count_inner(graph, node) for node in graph):
        return frozenset()
    import networkx as nx  # here, since most networks need no cut, and importing it takes longer than to write them

    cut: nx.DiGraph[Any] = nx.DiGraph()
    for node in graph:
        _add_node(cut, graph, node)
    _, (_, rows) = nx.minimum_cut(cut, PLANES, ROWS, flow_func=nx.algorithms.flow.boykov_kolmogorov)
    return frozenset(item.id for item in rows if isinstance(item, Node))


def can_be_rows(graph: Graph, node: Node) -> bool:
    """True if a node can be written in rows."""
    condition = IN_ROWS.get(type(node.op))
    return condition is not None and condition(graph, node)


PLANES, ROWS = "planes", "rows"
"""The two sides of the cut."""


def _add_node(cut: nx.DiGraph[Any], graph: Graph, node: Node) -> None:
    """Add a node to the graph that is cut, and what it costs to read its result in the other form.

    An edge without capacity is never cut. Whoever reads a value in the other form is behind a vertex of its own for
    it, so that several such readers share one transposition.
    """
    cut.add_node(node)
    if not can_be_rows(graph, node):
        cut.add_edge(PLANES, node)
    if inner := _count_inner(graph, node):
        cut.add_edge(node, ROWS, capacity=inner)
    if moved := _count_moved(node):
        turned, back = (node.id, ROWS), (node.id, PLANES)
        cut.add_edge(node, turned, capacity=moved)
        cut.add_edge(back, node, capacity=moved)
        if node.id in graph.outputs.values():
            cut.add_edge(PLANES, back)
        for reader in (graph[id] for id in graph.readers[node.id]):
            if node.id in reader.data_inputs and reader.op.takes == "float":  # extents and rows of tables are any
                cut.add_edge(turned, reader)
                cut.add_edge(reader, back)


def _count_moved(node: Node) -> int:
    """Count the numbers that a transposition of a node's result moves: none where it has one position."""
    return node.shape.elements if prod(node.shape.space) > 1 else 0


def _count_inner(graph: Graph, node: Node) -> int:
    """Count the numbers that a node, written in planes, transposes by itself: out of the rows of a table, or into rows
    and back."""
    if isinstance(node.op, ops.Embedding):
        return _count_moved(node)
    return 2 * _count_moved(node) if isinstance(node.op, ops.LayerNorm) and can_be_rows(graph, node) else 0


def _always(graph: Graph, node: Node) -> bool:
    return True


def _is_over_channels(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, ops.LayerNorm) and node.op.over == "channels"


def _is_along_axis(graph: Graph, node: Node) -> bool:
    """True for a softmax along one axis of its operand."""
    return (
        isinstance(node.op, ops.Softmax)
        and node.op.branches is None
        and (node.op.over_channels or node.shape.rank == 1)
    )


def _is_product(graph: Graph, node: Node) -> bool:
    """True for a convolution that is one product of matrices at each position."""
    x = graph[node.inputs[0]].shape
    kernel = node.op.weights(x).get("weight")
    if kernel is None or kernel.shape != (node.shape.channels, x.channels, *[1] * x.rank):
        return False
    return node.shape.space == x.space and all(node.op.stride_fraction(axis) == 1 for axis in range(x.rank))


IN_ROWS: Mapping[type[Op], Callable[[Graph, Node], bool]] = {
    **{op: _always for op in OPS if issubclass(op, Scalar)},
    **dict.fromkeys((ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Max, ops.Min, ops.Mean), _always),
    **dict.fromkeys((ops.Scale, ops.Shift, ops.Glu, ops.Reduce, ops.Learned, ops.Embedding), _always),
    **dict.fromkeys((ops.RmsNorm, ops.L2Norm), _always),
    **dict.fromkeys((ops.Concat, ops.ConcatPositions, ops.Slice, ops.Roll, ops.Pad, ops.Crop), _always),
    **dict.fromkeys((ops.Tokens, ops.Map, ops.Transpose, ops.SpaceToDepth), _always),
    **dict.fromkeys((ops.EnterWindows, ops.LeaveWindows), _always),
    **dict.fromkeys((ops.Attention, AttentionKernel), _always),
    ops.LayerNorm: _is_over_channels,
    ops.Softmax: _is_along_axis,
    ops.Conv: _is_product,
}
"""The operations that can be written in rows, and when they are so."""
