"""Grids of boxes inside a block: rows along the way and columns beside it, and how wires run between them.

A layered layout in the manner of Sugiyama, Tagawa and Toda (1981): a box's row is the length of the longest way to it;
the longest way onward keeps the column; a wire past other rows has a column of its own there, a lane. Between two rows,
wires run sideways on tracks. Only places are chosen here, in whole numbers; what they measure is the writer's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from archspec.errors import ArchspecError
from compiler.draw.blocks import PictureBlock
from compiler.draw.wires import EDGE, Inside, Wire

MAX_BOXES = 3_000
"""The largest number of boxes in one block of a picture."""
MAX_WIRES = 20_000
"""The largest number of wires in one block of a picture."""
MAX_LANES = 40
"""The largest number of columns of a block whose wires have a lane each; in wider ones lanes are shared."""


@dataclass(frozen=True, slots=True)
class WireRoute:
    """The route of a wire: from its source down to the gap below that, on the track `leave` to the column `lane`, down
    to the gap above its target, and on the track `arrive` to it. Without a lane, which only longer wires have, it
    leaves on the track on which it arrives. With `side` it ends beside its target, a merge, instead of above."""

    wire: Wire
    lane: int | None
    leave: int
    arrive: int
    side: bool


@dataclass(frozen=True)
class BlockGrid:
    """The places of a block's children: row and column of each; the columns in which nothing but wires lies; above each
    row, and below the last, the number of tracks; and the routes of all wires."""

    rows: Mapping[str, int]
    columns: Mapping[str, int]
    lanes: frozenset[int]
    width: int
    tracks: tuple[int, ...]
    routes: tuple[WireRoute, ...]

    @property
    def height(self) -> int:
        return len(self.tracks) - 1

    def last_column(self, route: WireRoute) -> int:
        """Give the column in which a wire comes to its target."""
        return route.lane if route.lane is not None else self.columns.get(route.wire.source, 0)

    def first_column(self, route: WireRoute) -> int:
        """Give the column in which a wire leaves its source."""
        return route.lane if route.lane is not None else self.columns.get(route.wire.target, 0)


def plan_grids(whole: PictureBlock, inside: Mapping[str, Inside]) -> dict[str, BlockGrid]:
    """Lay out every block, from the outside in: in which order nets come into one and leave it follows where they run
    outside."""
    grids = {}
    for block in (whole, *(block for _, block in whole.walk() if block.children)):
        grids[block.id] = _plan_grid(block, inside[block.id])
        _sort_nets(block, inside, grids[block.id])
    return grids


def _sort_nets(block: PictureBlock, inside: Mapping[str, Inside], grid: BlockGrid) -> None:
    """Give the nets of its children's edges the order in which they come and go in a block."""
    come = {(route.wire.target, route.wire.net): grid.last_column(route) for route in grid.routes}
    go = {(route.wire.source, route.wire.net): grid.first_column(route) for route in grid.routes}
    for child in block.children:
        if child.children:
            edges = inside[child.id]
            entries = [(come[child.id, net], order, net) for order, net in enumerate(edges.entries)]
            exits = [(go[child.id, net], order, net) for order, net in enumerate(edges.exits)]
            edges.entries = {net: None for _, _, net in sorted(entries)}
            edges.exits = {net: None for _, _, net in sorted(exits)}


def _plan_grid(block: PictureBlock, inside: Inside) -> BlockGrid:
    """Lay out a block's children. Raises ArchspecError where there are too many for a picture."""
    if len(block.children) > MAX_BOXES or len(inside.wires) > MAX_WIRES:
        raise ArchspecError(
            f"a picture of {block.title} would have {len(block.children):,} boxes and {len(inside.wires):,} lines in "
            f"one block, more than {MAX_BOXES:,} and {MAX_WIRES:,}; put its layers into blocks, or draw a part of it"
        )
    planner = _Planner(block, inside)
    planner.place_boxes()
    return planner.run_wires()


