"""The picture of a graph as SVG text: no outside references, legible on light and on dark ground, the same bytes each
time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from archspec.wording import cut
from compiler.draw.blocks import PictureBlock
from compiler.draw.frame import MARGIN, MergeSign, Polyline, write_frame, write_rect, write_text
from compiler.draw.grid import BlockGrid, WireRoute
from compiler.draw.picture import GraphPicture
from compiler.draw.theme import COLOURS, LEGEND, LINE, RADIUS, Point, px, spread, text_width
from compiler.draw.wires import EDGE, Wire

GAP = 20
"""The room, in pixels, between columns, and between rows that no wire runs between."""
TRACK = 8
"""The height, in pixels, that a wire takes between rows."""
LANE = 14
"""The width, in pixels, of a column in which only wires lie."""
PAD = 16
"""The room, in pixels, inside an open block, at both sides."""
HEAD = 26
"""The height, in pixels, of an open block's title."""
PORT = 10
"""The distance, in pixels, of the places where several wires come in."""

LIGHT = """\
.scope { fill: #f6f8fa; stroke: #8c959f }
.times { fill: #0550ae; font-weight: bold }
.turn { fill: none; stroke: #8c959f }
.sizes { stroke-dasharray: 3 3 }
a:focus rect, g:focus rect { stroke-width: 2.5 }
"""
DARK = """\
.scope { fill: #1c2229; stroke: #768390 }
.times { fill: #79c0ff }
.turn { stroke: #768390 }
.more { fill: #bcc6d1 }
"""


@dataclass(frozen=True)
class _Placed:
    """A box with its size, and where in it its children and its wires lie."""

    block: PictureBlock
    width: float
    height: float
    children: tuple[tuple[float, float, _Placed], ...] = ()
    ways: tuple[tuple[tuple[Point, ...], Wire], ...] = ()


def write_svg(picture: GraphPicture) -> str:
    """Write the whole text of the file: the picture with those blocks open that it says, and a legend."""
    placed = _BoxLayout(picture).open(picture.whole)
    legend = _Legend(picture)
    width = max(placed.width, legend.width) + 2 * MARGIN
    height = placed.height + legend.height + 2 * MARGIN
    x = (width - placed.width) / 2
    elements = [*legend.draw(MARGIN, MARGIN), *_Pen(picture).draw_inside(placed, x, MARGIN + legend.height)]
    return write_frame((width, height), elements, cut(picture.title, 200), picture.description, (LIGHT, DARK))


class _BoxLayout:
    """Sizes and places, from the inside out."""

    def __init__(self, picture: GraphPicture) -> None:
        self.picture = picture

    def place(self, block: PictureBlock) -> _Placed:
        if self.picture.is_open(block):
            inner = self.open(block)
            counts = self.picture.figures(block).counts
            head = text_width(f"{self.picture.head(block)}  {counts}") + 2 * PAD
            width = max(inner.width + 2 * PAD, head)
            shift = (width - inner.width) / 2
            children = tuple((x + shift, y + HEAD, child) for x, y, child in inner.children)
            ways = tuple((tuple((x + shift, y + HEAD) for x, y in points), wire) for points, wire in inner.ways)
            return _Placed(block, width, inner.height + HEAD, children, ways)
        if block.kind == "merge":
            return _Placed(block, 2 * RADIUS, 2 * RADIUS)
        lines = self.picture.lines(block)
        width = max(44.0, max(map(text_width, lines)) + 18)
        return _Placed(block, width, LINE * len(lines) + 10)

    def open(self, block: PictureBlock) -> _Placed:
        """The inside of a block, without its frame."""
        grid = self.picture.grids[block.id]
        boxes = {child.id: self.place(child) for child in block.children}
        widths = [LANE if column in grid.lanes else 0.0 for column in range(grid.width)]
        heights = [0.0] * grid.height
        for id, box in boxes.items():
            widths[grid.columns[id]] = max(widths[grid.columns[id]], box.width)
            heights[grid.rows[id]] = max(heights[grid.rows[id]], box.height)
        axes, width = _centres(widths, grid)
        tops, height = _tops(heights, grid.tracks)
        places = {id: (axes[grid.columns[id]] - box.width / 2, tops[grid.rows[id]]) for id, box in boxes.items()}
        router = _Router(self.picture, grid, boxes, places, axes, [*tops, height], (width, height), block)
        ways = tuple((router.way(route), route.wire) for route in grid.routes)
        children = tuple((*places[id], box) for id, box in boxes.items())
        return _Placed(block, width, height, children, ways)


def _centres(widths: Sequence[float], grid: BlockGrid) -> tuple[list[float], float]:
    """The middle of each column, and the width of all."""
    centres, x = [], 0.0
    for column, width in enumerate(widths):
        if column:
            x += 6 if column in grid.lanes and column - 1 in grid.lanes else GAP
        centres.append(x + width / 2)
        x += width
    return centres, x


def _tops(heights: Sequence[float], tracks: Sequence[int]) -> tuple[list[float], float]:
    """The upper edge of each row, and the height of all."""
    tops, y = [], 0.0
    for height, count in zip(heights, tracks, strict=False):
        y += _gap(count)
        tops.append(y)
        y += height
    return tops, y + _gap(tracks[-1])


def _gap(tracks: int) -> float:
    return GAP + TRACK * tracks


