"""Reshapes and transpositions in a row, put together again where they shuffle channels, or trade them for positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.ops import Shape
from compiler.graph import Graph, Node
from compiler.onnx_source.ops import DepthToSpace, Foreign, Rearrange, ShuffleChannels, SpaceToDepth

MOST_PIECES = 5
MOST_NUMBERS = 1 << 24
"""Numbers that are moved in all to see where they go; what comes later stays in pieces."""


def join_moves(graph: Graph) -> Graph:
    """One operation where a chain of reshapes and transpositions leaves positions where they were, or makes blocks of
    them channels, or channels blocks: found by where the numbers go."""
    joined: dict[str, Node] = {}
    gone: set[str] = set()
    spent = 0
    for node in graph:
        chain = [] if node.id in gone else _follow(graph, node)
        x = graph[node.inputs[0]].shape if chain else node.shape
        for length in range(len(chain), 1, -1):
            last = chain[length - 1]
            if last.shape.rank != x.rank or not x.rank or spent + x.elements > MOST_NUMBERS:
                continue
            spent += x.elements
            op = _identify(x, last.shape, _move(x, chain[:length]))
            if op:
                joined[last.id] = replace(last, op=op, inputs=node.inputs)
                gone |= {piece.id for piece in chain[: length - 1]}
                break
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in gone)


def _follow(graph: Graph, first: Node) -> list[Node]:
    """The chain that starts here, each piece the only reader of the one before."""
    chain: list[Node] = []
    node = first
    while _is_piece(node) and len(chain) < MOST_PIECES:
        chain.append(node)
        readers = graph.readers[node.id]
        if len(readers) != 1 or node.id in graph.outputs.values():
            break
        node = graph[readers[0]]
    return chain


def _is_piece(node: Node) -> bool:
    if not isinstance(node.op, Rearrange) or len(node.inputs) != 1:
        return False
    return node.op.function == "reshape" or (node.op.function == "transpose" and bool(node.op.perm))


def _move(x: Shape, chain: Sequence[Node]) -> NDArray[np.intp]:
    """For each place of the result, the place that its number comes from."""
    places = np.arange(x.elements).reshape(x)
    for node in chain:
        assert isinstance(node.op, Rearrange)
        places = places.transpose(node.op.perm) if node.op.perm else places.reshape(node.shape)
    return places


def _identify(x: Shape, shape: Shape, places: NDArray[np.intp]) -> Foreign | None:
    sources = np.unravel_index(places, x)[1:]
    owns = np.indices(shape, sparse=True)[1:]
    if x.space == shape.space:
        stay = all(bool((source == own).all()) for source, own in zip(sources, owns, strict=True))
        return ShuffleChannels(gives=shape) if stay else None
    block = max(x.space[0] // shape.space[0], shape.space[0] // x.space[0])
    kind: type[SpaceToDepth | DepthToSpace] = SpaceToDepth if x.space > shape.space else DepthToSpace
    larger, smaller = (x, shape) if kind is SpaceToDepth else (shape, x)
    fine, coarse = (sources, owns) if kind is SpaceToDepth else (owns, sources)
    fits = all(size == part * block for size, part in zip(larger.space, smaller.space, strict=True))
    inside = fits and all(bool((a // block == b).all()) for a, b in zip(fine, coarse, strict=True))
    return kind.of(tuple(shape), block) if inside else None
