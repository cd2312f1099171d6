"""What one position of a map sees of the input: how much, how far apart neighbours look, and where the middle lies.

Along an axis position i of a map sees a run of input positions, and its neighbours' runs lie `jump` further; behind
upsampling they do so in turns: position i + n sees what i sees, n · jump further. A few runs thus speak for all
positions, and one pass in topological order, by what each operation `reads`, finds those of every node. Sizes are those
of the theory (Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, Distill, 2019): as
if the input had no ends, and whatever the weights. A run is taken whole: where a dilated kernel leaves gaps in it, a
transposed convolution with gaps of its own may see less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

from archspec.ops import Input, Span
from archspec.ops.base import ONE
from compiler.analysis.lookback import clip_back, narrow_back
from compiler.analysis.readings import MAX_TURN, Reading, Readings, find_readings, is_even
from compiler.graph import Graph, Node

MAX_STRANDS = 8
"""Inputs and jumps that meet in one node."""
MAX_WALKED = 1 << 20
"""Nodes times outputs up to which the network is walked back from each output."""
MAX_REACH = 1 << 62
"""Positions up to which a field is followed."""
NOTHING: Span = (MAX_REACH, -MAX_REACH)

StrandKey: TypeAlias = tuple[str, Fraction]
"""The input that is seen, and the jump."""


@dataclass(frozen=True, slots=True)
class Strand:
    """The runs that the first positions of a map see; position i + len(runs) sees what i sees, `shift` further."""

    runs: tuple[Span, ...]
    shift: int

    def at(self, position: int) -> Span:
        turn, place = divmod(position, len(self.runs))
        lo, hi = self.runs[place]
        return lo + turn * self.shift, hi + turn * self.shift

    def over(self, span: Span) -> Span:
        """From the first to the last that the positions of `span` see."""
        first, last = span
        if len(self.runs) == 1 and first <= last:
            ((lo, hi),) = self.runs
            return lo + first * self.shift, hi + last * self.shift
        count = min(len(self.runs), last - first + 1)  # a whole turn from either end holds the extremes
        if count < 1:
            return NOTHING
        return min(self.at(first + i)[0] for i in range(count)), max(self.at(last - i)[1] for i in range(count))

    @property
    def centre(self) -> Fraction:
        """Where the middle of position 0's run lies, all positions of a turn averaged."""
        turn = len(self.runs)
        middles = [turn * (lo + hi) - 2 * i * self.shift for i, (lo, hi) in enumerate(self.runs) if lo <= hi]
        return Fraction(sum(middles), 2 * turn * (len(middles) or 1))

    def repeat(self, count: int) -> Strand:
        """The same with `count` positions in a turn, a multiple of those it has."""
        return Strand(tuple(map(self.at, range(count))), self.shift * count // len(self.runs))


GIVEN_UP = Strand((NOTHING,), MAX_REACH)


@dataclass(frozen=True, slots=True)
class View:
    """What a node sees along one axis: by strands what moves with the position, and by input what every position sees
    wherever it lies."""

    strands: Mapping[StrandKey, Strand] = field(default_factory=dict)
    fixed: Mapping[str, Span] = field(default_factory=dict)

    def at(self, input: str, position: int) -> Span:
        """What one position sees of an input, what is fixed left aside."""
        return _hull(strand.at(position) for (seen, _), strand in self.strands.items() if seen == input)


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of one node on one input; an entry for each spatial axis."""

    node: str
    input: str
    size: tuple[int, ...]
    """Input positions from the first to the last that one position sees: the most, where positions differ."""
    local: tuple[int, ...]
    """The same without what is seen only through a whole map: gates behind global pooling, statistics of a map."""
    stride: tuple[Fraction, ...]
    """How far apart neighbours look."""
    centre: tuple[Fraction, ...]
    """The input position at the middle of what position 0 sees."""

    def to_dict(self) -> dict[str, Any]:
        numbers = {name: [*map(_to_number, getattr(self, name))] for name in ("size", "stride", "centre", "local")}
        return numbers | {"node": self.node, "input": self.input}


@dataclass(frozen=True, slots=True)
class OutputField:
    """The field of the last node before an output whose positions still have a place in the input."""

    field: Field
    clipped: tuple[Span | None, ...]
    """The input positions that the middle position of the map really sees: what padding and borders cut off is not
    among them, what is seen through a whole map is. At an end the gaps of a dilated kernel may hide a few of them.
    None where it was not looked for: a large network has too many outputs."""
    narrowest: tuple[int | None, ...]
    """The size by the path that sees least. None where it was not found: too many ways differ, or as above."""

    def to_dict(self) -> dict[str, Any]:
        more = {"clipped": [span and list(span) for span in self.clipped], "narrowest": list(self.narrowest)}
        return self.field.to_dict() | more


@dataclass(frozen=True, slots=True)
class Misalignment:
    """A merge whose operands do not look at the same places: their strides differ, or their centres."""

    node: str
    input: str
    operands: tuple[str, ...]
    strides: tuple[tuple[Fraction, ...], ...]
    centres: tuple[tuple[Fraction, ...], ...]

    @property
    def offsets(self) -> tuple[tuple[Fraction, ...], ...]:
        """How far, in input positions, each operand's centres lie beyond the first one's."""
        first = self.centres[0]
        return tuple(tuple(own - other for own, other in zip(centre, first, strict=True)) for centre in self.centres)

    def to_dict(self) -> dict[str, Any]:
        rows = {"strides": self.strides, "offsets": self.offsets}
        told = {name: [[*map(_to_number, row)] for row in value] for name, value in rows.items()}
        return {"node": self.node, "input": self.input, "operands": list(self.operands), **told}


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive fields of a network."""

    outputs: Mapping[str, tuple[OutputField, ...]]
    """By output, one for each input that is seen; none where values have no spatial axes."""
    misaligned: tuple[Misalignment, ...]
    everywhere: tuple[str, ...]
    """The nodes through which a position sees a whole map, and that lie before the node of some output's field."""
    unmeasured: tuple[str, ...]
    """Where a field was given up, since its runs repeat too late, or reach too far."""
    graph: Graph = field(repr=False, compare=False)
    views: Mapping[str, tuple[View, ...]] = field(repr=False, compare=False)
    """What each node sees, by axis."""
    readings: Mapping[str, Readings] = field(repr=False, compare=False)

    def of(self, id: str) -> tuple[Field, ...]:
        """The fields of a node, one for each input that its positions have a place in."""
        return tuple(_measure(self.graph[id], self.views[id], input) for input in _inputs_seen(self.views[id]))

    def to_dict(self) -> dict[str, Any]:
        """The first output's field in front, if there is one, then all by output."""
        first = next((fields[0].to_dict() for fields in self.outputs.values() if fields), None)
        return (first or {"size": [], "stride": []}) | {
            "outputs": {name: [field.to_dict() for field in fields] for name, fields in self.outputs.items()},
            "misaligned": [merge.to_dict() for merge in self.misaligned],
            "everywhere": list(self.everywhere),
            "unmeasured": list(self.unmeasured),
        }


def measure_receptive_field(graph: Graph) -> ReceptiveField:
    """The receptive field of every node. The graph's sizes matter where a whole map is seen, and in `clipped`."""
    rank = max((node.shape.rank for node in graph), default=0)
    readings = find_readings(graph)
    alike = _find_alike(graph, rank, readings)
    views: dict[str, tuple[View, ...]] = {}
    unmeasured = []
    for node in graph:
        axes, times = (range(min(rank, 1)), rank) if node.id in alike else (range(rank), 1)
        views[node.id] = tuple([_look(node, graph, axis, readings, views) for axis in axes]) * times
        if not all(map(_is_bounded, views[node.id])):
            unmeasured.append(node.id)
            views[node.id] = (View(),) * rank
    last = _find_last_placed(graph, views)
    ends = {name: last[id] for name, id in graph.outputs.items()}
    outputs = {
        name: tuple(
            _describe(graph, readings, id, views[id], input, alike=id in alike) for input in _inputs_seen(views[id])
        )
        if id
        else ()
        for name, id in ends.items()
    }
    before = _ancestors(graph, filter(None, ends.values()))
    everywhere = tuple(node.id for node in graph if node.id in before and _sees_all(node, graph, readings))
    misaligned = tuple(merge for node in graph for merge in _compare_operands(node, views))
    return ReceptiveField(outputs, misaligned, everywhere, tuple(unmeasured), graph, views, readings)


def _find_alike(graph: Graph, rank: int, readings: Mapping[str, Readings]) -> set[str]:
    """The nodes up to which nothing tells one axis from another: what is found along one is true of all."""
    alike: set[str] = set()
    for node in graph:
        same = readings[node.id].alike if node.inputs else is_even(node.shape)
        if same and node.shape.rank in (0, rank) and alike.issuperset(node.carriers):
            alike.add(node.id)
    return alike


def _look(
    node: Node, graph: Graph, axis: int, readings: Mapping[str, Readings], views: Mapping[str, tuple[View, ...]]
) -> View:
    """What a node sees along an axis, by what its operands see."""
    if isinstance(node.op, Input):
        return View({(node.id, Fraction(1)): Strand(((0, 0),), 1)} if axis < node.shape.rank else {})
    reading = readings[node.id].axes[axis]
    if reading.passes and len(node.carriers) == 1:
        return views[node.carriers[0]][axis]
    strands: dict[StrandKey, Strand] = {}
    fixed: dict[str, Span] = {}
    for position, operand in enumerate(node.carriers):
        view, placed = views[operand][axis], reading.turn[0][position] is not None
        for input, span in view.fixed.items():
            fixed[input] = _hull((span, fixed.get(input, NOTHING)))
        if not placed or node.op.sees_all:
            for (input, _), strand in view.strands.items():
                whole = (0, graph[operand].shape.space[axis] - 1)
                fixed[input] = _hull((strand.over(whole), fixed.get(input, NOTHING)))
        if placed:
            _add_strands(strands, reading, position, view)
    return View(strands, fixed)


def _add_strands(strands: dict[StrandKey, Strand], reading: Reading, position: int, view: View) -> None:
    """Add what a node sees through the operand at `position`."""
    for (input, jump), strand in view.strands.items():
        key = (input, jump if reading.pace is ONE else jump * reading.pace)
        found = strand if reading.passes else _see_through(reading, position, strand)
        strands[key] = _unite(strands[key], found) if key in strands else found


def _see_through(reading: Reading, position: int, strand: Strand) -> Strand:
    """A strand as it is seen through the operand at `position`."""
    pace = reading.pace
    turn = _turn(strand, pace)
    if turn > MAX_TURN:
        return GIVEN_UP
    runs = [reading.run(position, i) or NOTHING for i in range(turn)]
    passed = turn // pace.denominator * pace.numerator  # positions of the operand: a whole number of its turns
    return Strand(tuple(map(strand.over, runs)), passed // len(strand.runs) * strand.shift)


def _turn(strand: Strand, pace: Fraction) -> int:
    """Positions of a result after which what they see through a strand repeats: as many as are a whole number of turns
    of the operand."""
    return lcm(pace.numerator, len(strand.runs)) // pace.numerator * pace.denominator


def _unite(first: Strand, second: Strand) -> Strand:
    """What is seen through two strands of one jump."""
    turn = lcm(len(first.runs), len(second.runs))
    if turn > MAX_TURN:
        return GIVEN_UP
    pairs = zip(first.repeat(turn).runs, second.repeat(turn).runs, strict=True)
    return Strand(tuple(map(_hull, pairs)), first.repeat(turn).shift)


def _hull(spans: Iterable[Span]) -> Span:
    los, his = zip(*spans, strict=True)
    return min(los), max(his)


def _is_bounded(view: View) -> bool:
    """Whether a view is small enough to go on with."""
    reach = max((max(-lo, hi, strand.shift) for strand in view.strands.values() for lo, hi in strand.runs), default=0)
    return len(view.strands) <= MAX_STRANDS and reach < MAX_REACH


def _inputs_seen(views: tuple[View, ...]) -> list[str]:
    """The inputs in which a node's positions have a place, in the order in which it looks at them."""
    return list(dict.fromkeys(input for view in views for input, _ in view.strands))


def _measure(node: Node, views: tuple[View, ...], input: str) -> Field:
    """A node's field on one input."""
    axes = [_measure_axis(size, view, input) for size, view in zip(node.shape.space, views, strict=False)]
    sizes, local, strides, centres = zip(*axes, strict=True)
    return Field(node.id, input, sizes, local, strides, centres)


def _measure_axis(extent: int, view: View, input: str) -> tuple[int, int, Fraction, Fraction]:
    """The size, the same without what is fixed, the stride and the centre along one axis."""
    strands = {jump: strand for (seen, jump), strand in view.strands.items() if seen == input}
    if not strands:
        span = view.fixed.get(input, NOTHING)
        return max(0, span[1] - span[0] + 1), 0, Fraction(0), Fraction(sum(span), 2)
    turn = min(extent, lcm(*(len(strand.runs) for strand in strands.values())))
    # Where jumps differ a field grows towards one of the ends.
    runs = [view.at(input, i) for i in {*range(turn), *range(extent - turn, extent)}]
    wider = [_hull((run, view.fixed.get(input, run))) for run in runs]
    jump, strand = next(iter(strands.items()))
    return _longest(wider), _longest(runs), jump, strand.centre


def _longest(runs: Iterable[Span]) -> int:
    return max(max(0, hi - lo + 1) for lo, hi in runs)


def _describe(
    graph: Graph, readings: Mapping[str, Readings], id: str, views: tuple[View, ...], input: str, *, alike: bool
) -> OutputField:
    """The field of the node before an output, with what takes a walk back to find: one where its axes are alike."""
    node, own = graph[id], _measure(graph[id], views, input)
    rank = node.shape.rank
    if len(graph) * len(graph.outputs) > MAX_WALKED:
        return OutputField(own, (None,) * rank, (None,) * rank)
    axes, times = range(1 if alike else rank), rank if alike else 1
    clipped = tuple(clip_back(graph, readings, id, axis).get(input, (0, -1)) for axis in axes)
    phases = [_phases(node, views[axis], axis) for axis in axes]
    narrowest = tuple(narrow_back(graph, readings, id, axis, n, input) for axis, n in zip(axes, phases, strict=True))
    return OutputField(own, clipped * times, narrowest * times)


def _phases(node: Node, view: View, axis: int) -> int:
    """Positions of a node after which what they see repeats."""
    return min(node.shape.space[axis], lcm(*(len(strand.runs) for strand in view.strands.values())))


def _find_last_placed(graph: Graph, views: Mapping[str, tuple[View, ...]]) -> dict[str, str | None]:
    """For each node the last one before it, itself included, whose positions have a place in an input."""
    order = {id: place for place, id in enumerate(graph.nodes)}
    found: dict[str, str | None] = {}
    for node in graph:
        before = (last for last in map(found.get, node.carriers) if last)
        placed = node.shape.rank and any(view.strands for view in views[node.id])
        found[node.id] = node.id if placed else max(before, key=order.__getitem__, default=None)
    return found


def _ancestors(graph: Graph, ids: Iterable[str]) -> set[str]:
    """The nodes whose signal reaches one of these, themselves included."""
    found = set(ids)
    waiting = [*found]
    while waiting:
        news = set(graph[waiting.pop()].carriers) - found
        found |= news
        waiting += news
    return found


def _sees_all(node: Node, graph: Graph, readings: Mapping[str, Readings]) -> bool:
    if isinstance(node.op, Input) or not any(shape.rank for shape in graph.operands(node)):
        return False
    return node.op.sees_all or all(run is None for run in readings[node.id].axes[0].turn[0])


def _compare_operands(node: Node, views: Mapping[str, tuple[View, ...]]) -> list[Misalignment]:
    """Where the operands of a merge look, if not all at the same places."""
    found = []
    operands = [operand for operand in node.carriers if any(view.strands for view in views[operand])]
    for input in _inputs_seen(views[node.id]) if len(operands) > 1 else ():
        told = [(operand, _places(views[operand][: node.shape.rank], input)) for operand in operands]
        told = [(operand, places) for operand, places in told if places]
        if len({places for _, places in told}) > 1:
            strides, centres = zip(*(zip(*places, strict=True) for _, places in told), strict=True)
            found.append(Misalignment(node.id, input, tuple(operand for operand, _ in told), strides, centres))
    return found


def _places(views: tuple[View, ...], input: str) -> tuple[tuple[Fraction, Fraction], ...]:
    """By axis the jump and the centre with which an operand looks at an input; none where it looks at it nowhere."""
    looks = [
        next(((jump, strand.centre) for (seen, jump), strand in view.strands.items() if seen == input), None)
        for view in views
    ]
    return tuple(look for look in looks if look) if all(looks) else ()


def _to_number(value: Fraction | int) -> int | float:
    return int(value) if value == int(value) else float(value)