class _Planner:
    def __init__(self, block: PictureBlock, inside: Inside) -> None:
        self.children = block.children
        self.merges = {child.id for child in block.children if child.kind == "merge"}
        self.wires = tuple(inside.wires.values())
        self.into: dict[str, list[Wire]] = defaultdict(list)
        self.out_of: dict[str, list[Wire]] = defaultdict(list)
        for wire in self.wires:
            self.into[wire.target].append(wire)
            self.out_of[wire.source].append(wire)
        self.rows, self.left = self._rank()
        self.last = max(self.rows.values()) + 1
        self.columns: dict[str, int] = {}
        self.taken: list[int] = []
        """The rows of each column, as bits, in which something lies."""
        self.own: dict[tuple[int, str], int] = defaultdict(int)
        """The rows of each column, as bits, that a net runs in."""

    def _rank(self) -> tuple[dict[str, int], dict[str, int]]:
        """Find each child's row; and how many boxes the longest way has on from it."""
        order = list(
            TopologicalSorter(
                {
                    child.id: [wire.source for wire in self.into[child.id] if wire.source != EDGE]
                    for child in self.children
                }
            ).static_order()
        )
        rows: dict[str, int] = {}
        for id in order:
            rows[id] = 1 + max((rows.get(wire.source, -1) for wire in self.into[id]), default=-1)
        left: dict[str, int] = {}
        for id in reversed(order):
            left[id] = 1 + max((left.get(wire.target, 0) for wire in self.out_of[id]), default=0)
        return rows, left

    # -- boxes -----------------------------------------------------------------------------------------------------

    def place_boxes(self) -> None:
        heirs = {source: self._find_heir(wires) for source, wires in self.out_of.items() if wires}
        by_row: dict[int, list[str]] = defaultdict(list)
        for child in self.children:
            by_row[self.rows[child.id]].append(child.id)
        for row in sorted(by_row):
            self._place_row(row, by_row[row], heirs)

    def _find_heir(self, wires: Iterable[Wire]) -> str:
        """The target with the longest way on; it keeps the column."""
        return max(
            wires, key=lambda wire: (self.left.get(wire.target, 0), -self.rows.get(wire.target, self.last))
        ).target

    def _place_row(self, row: int, ids: Sequence[str], heirs: Mapping[str, str]) -> None:
        wished = {id: self._wish(id, heirs) for id in ids}
        for id in sorted(ids, key=lambda id: (wished[id] is None, wished[id] or 0)):
            column = wished[id]
            if column is None or not self._is_free(column, row, row, net=id):
                column = next(c for c in range(len(self.taken) + 1) if self._is_free(c, row, row))
            self.columns[id] = column
            self._take(column, row, row)
            heir = heirs.get(id)
            if heir is not None:
                self._take(column, row + 1, self.rows.get(heir, self.last) - 1, net=id)

    def _wish(self, id: str, heirs: Mapping[str, str]) -> int | None:
        """The column of the box before it that it is the heir of; the nearest one, and then the leftmost."""
        before = [wire.source for wire in self.into[id] if heirs[wire.source] == id]
        if EDGE in before and len(before) == 1:
            return 0
        placed = [(-self.rows[source], self.columns[source]) for source in before if source != EDGE]
        return min(placed)[1] if placed else None

    def _is_free(self, column: int, first: int, last: int, net: str | None = None) -> bool:
        if column >= len(self.taken):
            return True
        rows = self.taken[column] & ~(self.own[column, net] if net is not None else 0)
        return not rows & _bits(first, last)

    def _take(self, column: int, first: int, last: int, net: str | None = None) -> None:
        self.taken += [0] * (column + 1 - len(self.taken))
        self.taken[column] |= _bits(first, last)
        if net is not None:
            self.own[column, net] |= _bits(first, last)

    # -- wires -----------------------------------------------------------------------------------------------------

    def run_wires(self) -> BlockGrid:
        spans = sorted(
            self.wires, key=lambda wire: self._row_of(wire.target, self.last) - self._row_of(wire.source, -1)
        )
        lanes = {wire: self._find_lane(wire) for wire in spans}
        lanes = self._sort_columns(lanes)
        width = max(1, len(self.taken))
        sides = {wire: self._ends_at_side(wire, lanes[wire]) for wire in self.wires}
        tracks = _Tracks()
        for wire in self.wires:
            source, target, lane = self._column_of(wire.source), self._column_of(wire.target), lanes[wire]
            if lane is not None:
                tracks.add(self._row_of(wire.source, -1) + 1, wire.net, source, lane, width)
            if not sides[wire]:
                above = self._row_of(wire.target, self.last)
                tracks.add(above, wire.net, source if lane is None else lane, target, width)
        found = tracks.assign()
        routes = tuple(
            WireRoute(
                wire,
                lanes[wire],
                found.get((self._row_of(wire.source, -1) + 1, wire.net), 0),
                found.get((self._row_of(wire.target, self.last), wire.net), 0),
                sides[wire],
            )
            for wire in self.wires
        )
        counts = [0] * (self.last + 1)
        for (gap, _), track in found.items():
            counts[gap] = max(counts[gap], track + 1)
        only_wires = frozenset(range(width)) - {*self.columns.values()}
        return BlockGrid(self.rows, self.columns, only_wires, width, tuple(counts), routes)

    def _sort_columns(self, lanes: Mapping[Wire, int | None]) -> dict[Wire, int | None]:
        """Put the columns in which less lies nearer to the first, so that wires lie in each other and do not cross."""
        order = [0, *sorted(range(1, len(self.taken)), key=lambda column: self.taken[column].bit_count())]
        place = {column: number for number, column in enumerate(order)}
        self.columns = {id: place[column] for id, column in self.columns.items()}
        self.taken = [self.taken[column] for column in order[: len(self.taken)]]
        return {wire: None if lane is None else place[lane] for wire, lane in lanes.items()}

    def _row_of(self, id: str, edge: int) -> int:
        return edge if id == EDGE else self.rows[id]

    def _column_of(self, id: str) -> int | None:
        """Find the column, None for the block's edge, on which a wire's place is not one of a column."""
        return None if id == EDGE else self.columns[id]

    def _find_lane(self, wire: Wire) -> int | None:
        """The column in which a wire passes the rows between its ends, where there are any."""
        first, last = self._row_of(wire.source, -1) + 1, self._row_of(wire.target, self.last) - 1
        if first > last:
            return None
        ends = [column for column in map(self._column_of, (wire.source, wire.target)) if column is not None]
        near = ends[-1] if ends else 0
        others = sorted(range(len(self.taken)), key=lambda column: (abs(column - near), -column))
        net = wire.source if wire.source != EDGE else wire.net
        column = next((c for c in [*ends, *others] if self._is_free(c, first, last, net=net)), len(self.taken))
        column = min(column, max(MAX_LANES, *self.columns.values()))
        self._take(column, first, last, net=net)
        return column

    def _ends_at_side(self, wire: Wire, lane: int | None) -> bool:
        """Tell whether the row of a merge is empty from the wire's last column to it."""
        comes = lane if lane is not None else self._column_of(wire.source)
        if wire.target not in self.merges or comes is None or comes == self.columns[wire.target]:
            return False
        row, column = self.rows[wire.target], self.columns[wire.target]
        between = range(comes, column) if comes < column else range(column + 1, comes + 1)
        return not any(self.taken[c] >> row & 1 for c in between)