@dataclass(frozen=True)
class _Router:
    """The points of wires inside one block."""

    picture: GraphPicture
    grid: BlockGrid
    boxes: Mapping[str, _Placed]
    places: Mapping[str, Point]
    axes: Sequence[float]
    tops: Sequence[float]
    size: Point
    block: PictureBlock

    def way(self, route: WireRoute) -> tuple[Point, ...]:
        start, end = self._start(route), self._end(route)
        points = [start]
        x = start[0]
        if route.lane is not None:
            y = self._track(self._row(route.wire.source) + 1, route.leave)
            x = self.axes[route.lane]
            points += [(start[0], y), (x, y)] if abs(x - start[0]) > 1 else []
        if route.side:
            return (*points, (x, end[1]), (end[0] + (RADIUS if x > end[0] else -RADIUS), end[1]))
        y = self._track(self.grid.rows.get(route.wire.target, self.grid.height), route.arrive)
        points += [(x, y), (end[0], y)] if abs(x - end[0]) > 1 else [(end[0], points[-1][1])]
        return (*points, end)

    def _row(self, id: str) -> int:
        return self.grid.rows.get(id, -1)

    def _track(self, gap: int, track: int) -> float:
        """The height of a track in the gap above a row."""
        return self.tops[gap] - 13 - TRACK * track

    def _start(self, route: WireRoute) -> Point:
        if route.wire.source == EDGE:
            return self.size[0] / 2 + self.picture.entry(self.block, route.wire.net) * PORT, 0
        x, y = self.places[route.wire.source]
        box = self.boxes[route.wire.source]
        return x + box.width / 2 + self.picture.exit(box.block, route.wire.net) * PORT, y + box.height

    def _end(self, route: WireRoute) -> Point:
        if route.wire.target == EDGE:
            return self.size[0] / 2 + self.picture.exit(self.block, route.wire.net) * PORT, self.size[1]
        x, y = self.places[route.wire.target]
        box = self.boxes[route.wire.target]
        middle = x + box.width / 2
        if route.side:
            return middle, y + box.height / 2
        return middle + self.picture.entry(box.block, route.wire.net) * PORT, y


class _Pen:
    """Writes placed boxes."""

    def __init__(self, picture: GraphPicture) -> None:
        self.picture = picture

    def draw_inside(self, placed: _Placed, x: float, y: float) -> Iterator[str]:
        for points, wire in placed.ways:
            moved = [(x + a, y + b) for a, b in points]
            kind = "way" if wire.signal else "sizes"
            for beside in spread(wire.times):
                yield from Polyline(_shift(moved, beside), wire.target != EDGE, kind).write()
        for a, b, child in placed.children:
            yield from self.draw(child, x + a, y + b)

    def draw(self, placed: _Placed, x: float, y: float) -> Iterator[str]:
        block = placed.block
        said = escape(self.picture.describe(block))
        yield f'<g tabindex="0" role="img" aria-label="{said}"><title>{said}</title>'
        if block.kind == "merge":
            yield from MergeSign(x + RADIUS, y + RADIUS, block.lines[0], title=False).write()
        elif placed.children:
            yield write_rect(x, y, placed.width, placed.height, "scope")
            yield f'<text x="{px(x + 12)}" y="{px(y + 17)}">{self._head(block)}</text>'
        else:
            yield from self._draw_box(placed, x, y)
        yield "</g>"
        if placed.children:
            yield from self.draw_inside(placed, x, y)

    def _head(self, block: PictureBlock) -> str:
        counts = self.picture.figures(block).counts
        more = f'<tspan class="more" dx="10">{escape(counts)}</tspan>' if counts else ""
        return f'<tspan class="title">{escape(self.picture.head(block))}</tspan>{more}'

    def _draw_box(self, placed: _Placed, x: float, y: float) -> Iterator[str]:
        block = placed.block
        for shift in (6, 3) if block.times > 1 else ():  # as a pile of sheets
            yield write_rect(x + shift, y + shift, placed.width, placed.height, "turn")
        yield write_rect(x, y, placed.width, placed.height, block.kind)
        for i, line in enumerate(self.picture.lines(block)):
            kind = "more" if i >= self.picture.words(block) else "title" if block.children else ""
            yield write_text(x + placed.width / 2, y + 13 + LINE * i, line, kind, "middle")


def _shift(points: Sequence[Point], by: float) -> tuple[Point, ...]:
    """A way beside another, that starts and ends at the same edges."""
    (x, y), *inner, (last_x, last_y) = points
    sideways = last_y == points[-2][1]
    end = (last_x, last_y - by) if sideways else (last_x + by, last_y)
    return ((x + by, y), *((a + by, b - by) for a, b in inner), end)


class _Legend:
    """The title, and what each colour in the picture means."""

    def __init__(self, picture: GraphPicture) -> None:
        used = {block.kind for block in picture.visible()}
        self.entries = [(kind, LEGEND[kind]) for kind in COLOURS if kind in used and kind != "label"]
        self.head = cut(f"{picture.title} · {picture.summary}", 100)
        self.width = max(text_width(self.head), sum(text_width(text) + 34 for _, text in self.entries))
        self.height = 56

    def draw(self, x: float, y: float) -> Iterator[str]:
        yield write_text(x, y + 6, self.head, "title")
        for kind, text in self.entries:
            yield f'<rect class="box {kind}" x="{px(x)}" y="{px(y + 22)}" width="14" height="12" rx="3"/>'
            yield write_text(x + 19, y + 28, text, "note")
            x += text_width(text) + 34
