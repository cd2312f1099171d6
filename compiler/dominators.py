"""Dominators: for each node the nearest node before it that every path from the inputs to it passes, where branches
part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.graph import Graph


@dataclass(frozen=True, slots=True)
class _Place:
    """A node in the tree of dominators. `far` lies some way up: two jumps and a step reach any depth in logarithmic
    time (Myers, 1983)."""

    id: str | None
    depth: int
    above: _Place | None
    far: _Place | None

    def up(self, depth: int) -> _Place:
        """The place above at a depth, or itself."""
        place = self
        while place.depth > depth:
            far = place.far
            place = far if far and far.depth >= depth else place.above or place
        return place


def find_dominators(graph: Graph) -> Mapping[str, str | None]:
    """Find for each node its immediate dominator, over operands that carry signal; None where inputs come together
    first."""
    root = _Place(None, 0, None, None)
    places: dict[str, _Place] = {}
    for node in graph:
        above = root
        for i, operand in enumerate(node.data_inputs):
            above = _meet(above, places[operand]) if i else places[operand]
        places[node.id] = _Place(node.id, above.depth + 1, above, _find_far(above))
    return {id: place.above.id if place.above else None for id, place in places.items()}


def _find_far(above: _Place) -> _Place:
    """Find where a node below `above` jumps to: as far as two equal jumps from there, or one step."""
    once = above.far
    twice = once.far if once else None
    if once and twice and above.depth - once.depth == once.depth - twice.depth:
        return twice
    return above


def _meet(a: _Place, b: _Place) -> _Place:
    """The deepest place above or at both; places of one depth jump equally far."""
    depth = min(a.depth, b.depth)
    a, b = a.up(depth), b.up(depth)
    while a is not b:
        jumped = a.far is not b.far
        a, b = (a.far or a, b.far or b) if jumped else (a.above or a, b.above or b)
    return a
