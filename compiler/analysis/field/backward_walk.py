"""Walks from positions of a map back to the input: what they really see between the ends of all maps, and the path that
sees least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.ops import Input, Span
from compiler.analysis.field.axis_readings import AxisReading, Readings
from compiler.analysis.field.positions import (
    MapBox,
    Runs,
    count_in_box,
    count_positions,
    cover,
    find_hull,
    gather,
    holds,
    unite_boxes,
)
from compiler.graph import Graph, Node

MAX_WAYS = 64
"""The largest number of sets of one node's positions, none within another, that are kept apart."""
MAX_PHASES = 64
"""The largest number of positions, behind upsampling, from each of which the narrowest path is looked for."""
MAX_STEPS = 1 << 18
"""The largest number of runs that one walk follows through operations; after these, gaps are taken as read."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The positions of an input's map that are seen: all that lie in one of the boxes. It is `exact` unless it grew too
    ragged to be followed; then these are the most that can be seen."""

    boxes: tuple[MapBox, ...]
    exact: bool

    @property
    def hull(self) -> tuple[Span, ...]:
        return find_hull(self.boxes)

    def count(self) -> tuple[int, bool]:
        """Count the positions that are seen, and say whether that is exact; else they are the most that can be."""
        found = count_positions(self.boxes)
        return (count_in_box(unite_boxes(self.boxes)), False) if found is None else (found, self.exact)


def look_back(graph: Graph, readings: Mapping[str, Readings], id: str, start: MapBox) -> dict[str, Sight]:
    """Find by input what the positions of a node in `start` really see of it; inputs of which they see nothing are left
    out."""
    walk = _BackwardWalk(graph, readings)
    walk.boxes[id] = [start]
    for node in _upwards(graph, id):
        if node.id in walk.boxes and not isinstance(node.op, Input):
            walk.step(node)
    return {
        name: Sight(tuple(walk.boxes[name]), exact=name not in walk.loose)
        for name in graph.inputs
        if name in walk.boxes
    }


@dataclass
class _BackwardWalk:
    graph: Graph
    readings: Mapping[str, Readings]
    boxes: dict[str, list[MapBox]] = field(default_factory=dict)
    """The positions that are seen of each node that is yet to be passed, by the widest boxes."""
    loose: set[str] = field(default_factory=set)
    """The nodes of which more may stand there than is seen."""
    steps: int = 0

    def step(self, node: Node) -> None:
        """Go from a node to its operands."""
        known: dict[tuple[int, int, Runs], Runs] = {}  # axes are often alike
        if node.id in self.loose:
            self.loose.update(node.data_inputs)
        for box in self.boxes.pop(node.id):
            for position, operand in enumerate(node.data_inputs):
                found = self._read(node, position, box, known)
                if all(found):
                    self._keep(operand, found)

    def _read(self, node: Node, position: int, box: MapBox, known: dict[tuple[int, int, Runs], Runs]) -> MapBox:
        """Find what a node's positions in a box read of one operand."""
        space = self.graph[node.data_inputs[position]].shape.space
        readings = self.readings[node.id]
        if readings.passes and space == node.shape.space:
            return box
        found: list[Runs] = []
        for axis, extent in enumerate(space):
            if node.op.sees_all or readings.axes[axis].turn[0][position] is None:
                found.append(((0, extent - 1),))
                continue
            key = position, 0 if readings.alike else axis, box[axis]
            if key not in known:
                known[key] = self._read_axis(node, position, axis, extent, box[axis])
            found.append(known[key])
        return tuple(found)

    def _read_axis(self, node: Node, position: int, axis: int, extent: int, runs: Runs) -> Runs:
        shapes = self.graph.operands(node)
        self.steps += len(runs)
        found = None
        if self.steps <= MAX_STEPS:
            read = (places for span in runs for places in node.op.input_span(axis, span, *shapes)[position] or ())
            found = gather(read, extent, beyond=node.op.beyond)
        if found is None:
            self.loose.add(node.data_inputs[position])
            return ((0, extent - 1),)
        return found

    def _keep(self, operand: str, box: MapBox) -> None:
        """Add a box unless it lies in one that is kept; drop those that lie in it."""
        kept = self.boxes.setdefault(operand, [])
        if any(cover(other, box) for other in kept):
            return
        kept[:] = [other for other in kept if not cover(box, other)] + [box]
        if len(kept) > MAX_WAYS:
            kept[:] = [unite_boxes(kept)]
            self.loose.add(operand)


def narrow_back(
    graph: Graph, readings: Mapping[str, Readings], id: str, axis: int, phases: int, input: str
) -> int | None:
    """Find the fewest positions of an input, from the first to the last, that one of a node's first `phases` positions
    sees by a single path, as if maps had no ends; what is seen through a whole map is left aside. None where too many
    sets would have to be kept, or too many positions asked.

    What fewer positions read is among what they read with others, so of each node only the sets that hold no other are
    kept: one where all merges are aligned.
    """
    if phases > MAX_PHASES:
        return None
    found = [_narrow_one(graph, readings, id, axis, position, input) for position in range(phases)]
    return None if None in found else min((size for size in found if size), default=None)


def _narrow_one(
    graph: Graph, readings: Mapping[str, Readings], id: str, axis: int, position: int, input: str
) -> int | None:
    sets: dict[str, set[Runs]] = {id: {((position, position),)}}
    for node in _upwards(graph, id):
        if node.id not in sets or isinstance(node.op, Input):
            continue
        reading = readings[node.id].axes[axis]
        for own in sets.pop(node.id):
            for number, operand in enumerate(node.data_inputs):
                found = own if reading.passes else _read_endless(node, graph, reading, axis, number, own)
                if found is None:
                    return None
                kept = sets.setdefault(operand, set())
                if found and found not in kept:
                    _keep_narrowest(kept, found)
                    if len(kept) > MAX_WAYS:
                        return None
    return min((runs[-1][1] - runs[0][0] + 1 for runs in sets.get(input, ())), default=0)


def _read_endless(node: Node, graph: Graph, reading: AxisReading, axis: int, position: int, runs: Runs) -> Runs | None:
    """Find what is read of one operand, nothing where that is the whole map; None where it is too ragged."""
    if reading.turn[0][position] is None:
        return ()
    shapes = graph.operands(node)
    return gather(places for span in runs for places in node.op.input_span(axis, span, *shapes)[position] or ())


def _keep_narrowest(kept: set[Runs], runs: Runs) -> None:
    """Add a set unless it holds one that is kept; drop those that hold it."""
    if not any(holds(runs, other) for other in kept):
        kept -= {other for other in kept if holds(other, runs)}
        kept.add(runs)


def _upwards(graph: Graph, id: str) -> list[Node]:
    """A node and those before it, the last one first."""
    nodes = list(graph)
    return nodes[next(place for place, node in enumerate(nodes) if node.id == id) :: -1]
