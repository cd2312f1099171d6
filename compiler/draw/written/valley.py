"""The drawing of an encoder-decoder: down at the left, up at the right, its skips across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.draw.frame import Caption, MergeSign, Polyline, Primitive
from compiler.draw.theme import LETTER, RADIUS, text_width
from compiler.draw.written.drawings import GAP, BodyDrawing, row

ACROSS = 28
"""The least room, in pixels, between a column and what stands between the columns."""


@dataclass(frozen=True)
class Level:
    """The drawings of one level, all as they flow downward; `skip` has boxes alone."""

    name: str
    encoder: BodyDrawing
    down: BodyDrawing
    up: BodyDrawing
    decoder: BodyDrawing
    skip: Sequence[BodyDrawing]
    symbol: str


@dataclass
class _Column:
    """One side while it is drawn from the top down; `y` is the end of its line so far."""

    x: float
    up: bool
    parts: list[Primitive]
    y: float = 0.0

    def put(self, drawing: BodyDrawing, y: float) -> None:
        """A drawing whose upper edge is at `y`."""
        if drawing.empty:
            return
        shown = drawing.flipped() if self.up else drawing
        self.link(y, drawing.pointed)
        self.parts += shown.at(self.x - shown.entry, y)
        self.y = y + drawing.height

    def link(self, y: float, arrow: bool = True) -> None:
        ends = ((self.x, self.y), (self.x, y))
        if y > self.y:
            self.parts.append(Polyline(ends[::-1], self.y > 0) if self.up else Polyline(ends, arrow))
        self.y = y


def valley(
    before: BodyDrawing, levels: Sequence[Level], bottom: Sequence[BodyDrawing], after: BodyDrawing
) -> BodyDrawing:
    """Draw a valley that enters and leaves at the upper edge. `before` and `after` are the rest of the network, as they
    flow downward; `bottom` is one drawing, or several boxes."""
    lefts = [before, *(drawing for level in levels for drawing in (level.encoder, level.down))]
    rights = [after, *(drawing for level in levels for drawing in (level.up, level.decoder))]
    names = max((text_width(level.name) for level in levels), default=0)
    x_left = (names + 12 if names else 0) + max([drawing.entry for drawing in lefts] + [RADIUS])
    within = [row(level.skip) for level in levels if level.skip] + ([row(bottom)] if bottom else [])
    room = max([drawing.width + 2 * ACROSS for drawing in within] + [80])
    inner = max([drawing.width - drawing.entry for drawing in lefts] + [0])
    x_right = x_left + inner + room + max([drawing.entry for drawing in rights] + [RADIUS])
    left, right = _Column(x_left, False, []), _Column(x_right, True, [])
    parts: list[Primitive] = []
    y = max(before.height, after.height)
    left.put(before, y - before.height)
    right.put(after, y - after.height)
    for level in levels:
        y = _draw_level(level, left, right, parts, y + (GAP if y else 0))
    y = _draw_bottom(bottom, left, right, parts, y + GAP)
    width = x_right + max([drawing.width - drawing.entry for drawing in rights] + [RADIUS])
    return BodyDrawing(width, y, x_left, x_right, (*parts, *left.parts, *right.parts), pointed=not lefts[0].empty)


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
    skip = row(level.skip) if level.skip else BodyDrawing()
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


def _cross(drawing: BodyDrawing, start: float, end: float, y: float, parts: list[Primitive]) -> None:
    """A line from left to right with boxes in its middle."""
    if drawing.empty:
        parts.append(Polyline(((start, y), (end, y))))
        return
    x = (start + end - drawing.width) / 2
    parts.append(Polyline(((start, y), (x, y))))
    parts += drawing.at(x, y - drawing.height / 2)
    parts.append(Polyline(((x + drawing.width, y), (end, y))))


def _draw_bottom(
    bottom: Sequence[BodyDrawing], left: _Column, right: _Column, parts: list[Primitive], y: float
) -> float:
    if len(bottom) == 1 and len(bottom[0].parts) > 1:
        return _draw_tall_bottom(bottom[0], left, right, parts, y)
    drawing = row(bottom) if bottom else BodyDrawing()
    middle = y + drawing.height / 2
    if drawing.empty:
        parts.append(Polyline(((left.x, left.y), (left.x, middle), (right.x, middle), (right.x, right.y))))
        return middle + 2
    x = (left.x + right.x - drawing.width) / 2
    parts.append(Polyline(((left.x, left.y), (left.x, middle), (x, middle))))
    parts += drawing.at(x, y)
    parts.append(Polyline(((x + drawing.width, middle), (right.x, middle), (right.x, right.y))))
    return y + drawing.height


def _draw_tall_bottom(drawing: BodyDrawing, left: _Column, right: _Column, parts: list[Primitive], y: float) -> float:
    x = (left.x + right.x - drawing.width) / 2
    entry, leave, end = x + drawing.entry, x + drawing.leave, y + GAP + drawing.height + GAP
    parts.append(Polyline(((left.x, left.y), (left.x, y), (entry, y), (entry, y + GAP)), drawing.pointed))
    parts += drawing.at(x, y + GAP)
    parts.append(Polyline(((leave, end - GAP), (leave, end), (right.x, end), (right.x, right.y))))
    return end + 2
