"""A pass that makes one of paddings and crops in a row, and of paddings before a convolution its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from archspec.ops import Conv, Crop, Op, PadChannels, PadSpace
from archspec.ops.fields import one_or_each
from compiler.graph import Graph, Node
from compiler.passes.affine import MAX_SEARCHED
from compiler.passes.base import Journal, Pass, WeightArrays


@dataclass(frozen=True)
class MergePads(Pass):
    """Zeros around zeros, a crop of a crop, and a convolution of what zeros surround: each pair is one operation.

    Channels are padded to the larger number. Crops take the smallest extents of all, since each cuts as much from both
    ends. Of two paddings of space, one must add an even number along each axis, or the odd position changes its end. A
    convolution pads itself where a padding adds as much at both ends of every axis. The latter two need extents that
    are the same at every size.
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
    }
)
