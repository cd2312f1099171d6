"""From one position of a map back to the input: what the ends of the maps cut off, and the path that sees least."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.ops import Input, Shape, Span
from compiler.analysis.readings import Readings
from compiler.graph import Graph, Node

MAX_WAYS = 64
"""Runs of one node, none within another, up to which the narrowest path is looked for."""
MAX_PHASES = 64
"""Positions from each of which it is looked for, behind upsampling."""


def clip_back(graph: Graph, readings: Mapping[str, Readings], id: str, axis: int) -> dict[str, Span]:
    """By input, the run along an axis that the middle position of a node sees, cut at the ends of every map between."""
    middle = (graph[id].shape.space[axis] - 1) // 2
    runs: dict[str, Span] = {id: (middle, middle)}
    for node in _upwards(graph, id):
        if node.id not in runs or isinstance(node.op, Input):
            continue
        for operand, shape, run in _read(node, graph, readings, axis, runs[node.id]):
            if axis < shape.rank:
                whole = (0, shape.space[axis] - 1)
                found = whole if run is None or node.op.sees_all else (max(run[0], 0), min(run[1], whole[1]))
                if found[0] <= found[1]:
                    known = runs.get(operand, found)
                    runs[operand] = (min(known[0], found[0]), max(known[1], found[1]))
    return {name: runs[name] for name in graph.inputs if name in runs}


def narrow_back(
    graph: Graph, readings: Mapping[str, Readings], id: str, axis: int, phases: int, input: str
) -> int | None:
    """The fewest positions of an input, from the first to the last, that one of a node's first `phases` positions sees
    by a single path; what is seen through a whole map is left aside. None where too many runs would have to be kept, or
    too many positions asked.

    What a shorter run reads lies within what a longer one around it reads, so of each node only the runs that hold no
    other are kept: one where all merges are aligned.
    """
    if phases > MAX_PHASES:
        return None
    found = [_narrow_one(graph, readings, id, axis, position, input) for position in range(phases)]
    return None if None in found else min((size for size in found if size), default=None)


def _narrow_one(
    graph: Graph, readings: Mapping[str, Readings], id: str, axis: int, position: int, input: str
) -> int | None:
    runs: dict[str, set[Span]] = {id: {(position, position)}}
    for node in _upwards(graph, id):
        if isinstance(node.op, Input):
            continue
        for own in runs.pop(node.id, ()):
            for operand, shape, run in _read(node, graph, readings, axis, own):
                if axis < shape.rank and run is not None and run[0] <= run[1]:
                    _keep(runs.setdefault(operand, set()), run)
        if any(len(kept) > MAX_WAYS for kept in map(runs.get, node.carriers) if kept):
            return None
    return min((hi - lo + 1 for lo, hi in runs.get(input, ())), default=0)


def _keep(kept: set[Span], run: Span) -> None:
    """Add a run unless it holds one that is kept; drop those that hold it."""
    if not any(_holds(run, other) for other in kept):
        kept -= {other for other in kept if _holds(other, run)}
        kept.add(run)


def _holds(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _upwards(graph: Graph, id: str) -> list[Node]:
    """A node and those before it, the last one first."""
    nodes = list(graph)
    return nodes[next(place for place, node in enumerate(nodes) if node.id == id) :: -1]


def _read(
    node: Node, graph: Graph, readings: Mapping[str, Readings], axis: int, run: Span
) -> list[tuple[str, Shape, Span | None]]:
    """Each operand that carries signal, its shape, and what is read of it; None where that is the whole map."""
    if readings[node.id].axes[axis].passes:
        return [(operand, graph[operand].shape, run) for operand in node.carriers]
    shapes = graph.operands(node)
    found = node.op.reads(axis, run, *shapes) if axis < node.shape.rank else (None,) * len(shapes)
    return list(zip(node.carriers, shapes, found, strict=False))
