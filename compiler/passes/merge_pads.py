"""A pass that makes one of paddings and crops in a row, and of paddings before a convolution its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from archspec.ops import AvgPool, Conv, Crop, Op, OpError, Pad, PadChannels, PadSpace, Shape
from archspec.ops.fields import one_or_each
from archspec.ops.sliding import pads_by_size
from archspec.ops.window import say_padding
from compiler.graph import Graph, Node
from compiler.passes.affine import MAX_SEARCHED
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays


@dataclass(frozen=True)
class MergePads(Pass):
    """Zeros around zeros, a crop of a crop, and a convolution of what zeros surround: each pair is one operation.

    Channels are padded to the larger number. Crops take the smallest extents of all, since each cuts as much from both
    ends. Of two paddings of space, one must add an even number along each axis, or the odd position changes its end. A
    convolution pads itself where a padding adds as much at both ends of every axis. The latter two need extents that
    are the same at every size. A `pad` of zeros is part of another, of a convolution whose padding can say it, and of a
    mean that counts its padding.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        outputs = set(graph.outputs.values())
        nodes = dict(graph.nodes)
        for id in graph.nodes:
            node = nodes[id]
            first = nodes[node.inputs[0]] if node.inputs else node
            merge = MERGES.get((type(first.op), type(node.op)))
            if merge is None:
                continue
            merged = merge(graph, first, node)
            if isinstance(merged, str):
                journal.leave(id, merged)
                continue
            nodes[id] = merged
            journal.did(id, f"does what {first.id} did before it")
            if {*graph.readers[first.id]} == {id} and first.id not in {*outputs, *merged.inputs}:
                del nodes[first.id]
                journal.did(first.id, f"merged into {id}")
        return (graph, weights) if nodes == graph.nodes else (graph.with_nodes(nodes.values()), weights)


def _merge_channels(graph: Graph, first: Node, node: Node) -> Node | str:
    return replace(node, inputs=first.inputs)


def _merge_crops(graph: Graph, first: Node, node: Node) -> Node | str:
    return _join_operands(first, node)


def _merge_spaces(graph: Graph, first: Node, node: Node) -> Node | str:
    if graph.sizes:
        return f"what {first.id} adds depends on the sizes"
    inner, outer = _added(graph[first.inputs[0]], first), _added(first, node)
    if any(one % 2 and other % 2 for one, other in zip(inner, outer, strict=True)):
        return f"{first.id} adds an odd number, and so does {node.id}"
    return _join_operands(first, node)


def _pad_in_convolution(graph: Graph, first: Node, node: Node) -> Node | str:
    assert isinstance(node.op, Conv)
    if graph.sizes:
        return f"what {first.id} adds depends on the sizes"
    added, windows = _added(graph[first.inputs[0]], first), node.op.windows(first.shape)
    if any(more % 2 for more in added) or any(window.before != window.after for window in windows):
        return f"{first.id} does not add as much at both ends of every axis"
    padding = one_or_each(w.before + more // 2 for w, more in zip(windows, added, strict=True))
    return replace(node, op=node.op.model_copy(update={"padding": padding}), inputs=first.inputs[:1])


def _merge_pads(graph: Graph, first: Node, node: Node) -> Node | str:
    assert isinstance(first.op, Pad)
    assert isinstance(node.op, Pad)
    if {first.op.mode, node.op.mode} != {"zeros"}:
        return f"{first.id} and {node.id} do not both add zeros"
    inner, outer = first.op.sides(graph[first.inputs[0]].shape), node.op.sides(first.shape)
    pairs = zip(inner, outer, strict=True)
    before, after = zip(*((a + c, b + d) for (a, b), (c, d) in pairs), strict=True)
    sides = {"before": one_or_each(before), "after": one_or_each(after)}
    return replace(node, op=node.op.model_copy(update=sides), inputs=first.inputs)


def _pad_in_window(graph: Graph, first: Node, node: Node) -> Node | str:
    """Give a convolution, or a mean that counts the padding, the zeros that stand before it."""
    assert isinstance(first.op, Pad)
    assert isinstance(node.op, Conv | AvgPool)
    if first.op.mode != "zeros":
        return f"{first.id} adds other numbers than zeros"
    if isinstance(node.op, AvgPool) and (node.op.count == "inside" or node.op.ceil):
        return f"{node.id} does not count its padding as it counts these zeros"
    if pads_by_size(node.op.padding, node.op.windows(first.shape)):
        return f"{node.id} pads what its size asks for"
    x = graph[first.inputs[0]].shape
    rows = zip(node.op.windows(first.shape), first.op.sides(x), strict=True)
    said = [say_padding(replace(w, before=w.before + a, after=w.after + b)) for w, (a, b) in rows]
    merged = node.op.model_copy(update={"padding": one_or_each(rule for rule in said if rule is not None)})
    if None in said or not _takes(merged, x):
        return f"{node.id} has no padding that says what {first.id} adds"
    return replace(node, op=merged, inputs=first.inputs)


def _takes(op: Conv | AvgPool, x: Shape) -> bool:
    try:
        op.infer(x)
    except OpError:
        return False
    return True


def _join_operands(first: Node, node: Node) -> Node | str:
    """The second operation on what the first one read, at extents that the operands of both lend."""
    operands = (first.inputs[0], *dict.fromkeys(first.inputs[1:] + node.inputs[1:]))
    if len(operands) > MAX_SEARCHED:
        return f"it would read more than {MAX_SEARCHED} values"
    return replace(node, inputs=operands)


def _added(before: Node, after: Node) -> tuple[int, ...]:
    return tuple(new - old for old, new in zip(before.shape.space, after.shape.space, strict=True))


PairMerge: TypeAlias = Callable[[Graph, Node, Node], Node | str]
"""A function that gives the node that does what two in a row did, or says why there is none."""

MERGES: Mapping[tuple[type[Op], type[Op]], PairMerge] = MappingProxyType(
    {
        (PadChannels, PadChannels): _merge_channels,
        (Crop, Crop): _merge_crops,
        (PadSpace, PadSpace): _merge_spaces,
        (PadSpace, Conv): _pad_in_convolution,
        (Pad, Pad): _merge_pads,
        (Pad, Conv): _pad_in_window,
        (Pad, AvgPool): _pad_in_window,
    }
)
