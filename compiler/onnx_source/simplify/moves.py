"""Reshapes and transpositions in a row, put together again where they shuffle channels, or trade them for positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.ops import DepthToSpace, Flatten, Op, Shape, ShuffleChannels, SpaceToDepth, Tokens, Transpose
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.moves import DepthBeforeSpace, OrderChannels, Rearrange, SpaceBeforeDepth

MAX_PIECES = 8
"""The largest number of reshapes and transpositions that are put together to one operation."""

MAX_NUMBERS = 1 << 22
"""The largest number of numbers that are moved in all to see where they go; what comes later stays in pieces."""


def join_moves(graph: Graph) -> Graph:
    """Make one operation, or none, where a chain of reshapes and transpositions leaves positions where they were, or
    makes blocks of them channels, or channels blocks, or deals out those of a vector: found by where the numbers go."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    gone: set[str] = set()
    ended: set[str] = set()
    spent = 0
    for node in graph:
        chain = [] if node.id in gone or node.id in ended else _follow(graph, node)
        x = graph[node.inputs[0]].shape if chain else node.shape
        for length in range(len(chain), 1, -1):
            last = chain[length - 1]
            block = _compare(x, last.shape)
            if not block or spent + x.elements > MAX_NUMBERS:
                continue
            spent += x.elements
            places = _move(x, chain[:length])
            if x == last.shape and bool((places.reshape(-1) == np.arange(x.elements)).all()):
                renamed[last.id] = node.inputs[0]
            elif op := _identify(x, last.shape, block, places):
                joined[last.id] = replace(last, op=op, inputs=node.inputs)
            else:
                continue
            gone |= {piece.id for piece in chain[: length - 1]}
            ended.add(last.id)
            break
    kept = (joined.get(node.id, node) for node in graph if node.id not in gone | renamed.keys())
    return graph.with_nodes(kept, renamed)


def _follow(graph: Graph, first: Node) -> list[Node]:
    """The chain that starts here, each piece the only reader of the one before."""
    chain: list[Node] = []
    node = first
    while _is_piece(node) and len(chain) < MAX_PIECES:
        chain.append(node)
        readers = graph.readers[node.id]
        if len(readers) != 1 or node.id in graph.outputs.values():
            break
        node = graph[readers[0]]
    return chain


def _is_piece(node: Node) -> bool:
    if isinstance(node.op, Tokens | Transpose | Flatten):
        return True
    if not isinstance(node.op, Rearrange) or len(node.inputs) != 1:
        return False
    return node.op.function == "reshape" or (node.op.function == "transpose" and bool(node.op.perm))


def _move(x: Shape, chain: Sequence[Node]) -> NDArray[np.intp]:
    """Find for each place of the result the place that its number comes from."""
    places = np.arange(x.elements).reshape(x)
    for node in chain:
        perm = node.op.perm if isinstance(node.op, Rearrange) else (1, 0) if isinstance(node.op, Transpose) else ()
        places = places.transpose(perm) if perm else places.reshape(node.shape)
    return places


def _compare(x: Shape, shape: Shape) -> int:
    """Find how many times finer one map is than the other, the same along each axis; 0 where it is not."""
    if x.rank != shape.rank:
        return 0
    if not x.rank:
        return int(x == shape)
    large, small = sorted((x.space, shape.space), reverse=True)
    block = large[0] // small[0]
    return block if all(size == part * block for size, part in zip(large, small, strict=True)) else 0


def _identify(x: Shape, shape: Shape, block: int, places: NDArray[np.intp]) -> Op | None:
    """Find what gives each place its number from these places of a value of shape `x`."""
    sources, owns = np.unravel_index(places, x)[1:], np.indices(shape, sparse=True)[1:]
    fine, coarse = (sources, owns) if x.space > shape.space else (owns, sources)
    if not all(bool((a // block == b).all()) for a, b in zip(fine, coarse, strict=True)):
        return None
    if block == 1:
        groups = _count_groups(places)
        return ShuffleChannels(groups=groups) if groups else OrderChannels(gives=tuple(shape))
    finer = shape.space < x.space
    if np.array_equal(places, _lay_blocks(x, shape, block, finer)):
        return SpaceToDepth(block=block) if finer else DepthToSpace(block=block)
    kind = SpaceBeforeDepth if finer else DepthBeforeSpace
    return kind(gives=tuple(shape), block=block)


def _lay_blocks(x: Shape, shape: Shape, block: int, finer: bool) -> NDArray[np.intp]:
    """Find the places that numbers come from where blocks of positions are channels beside each other, or these are
    blocks."""
    fine, coarse = (x, shape) if finer else (shape, x)
    parts = [extent for each in coarse.space for extent in (each, block)]
    rank, places = coarse.rank, np.arange(x.elements)
    if finer:
        order = (0, *range(2, 2 * rank + 2, 2), *range(1, 2 * rank + 1, 2))
        return places.reshape(fine.channels, *parts).transpose(order).reshape(shape)
    order = (0, *(axis for place in range(rank) for axis in (1 + rank + place, 1 + place)))
    return places.reshape(fine.channels, *[block] * rank, *coarse.space).transpose(order).reshape(shape)


def _count_groups(places: NDArray[np.intp]) -> int:
    """Find from how many groups the channels are dealt out, one of each after the other; 0 where they are not."""
    channels = len(places)
    order = places.reshape(channels, -1)[:, 0] // (places.size // channels)
    groups = channels // max(1, int(order[1]))
    dealt = np.arange(channels).reshape(groups, -1).T.reshape(-1) if channels % groups == 0 else order[:0]
    return groups if np.array_equal(order, dealt) else 0
