"""The drawing of an encoder-decoder: down at the left, up at the right, its skips across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.draw.frame import Caption, MergeSign, Polyline, Primitive
from compiler.draw.theme import LETTER, RADIUS, text_width
from compiler.draw.written.figures import GAP, Figure, row

ACROSS = 28
"""The least room, in pixels, between a column and what stands between the columns."""


@dataclass(frozen=True)
class Level:
    """The figures of one level, all as they flow downward; `skip` has boxes alone."""

    name: str
    encoder: Figure
    down: Figure
    up: Figure
    decoder: Figure
    skip: Sequence[Figure]
    symbol: str


@dataclass
class _Column:
    """One side while it is drawn from the top down; `y` is the end of its line so far."""

    x: float
    up: bool
    parts: list[Primitive]
    y: float = 0.0

    def put(self, figure: Figure, y: float) -> None:
        """A figure whose upper edge is at `y`."""
        if figure.empty:
            return
        shown = figure.flipped() if self.up else figure
        self.link(y, figure.pointed)
        self.parts += shown.at(self.x - shown.entry, y)
        self.y = y + figure.height

    def link(self, y: float, arrow: bool = True) -> None:
        ends = ((self.x, self.y), (self.x, y))
        if y > self.y:
            self.parts.append(Polyline(ends[::-1], self.y > 0) if self.up else Polyline(ends, arrow))
        self.y = y


def valley(before: Figure, levels: Sequence[Level], bottom: Sequence[Figure], after: Figure) -> Figure:
    """Draw a valley that enters and leaves at the upper edge. `before` and `after` are the rest of the network, as they
    flow downward; `bottom` is one figure, or several boxes."""
    lefts = [before, *(figure for level in levels for figure in (level.encoder, level.down))]
    rights = [after, *(figure for level in levels for figure in (level.up, level.decoder))]
    names = max((text_width(level.name) for level in levels), default=0)
    x_left = (names + 12 if names else 0) + max([figure.entry for figure in lefts] + [RADIUS])
    within = [row(level.skip) for level in levels if level.skip] + ([row(bottom)] if bottom else [])
    room = max([figure.width + 2 * ACROSS for figure in within] + [80])
    inner = max([figure.width - figure.entry for figure in lefts] + [0])
    x_right = x_left + inner + room + max([figure.entry for figure in rights] + [RADIUS])
    left, right = _Column(x_left, False, []), _Column(x_right, True, [])
    parts: list[Primitive] = []
    y = max(before.height, after.height)
    left.put(before, y - before.height)
    right.put(after, y - after.height)
    for level in levels:
        y = _draw_level(level, left, right, parts, y + (GAP if y else 0))
    y = _draw_bottom(bottom, left, right, parts, y + GAP)
    width = x_right + max([figure.width - figure.entry for figure in rights] + [RADIUS])
    return Figure(width, y, x_left, x_right, (*parts, *left.parts, *right.parts), pointed=not lefts[0].empty)


def _draw_level(level: Level, left: _Column, right: _Column, parts: list[Primitive], y: float) -> float:
    """Draw a level below `y`; gives its lower edge."""
    height = max(level.encoder.height, level.decoder.height)
    left.put(level.encoder, y + height - level.encoder.height)
    right.put(level.decoder, y + height - level.decoder.height)
    if level.name:
        beside_figure = level.encoder if not level.encoder.empty else level.down
        x = left.x - max(beside_figure.entry, RADIUS) - LETTER
        y_name = y + height - level.encoder.height / 2 if not level.encoder.empty else y + height
        parts.append(Caption(x, y_name, (level.name,), "end"))
    skip = row(level.skip) if level.skip else Figure()
    reach = max(RADIUS, skip.height / 2)
    y += height + GAP + reach
    left.link(y, False)
    right.link(y - RADIUS)
    parts.append(MergeSign(right.x, y, level.symbol))
    right.y = y + RADIUS
    _cross(skip, left.x, right.x - RADIUS, y, parts)
    y += reach + GAP
    left.put(level.down, y)
    right.put(level.up, y)
    return max(y + level.down.height, y + level.up.height)


def _cross(figure: Figure, start: float, end: float, y: float, parts: list[Primitive]) -> None:
    """A line from left to right with boxes in its middle."""
    if figure.empty:
        parts.append(Polyline(((start, y), (end, y))))
        return
    x = (start + end - figure.width) / 2
    parts.append(Polyline(((start, y), (x, y))))
    parts += figure.at(x, y - figure.height / 2)
    parts.append(Polyline(((x + figure.width, y), (end, y))))


def _draw_bottom(bottom: Sequence[Figure], left: _Column, right: _Column, parts: list[Primitive], y: float) -> float:
    if len(bottom) == 1 and len(bottom[0].parts) > 1:
        return _draw_tall_bottom(bottom[0], left, right, parts, y)
    figure = row(bottom) if bottom else Figure()
    middle = y + figure.height / 2
    if figure.empty:
        parts.append(Polyline(((left.x, left.y), (left.x, middle), (right.x, middle), (right.x, right.y))))
        return middle + 2
    x = (left.x + right.x - figure.width) / 2
    parts.append(Polyline(((left.x, left.y), (left.x, middle), (x, middle))))
    parts += figure.at(x, y)
    parts.append(Polyline(((x + figure.width, middle), (right.x, middle), (right.x, right.y))))
    return y + figure.height


def _draw_tall_bottom(figure: Figure, left: _Column, right: _Column, parts: list[Primitive], y: float) -> float:
    x = (left.x + right.x - figure.width) / 2
    entry, leave, end = x + figure.entry, x + figure.leave, y + GAP + figure.height + GAP
    parts.append(Polyline(((left.x, left.y), (left.x, y), (entry, y), (entry, y + GAP)), figure.pointed))
    parts += figure.at(x, y + GAP)
    parts.append(Polyline(((leave, end - GAP), (leave, end), (right.x, end), (right.x, right.y))))
    return end + 2