def _bits(first: int, last: int) -> int:
    """Make bits that are ones from the first to the last place, or none."""
    return ((1 << max(0, last - first + 1)) - 1) << max(0, first)


class _Tracks:
    """Sideways ways between rows. What carries one net shares a track; others keep apart where they would touch."""

    def __init__(self) -> None:
        self.spans: dict[tuple[int, str], tuple[int, int]] = {}

    def add(self, gap: int, net: str, start: int | None, end: int | None, width: int) -> None:
        if start == end and start is not None:
            return
        columns = [column for column in (start, end) if column is not None]
        first, last = (min(columns), max(columns)) if len(columns) == 2 else (0, width - 1)
        before = self.spans.get((gap, net), (first, last))
        self.spans[gap, net] = (min(first, before[0]), max(last, before[1]))

    def assign(self) -> dict[tuple[int, str], int]:
        """The track of each net in each gap, from zero, which is the lowest."""
        ends: dict[int, list[list[tuple[int, int]]]] = defaultdict(list)
        found: dict[tuple[int, str], int] = {}
        for (gap, net), (first, last) in sorted(self.spans.items(), key=lambda item: (item[0][0], item[1])):
            tracks = ends[gap]
            free = (n for n, spans in enumerate(tracks) if all(last < a or b < first for a, b in spans))
            track = next(free, len(tracks))
            if track == len(tracks):
                tracks.append([])
            tracks[track].append((first, last))
            found[gap, net] = track
        return found
