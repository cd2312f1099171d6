"""Receptive fields: how much of the input a position of a map sees, how far apart neighbours look, and where the middle
lies.

Along an axis position i of a map sees positions from a first to a last one, and its neighbours' lie `jump` further;
behind upsampling they do so in turns: position i + n sees what i sees, n · jump further. A few runs thus speak for all
positions, and one pass in topological order, by each operation's `input_span`, finds those of every node (`strands`).
Sizes are those of the theory (Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks,
Distill, 2019): as if the input had no ends, and whatever the weights. What one position really sees, between the ends
of all maps and with the gaps that dilated kernels leave, is found by a walk back from it (`backward_walk`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any

from archspec.ops import Input, Span
from compiler.analysis.certainty import Mark, at_least, at_most, estimate, nest
from compiler.analysis.field.axis_readings import Readings, find_readings, is_even
from compiler.analysis.field.backward_walk import Sight, look_back, narrow_back
from compiler.analysis.field.fields import Misalignment, NodeField, OutputField
from compiler.analysis.field.misalignment import find_misaligned
from compiler.analysis.field.rows import lay_out_rows
from compiler.analysis.field.strands import NOTHING, View, find_hull, is_bounded, list_inputs, look
from compiler.graph import Graph, Node

MAX_WALKED = 1 << 20
"""The largest number of nodes, about, that are passed on walks back: one walk from each output, and one for each map
that is seen whole."""

GIVEN_UP = at_least("some ways to the input repeat too late, or reach too far, to be followed")
TAKEN_WHOLE = at_most("what is seen through some whole maps was taken to be the whole input")
TAKEN_FULL = at_most("what is seen is too ragged to be followed: gaps were taken as seen")
ADRIFT = at_most("some values read rows of tokens as no map has them: they were taken to see the whole of it")
UNKNOWN = at_most("an unknown operation was taken to see everything")


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive fields of a network."""

    outputs: Mapping[str, tuple[OutputField, ...]]
    """The fields by output, one for each input that is seen; none where values have no spatial axes."""
    misaligned: tuple[Misalignment, ...]
    everywhere: tuple[str, ...]
    """The nodes through which a position sees a whole map, and that lie before the node of some output's field."""
    unmeasured: tuple[str, ...]
    """The nodes at which a field was given up, since its runs repeat too late, or reach too far."""
    adrift: frozenset[str]
    """The nodes that may see less than they were taken to: they read rows of tokens as no map has them."""
    graph: Graph = field(repr=False, compare=False)
    """The graph, its rows of tokens on the maps that they were laid out of."""
    views: Mapping[str, tuple[View, ...]] = field(repr=False, compare=False)
    """The views of each node, by axis."""
    readings: Mapping[str, Readings] = field(repr=False, compare=False)

    def of(self, id: str) -> tuple[NodeField, ...]:
        """Give the fields of a node, one for each input that its positions have a place in."""
        return tuple(_measure(self.graph[id], self.views[id], input) for input in list_inputs(self.views[id]))

    @property
    def by_output(self) -> dict[str, dict[str, OutputField]]:
        """The fields by output and input."""
        return {name: {seen.field.input: seen for seen in fields} for name, fields in self.outputs.items()}

    @property
    def first(self) -> OutputField | None:
        """The field that stands for the network: the first output's, if one has any."""
        return next((fields[0] for fields in self.outputs.values() if fields), None)

    @property
    def marks(self) -> dict[str, Mark]:
        seen = [(name, one) for name, fields in self.outputs.items() for one in fields]
        first = dict(seen[0][1].marks) if seen else {}
        inner = (nest(f"by_output.{name}.{one.field.input}", one.marks) for name, one in seen)
        return first | {key: mark for marks in inner for key, mark in marks.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give the first output's field in front, if there is one, then all by output and input."""
        return (self.first.to_dict() if self.first else {"size": [], "stride": []}) | {
            "by_output": {
                name: {input: seen.to_dict() for input, seen in fields.items()}
                for name, fields in self.by_output.items()
            },
            "misaligned": [merge.to_dict() for merge in self.misaligned],
            "everywhere": list(self.everywhere),
            "unmeasured": list(self.unmeasured),
        }


def measure_receptive_field(graph: Graph) -> ReceptiveField:
    """Measure the receptive field of every node. The graph's sizes matter where a whole map is seen, and in
    `clipped`."""
    laid_out = lay_out_rows(graph)
    graph, adrift = laid_out.graph, laid_out.adrift
    rank = max((node.shape.rank for node in graph), default=0)
    readings = find_readings(graph)
    alike = _find_alike(graph, rank, readings)
    views: dict[str, tuple[View, ...]] = {}
    whole_maps = _WholeMaps(graph, readings, views)
    unmeasured = []
    for node in graph:
        axes, times = (range(min(rank, 1)), rank) if node.id in alike else (range(rank), 1)
        found = [look(node, axis, readings, views) for axis in axes]
        if any(view.strands and view.whole for view in found):
            found = [whole_maps.resolve(view, axis) for axis, view in zip(axes, found, strict=True)]
        views[node.id] = tuple(found) * times
        if not all(map(is_bounded, found)):
            unmeasured.append(node.id)
            views[node.id] = (View(),) * rank
    last = _find_last_placed(graph, views)
    ends = {name: last[id] for name, id in graph.outputs.items()}
    unknown = frozenset(node.id for node in graph if node.op.unknown)
    describer = _Describer(
        graph, readings, views, alike, frozenset(unmeasured), unknown, adrift, exact=whole_maps.exact
    )
    outputs = {name: tuple(describer.describe(id)) if id else () for name, id in ends.items()}
    before = _ancestors(graph, filter(None, ends.values()))
    everywhere = tuple(node.id for node in graph if node.id in before and _sees_all(node, readings, views))
    misaligned = tuple(find_misaligned(graph, readings, views))
    return ReceptiveField(outputs, misaligned, everywhere, tuple(unmeasured), adrift, graph, views, readings)


@dataclass
class _WholeMaps:
    """The views through whole maps, found when a node with a place sees them."""

    graph: Graph
    readings: Mapping[str, Readings]
    views: Mapping[str, tuple[View, ...]]
    exact: bool = True
    known: dict[str, Mapping[str, Sight]] = field(default_factory=dict)

    def resolve(self, view: View, axis: int) -> View:
        """Resolve a view: what is seen through its whole maps among what is fixed."""
        fixed = dict(view.fixed)
        for id in sorted(view.whole):
            for input in list_inputs((self.views[id][axis],)):
                entire = (0, self.graph[input].shape.space[axis] - 1)
                if fixed.get(input) != entire:
                    fixed[input] = find_hull((fixed.get(input, NOTHING), self._see(id, input, axis, entire)))
        return View(view.strands, {input: span for input, span in fixed.items() if span[0] <= span[1]})

    def _see(self, id: str, input: str, axis: int, entire: Span) -> Span:
        if id not in self.known and len(self.known) * len(self.graph) < MAX_WALKED:
            box = tuple(((0, extent - 1),) for extent in self.graph[id].shape.space)
            self.known[id] = look_back(self.graph, self.readings, id, box)
        if id not in self.known:
            self.exact = False
            return entire
        sight = self.known[id].get(input)
        self.exact &= sight is None or sight.exact
        return sight.hull[axis] if sight else NOTHING


def _find_alike(graph: Graph, rank: int, readings: Mapping[str, Readings]) -> set[str]:
    """The nodes up to which nothing tells one axis from another: what is found along one is true of all."""
    alike: set[str] = set()
    for node in graph:
        same = readings[node.id].alike if node.inputs else is_even(node.shape)
        if same and node.shape.rank in (0, rank) and alike.issuperset(node.data_inputs):
            alike.add(node.id)
    return alike


def _measure(node: Node, views: tuple[View, ...], input: str) -> NodeField:
    """A node's field on one input."""
    axes = [_measure_axis(size, view, input) for size, view in zip(node.shape.space, views, strict=False)]
    sizes, local, strides, centres = zip(*axes, strict=True)
    return NodeField(node.id, input, sizes, local, strides, centres)


def _measure_axis(extent: int, view: View, input: str) -> tuple[int, int, Fraction, Fraction]:
    """The size, the same without what is fixed, the stride and the centre along one axis."""
    strands = {jump: strand for (seen, jump), strand in view.strands.items() if seen == input}
    fixed = view.fixed.get(input)
    size = fixed[1] - fixed[0] + 1 if fixed else 0
    if not strands:
        return size, 0, Fraction(0), Fraction(sum(fixed or ()), 2)
    turn = min(extent, lcm(*(len(strand.runs) for strand in strands.values())))
    # Where jumps differ a field grows towards one of the ends.
    runs = [view.at(input, i) for i in {*range(turn), *range(extent - turn, extent)}]
    local = max(max(0, hi - lo + 1) for lo, hi in runs)
    jump, strand = next(iter(strands.items()))
    return max(size, local), local, jump, strand.centre


@dataclass(frozen=True)
class _Describer:
    """Makes the fields of outputs, with what takes walks back to find."""

    graph: Graph
    readings: Mapping[str, Readings]
    views: Mapping[str, tuple[View, ...]]
    alike: Collection[str]
    unmeasured: frozenset[str]
    unknown: frozenset[str]
    adrift: frozenset[str]
    exact: bool
    """Tell whether what is seen through whole maps was found."""

    def describe(self, id: str) -> Iterator[OutputField]:
        """The fields of the node before an output."""
        node, views = self.graph[id], self.views[id]
        sights: Mapping[str, Sight] | None = None
        if len(self.graph) * len(self.graph.outputs) <= MAX_WALKED:
            middle = tuple((((extent - 1) // 2,) * 2,) for extent in node.shape.space)
            sights = look_back(self.graph, self.readings, id, middle)
        for input in list_inputs(views):
            own = _measure(node, views, input)
            if sights is None:
                yield OutputField(own, None, None, (None,) * node.shape.rank, self._mark(id, {}))
                continue
            sight = sights.get(input)
            clipped, (seen, counted) = (sight.hull, sight.count()) if sight else ((), (0, True))
            marks = self._mark(id, {"clipped": not sight or sight.exact, "seen": counted})
            yield OutputField(own, clipped, seen, self._narrow(node, input), marks)

    def _narrow(self, node: Node, input: str) -> tuple[int | None, ...]:
        rank = node.shape.rank
        axes, times = (range(1), rank) if node.id in self.alike else (range(rank), 1)
        found = [
            narrow_back(self.graph, self.readings, node.id, axis, self._count_phases(node, axis), input)
            for axis in axes
        ]
        return tuple(found) * times

    def _count_phases(self, node: Node, axis: int) -> int:
        """Count the positions of a node after which what they see repeats."""
        strands = self.views[node.id][axis].strands.values()
        return min(node.shape.space[axis], lcm(*(len(strand.runs) for strand in strands)))

    def _mark(self, id: str, exact: Mapping[str, bool]) -> dict[str, Mark]:
        """Mark which numbers of a node's field are bounds, where the walk back says of its own whether they are
        `exact`."""
        marks = {} if self.exact else {"size": TAKEN_WHOLE}
        before = _ancestors(self.graph, [id]) if self.unmeasured or self.unknown or self.adrift else set()
        for bounded, why in ((self.adrift, ADRIFT), (self.unknown, UNKNOWN)):
            if before & bounded:
                marks = dict.fromkeys(("size", "clipped", "seen"), why)
        marks |= {name: TAKEN_FULL for name, whether in exact.items() if not whether}
        if before & self.unmeasured:
            marks |= {"local": GIVEN_UP, "size": estimate(GIVEN_UP.why) if "size" in marks else GIVEN_UP}
        return marks


def _find_last_placed(graph: Graph, views: Mapping[str, tuple[View, ...]]) -> dict[str, str | None]:
    """Find for each node the last one before it, itself included, whose positions have a place in an input."""
    order = {id: place for place, id in enumerate(graph.nodes)}
    found: dict[str, str | None] = {}
    for node in graph:
        before = (last for last in map(found.get, node.data_inputs) if last)
        placed = node.shape.rank and any(view.strands for view in views[node.id])
        found[node.id] = node.id if placed else max(before, key=order.__getitem__, default=None)
    return found


def _ancestors(graph: Graph, ids: Iterable[str]) -> set[str]:
    """The nodes whose signal reaches one of these, themselves included."""
    found = set(ids)
    waiting = [*found]
    while waiting:
        news = set(graph[waiting.pop()].data_inputs) - found
        found |= news
        waiting += news
    return found


def _sees_all(node: Node, readings: Mapping[str, Readings], views: Mapping[str, tuple[View, ...]]) -> bool:
    """Tell whether a position sees the whole of an operand whose own positions have a place."""
    if isinstance(node.op, Input):
        return False
    placed = [any(view.strands for view in views[operand]) for operand in node.data_inputs]
    whole = (reading is None for reading in readings[node.id].axes[0].turn[0])
    return any(has and (node.op.sees_all or reads) for has, reads in zip(placed, whole, strict=False))
