"""Rows of tokens as the maps that they were laid out of.

`tokens` lays the positions of a map in a row, and `map` lays them out again. In between a position keeps its place in
the map as long as operations act at each position alone, look at all of them, as attention does, or put learned tokens
before or behind them. So receptive fields are those of a graph in which such nodes stand on the map. What reads a row
otherwise, such as a convolution along it, meets places that are no neighbours on the map: that it sees the whole map is
the most that can be said of it, and the node is `adrift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import Any, ClassVar, Literal, TypeAlias

from archspec.ops import ConcatPositions, Input, Map, Op, Positions, Shape, Slice, Span, Tokens, Transpose
from archspec.ops.window import run
from compiler.graph import Graph, Node

Way: TypeAlias = Literal["place", "whole", "other"]
"""The ways to read an operand: each position the same one, all of them, or any others."""

PROBED = (0, 1, 7)
"""The positions of a result that are asked what they read."""


class OnMap(Op):
    """An operation on rows of tokens, as it acts on their map."""

    arity: ClassVar[int | None] = None

    whole: tuple[bool, ...]
    """The operands that each position reads whole; of the others it reads its own place."""
    everything: bool = False
    compares: bool = False

    def infer(self, *xs: Shape) -> Shape:
        return xs[0]

    @property
    def sees_all(self) -> bool:
        return self.everything

    @property
    def compares_places(self) -> bool:
        return self.compares

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None if whole else run(span) for whole in self.whole)


class AcrossRow(Op):
    """An operation for which the places that it reads in `rows`, some of its operands, are no neighbours."""

    arity: ClassVar[int | None] = None

    inner: Any
    shapes: tuple[Any, ...]
    rows: tuple[bool, ...]

    def infer(self, *xs: Shape) -> Shape:
        found: Shape = self.inner.infer(*self.shapes)
        return found

    @property
    def unknown(self) -> str | None:
        found: str | None = self.inner.unknown
        return found

    @property
    def sees_all(self) -> bool:
        return bool(self.inner.sees_all)

    def pace(self, axis: int, *xs: Shape) -> Fraction:
        return Fraction(self.inner.pace(axis, *self.shapes))

    def reading_period(self, axis: int) -> int:
        return int(self.inner.reading_period(axis))

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        found = self.inner.input_span(axis, span, *self.shapes)
        return tuple(None if row else places for row, places in zip(self.rows, found, strict=False))


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A graph whose rows of tokens stand on their maps, and the nodes that are `adrift`: they read the whole of what
    they may see less of."""

    graph: Graph
    adrift: frozenset[str]


