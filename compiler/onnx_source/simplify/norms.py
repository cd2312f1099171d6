"""Group normalizations that exporters write as instance normalization of groups laid out as channels."""

from __future__ import annotations

from dataclasses import replace

from archspec.ops import GroupNorm, InstanceNorm, LayerNorm, Op, Scale, Shift
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.simplify.pieces import is_by_channel, only_reader, take_over


def join_group_norms(graph: Graph) -> Graph:
    """Join instance normalization of groups laid out as channels, and back: it is group normalization; with one group,
    layer normalization. A scale and a shift for each channel that follow are its own."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph:
        chain = _follow_group_norm(graph, node)
        if chain:
            (first, norm, _), affine, last = chain[:3], chain[3:], chain[-1]
            groups, eps = norm.shape.channels, norm.op.eps  # type: ignore[attr-defined]
            op: Op = GroupNorm(groups=groups, eps=eps, affine=bool(affine))
            if groups == 1:
                op = LayerNorm(eps=eps, affine=bool(affine))
            stored = take_over(zip(("weight", "bias"), affine, strict=False))
            joined[last.id] = replace(last, op=op, inputs=first.inputs, stored=stored)
            renamed |= {piece.id: last.id for piece in chain[:-1]}
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in renamed)


def _follow_group_norm(graph: Graph, first: Node) -> list[Node] | None:
    """The pieces of a group normalization that starts here, in order."""
    if not _lays_out(first) or len(first.shape) != 2:
        return None
    x = graph[first.inputs[0]].shape
    chain = [first]
    for fits in (_is_plain_instance_norm, _lays_out):
        after = only_reader(graph, chain[-1])
        if after is None or not fits(after):
            return None
        chain.append(after)
    if chain[-1].shape != x or x.channels % first.shape.channels:
        return None
    scale = only_reader(graph, chain[-1])
    shift = only_reader(graph, scale) if scale else None
    both = scale and shift and is_by_channel(scale, Scale) and is_by_channel(shift, Shift)
    return [*chain, scale, shift] if scale and shift and both else chain


def _lays_out(node: Node) -> bool:
    return isinstance(node.op, Rearrange) and node.op.function == "reshape"


def _is_plain_instance_norm(node: Node) -> bool:
    return isinstance(node.op, InstanceNorm) and not node.op.affine
