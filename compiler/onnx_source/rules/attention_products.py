"""Attention that a file writes in pieces: products and a softmax, between rows that are cut into heads and joined
again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from archspec.ops import Scale, Transpose
from compiler.graph import Node
from compiler.onnx_source.call import NodeCall
from compiler.onnx_source.ops.along import SoftmaxAlong
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.ops.products import Product
from compiler.onnx_source.rules.attention import ROWS, build_attention
from compiler.onnx_source.values import FileValue

HEADS = (0, 2, 1, 3)
"""The order of axes of rows of tokens, whose channels are last in the file, by position and head."""

BY_HEAD, BY_CHANNEL = (1, 0, 2), (1, 2, 0)
"""The transpositions of (positions, heads, channels) to rows and to columns of each head."""


class AttentionPieces(NamedTuple):
    """The maps that are attended, the factor on the scores, and the nodes between them and the result."""

    maps: tuple[str, ...]
    scale: float
    pieces: tuple[str, ...]


def join_heads(call: NodeCall, shape: Sequence[int]) -> FileValue | None:
    """Read the joining of heads behind softmax(q kᵀ · scale) v as the language's attention, whose pieces are dropped
    where nothing else reads them; None where it is something else."""
    x = call.value()
    together = (*x.shape[:2], x.shape[2] * x.shape[3]) if len(x.shape) == 4 else ()
    if x.order != HEADS or tuple(shape) != together or x.shape[0] != 1 or x.samples:
        return None
    found = _find_pieces(call.writer.nodes, x.id)
    if found is None:
        return None
    heads, width = x.shape[2], call.writer.nodes[found.maps[0]].shape.channels // x.shape[2]
    op = build_attention(call, heads, width, found.scale)
    maps = [call.writer.nodes[id] for id in found.maps]
    rows = [replace(x, id=node.id, shape=(1, *node.shape[::-1]), order=ROWS) for node in maps]
    call.writer.replaced.update(found.pieces)
    return call.add(op, *rows)


def _find_pieces(nodes: Mapping[str, Node], last: str) -> AttentionPieces | None:
    """Follow the operands of the last product back to the maps."""
    means = nodes[last]
    shares = nodes[means.inputs[0]]
    if not _is_product(means) or not _is_softmax(shares):
        return None
    scores = nodes[shares.inputs[0]]
    factor = scores.op if isinstance(scores.op, Scale) and not scores.op.trainable else None
    product = nodes[scores.inputs[0]] if factor else scores
    if not _is_product(product):
        return None
    ends = [(product.inputs[0], BY_HEAD), (product.inputs[1], BY_CHANNEL), (means.inputs[1], BY_HEAD)]
    cuts = [_find_cut(nodes, id, perm) for id, perm in ends]
    if not all(cuts):
        return None
    pieces = (last, shares.id, scores.id, product.id, *(id for cut in cuts for id in cut[:-1]))
    return AttentionPieces(tuple(cut[-1] for cut in cuts), factor.value if factor else 1.0, pieces)


def _is_product(node: Node) -> bool:
    return isinstance(node.op, Product) and not node.op.details and len(node.inputs) == 2


def _is_softmax(node: Node) -> bool:
    return isinstance(node.op, SoftmaxAlong) and node.op.function == "softmax" and node.op.axes == (2,)


def _find_cut(nodes: Mapping[str, Node], id: str, perm: Dims) -> tuple[str, ...]:
    """The nodes from here back to a map (C, L) that is cut into heads, and that map; empty where there is none."""
    found = [id]
    for wanted in (perm, (), (1, 0)):
        node = nodes[found[-1]]
        exchanged = wanted == (1, 0) and isinstance(node.op, Transpose)
        moved = isinstance(node.op, Rearrange) and node.op.perm == wanted and len(node.inputs) == 1
        if not exchanged and not moved:
            return ()
        if not wanted and (node.op.word != "reshape" or len(node.shape) != 3):
            return ()
        found.append(node.inputs[0])
    return tuple(found) if nodes[found[2]].shape[0] == nodes[found[1]].shape[0] else ()