def lay_out_rows(graph: Graph) -> LaidOut:
    """Put the rows of tokens of a graph on the maps that they were laid out of; ids stay."""
    if not any(isinstance(node.op, Tokens | Map | Transpose) for node in graph):
        return LaidOut(graph, frozenset())
    walk = _RowWalk(graph)
    nodes = {node.id: walk.lay_out(node) for node in graph}
    return LaidOut(replace(graph, nodes=nodes), frozenset(walk.adrift))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of tokens of which those from `start` on are the positions of a map."""

    space: tuple[int, ...]
    start: int = 0

    @property
    def stop(self) -> int:
        return self.start + prod(self.space)


@dataclass
class _RowWalk:
    """A walk through a graph from its inputs on, with what is known of the nodes before."""

    graph: Graph
    rows: dict[str, _Row] = field(default_factory=dict)
    blank: set[str] = field(default_factory=set)
    """The nodes that follow from no input."""
    placeless: set[str] = field(default_factory=set)
    """The nodes whose positions have no place of their own in an input."""
    adrift: set[str] = field(default_factory=set)
    _ways: dict[tuple[int, tuple[Shape, ...]], tuple[Way, ...]] = field(default_factory=dict)

    def lay_out(self, node: Node) -> Node:
        """Put one node on its map, where it has one."""
        ways, rows = self._find_ways(node), [self.rows.get(id) for id in node.data_inputs]
        row = self._find_row(node, ways, rows)
        if row is not None:
            self.rows[node.id] = row
            return self._put(node, ways, rows, row.space)
        if isinstance(node.op, Map) and self._goes_back(node, rows[0]):
            return self._put(node, ("place",), rows, node.shape.space)
        if not isinstance(node.op, Input):
            self._note(node, ways, rows)
        across = tuple(id in self.rows for id in node.inputs)
        if not any(rows) and not (node.op.fits_extents and any(across)):  # what lends its extents is asked for them
            return node
        return replace(node, op=AcrossRow(inner=node.op, shapes=self.graph.operands(node), rows=across))

    def _find_row(self, node: Node, ways: Sequence[Way], rows: Sequence[_Row | None]) -> _Row | None:
        """Find the row that a node's result is; None where it is none, or not known to be one."""
        x, *_ = self.graph.operands(node) or (node.shape,)
        if isinstance(node.op, Tokens) and x.rank > 1:
            return None if node.inputs[0] in self.placeless else _Row(x.space)
        found = {row for row, way in zip(rows, ways, strict=True) if row is not None and way != "whole"}
        if len(found) != 1 or node.shape.rank != 1:
            return None
        (row,) = found
        if isinstance(node.op, Slice) and node.op.take(x)[0] == 1:
            taken = node.op.take(x)[1]
            inside = taken.step == 1 and taken.start <= row.start and row.stop <= taken.stop
            return replace(row, start=row.start - taken.start) if inside else None
        if isinstance(node.op, ConcatPositions):
            others = [id for id, row in zip(node.data_inputs, rows, strict=True) if row is None]
            place = next(i for i, row in enumerate(rows) if row is not None)
            begin = node.op.starts(*self.graph.operands(node))[place]
            alone = len(others) == len(rows) - 1 and self.blank.issuperset(others)
            return replace(row, start=row.start + begin) if alone else None
        return row if self._stays(node, ways, rows) else None

    def _stays(self, node: Node, ways: Sequence[Way], rows: Sequence[_Row | None]) -> bool:
        """Tell whether each position of a result is at the place of a row's."""
        in_place = [(id, row) for id, way, row in zip(node.data_inputs, ways, rows, strict=True) if way == "place"]
        placed = [id for id, row in in_place if row is None and id not in self.placeless]
        return "other" not in ways and any(row for _, row in in_place) and not placed

    def _goes_back(self, node: Node, row: _Row | None) -> bool:
        return row is not None and row.start == 0 and row.space == node.shape.space

    def _put(self, node: Node, ways: Sequence[Way], rows: Sequence[_Row | None], space: Sequence[int]) -> Node:
        """Put a node on the map; tokens beside those of the map, which follow from no input, are left out."""
        read = [(id, way) for id, way, row in zip(node.data_inputs, ways, rows, strict=True)]
        if isinstance(node.op, Tokens | Slice | ConcatPositions):
            read = [(id, "place") for id, row in zip(node.data_inputs, rows, strict=True) if row or len(rows) == 1]
        whole = tuple(way == "whole" for _, way in read)
        op = OnMap(whole=whole, everything=node.op.sees_all, compares=node.op.compares_places)
        return replace(node, op=op, inputs=tuple(id for id, _ in read), shape=Shape(node.shape.channels, *space))

    def _note(self, node: Node, ways: Sequence[Way], rows: Sequence[_Row | None]) -> None:
        """Note what a node that is on no map has lost."""
        read = [*zip(node.data_inputs, ways, rows, strict=True)]
        if all(id in self.blank for id in node.data_inputs):
            self.blank.add(node.id)
        if all(id in self.placeless or way == "whole" or row for id, way, row in read):
            self.placeless.add(node.id)
        # These read the whole, and no position comes from all of it.
        moves = isinstance(node.op, Map | Transpose) and "whole" in ways
        if any(way != "whole" for _, way, row in read if row) or (
            moves and not self.placeless.issuperset(node.data_inputs)
        ):
            self.adrift.add(node.id)

    def _find_ways(self, node: Node) -> tuple[Way, ...]:
        xs = self.graph.operands(node)
        key = id(node.op), xs
        if key not in self._ways:
            self._ways[key] = tuple(_find_way(node, xs, i) for i in range(len(node.data_inputs)))
        return self._ways[key]


def _find_way(node: Node, xs: tuple[Shape, ...], operand: int) -> Way:
    """Find how a node reads one of its operands."""
    op, axes = node.op, range(min(node.shape.rank, xs[operand].rank))
    read = [(op.input_span(axis, (at, at), *xs)[operand], at) for axis in axes for at in PROBED]
    if all(places is None for places, _ in read):
        return "whole"
    steady = all(op.pace(axis, *xs) == 1 and op.reading_period(axis) == 1 for axis in axes)
    same = all(places is not None and [*places] == [range(at, at + 1)] for places, at in read)
    return "place" if steady and same and xs[operand].space == node.shape.space else "other"
