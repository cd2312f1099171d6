"""Drawings of bodies: drawings, and how they are put together.

A drawing flows downward from `entry`, an x on its upper edge, to `leave`, an x on its lower one. Drawings are values:
each function makes a larger one of smaller ones. Lengths are in pixels of the SVG.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from compiler.draw.frame import Box, Caption, MergeSign, Polyline, Primitive, shift
from compiler.draw.theme import LINE, RADIUS, Point, text_width

GAP = 20
FORK = 7
"""The distance below the upper edge at which a way parts."""


@dataclass(frozen=True)
class BodyDrawing:
    width: float = 0
    height: float = 0
    entry: float = 0
    leave: float = 0
    parts: tuple[Primitive, ...] = ()
    fed: bool = True
    """True if the value before it comes in; not so where it starts from a remembered value."""
    pointed: bool = True
    """True if a line that comes in ends there, in an arrow; not so where it parts."""

    @property
    def empty(self) -> bool:
        return not self.parts

    def at(self, dx: float, dy: float) -> tuple[Primitive, ...]:
        return shift(self.parts, dx, dy)

    def flipped(self) -> BodyDrawing:
        """Draw the same flowing upward: what was at the top is at the bottom."""
        parts = tuple(part.moved(lambda point: (point[0], self.height - point[1])) for part in self.parts)
        return replace(self, parts=parts, entry=self.leave, leave=self.entry)


def box(lines: Sequence[str], kind: str) -> BodyDrawing:
    width = max(44.0, max(map(text_width, lines)) + 18)
    height = LINE * len(lines) + 10
    return BodyDrawing(width, height, width / 2, width / 2, (Box(0, 0, width, height, tuple(lines), kind),))


def stack(drawings: Iterable[BodyDrawing]) -> BodyDrawing:
    """Put drawings one after the other."""
    drawings = [drawing for drawing in drawings if not drawing.empty]
    if not drawings:
        return BodyDrawing()
    parts: list[Primitive] = []
    axis = y = 0.0
    left = right = 0.0
    for i, drawing in enumerate(drawings):
        if i and drawing.fed:
            parts.append(Polyline(((axis, y), (axis, y + GAP)), drawing.pointed))
        y += GAP if i else 0
        x = axis - drawing.entry
        parts += drawing.at(x, y)
        left, right = min(left, x), max(right, x + drawing.width)
        axis, y = x + drawing.leave, y + drawing.height
    whole = BodyDrawing(right - left, y, -left, axis - left, tuple(parts))
    return replace(whole, parts=whole.at(-left, 0), fed=drawings[0].fed, pointed=drawings[0].pointed)


def beside(main: BodyDrawing, side: BodyDrawing, symbol: str) -> BodyDrawing:
    """Draw two ways of one value: straight down, and at the right of it; merged on the straight one."""
    top = FORK + GAP
    height = max(main.height, side.height, 2 * GAP)
    y_mark = top + height + GAP + RADIUS
    x_side = max(main.width, main.leave + RADIUS) + GAP
    x = x_side + side.entry
    dy = top + (height - side.height) / 2
    parts: list[Primitive] = []
    if main.empty:
        parts.append(Polyline(((main.entry, 0), (main.entry, y_mark - RADIUS))))
    else:
        parts += [Polyline(((main.entry, 0), (main.entry, top)), main.pointed), *main.at(0, top)]
        parts.append(Polyline(((main.leave, top + main.height), (main.leave, y_mark - RADIUS))))
    end = ((x_side + side.leave, y_mark), (main.leave + RADIUS, y_mark))
    if side.empty:
        parts.append(Polyline(((main.entry, FORK), (x, FORK), *end)))
    else:
        if side.fed:
            parts.append(Polyline(((main.entry, FORK), (x, FORK), (x, dy)), side.pointed))
        parts += [*side.at(x_side, dy), Polyline(((x_side + side.leave, dy + side.height), *end))]
    parts.append(MergeSign(main.leave, y_mark, symbol))
    whole = BodyDrawing(x_side + side.width, y_mark + RADIUS, main.entry, main.leave, tuple(parts), pointed=False)
    return whole if main.entry >= RADIUS else inset(whole, RADIUS)


def inset(drawing: BodyDrawing, left: float) -> BodyDrawing:
    """Draw the same with empty room at its left."""
    return replace(
        drawing,
        width=drawing.width + left,
        entry=drawing.entry + left,
        leave=drawing.leave + left,
        parts=drawing.at(left, 0),
    )


def many(way: BodyDrawing, symbol: str) -> BodyDrawing:
    """Draw the first and the last of many equal ways; one alone of such as are wide."""
    if way.width > 300:
        return fan([way], symbol)
    both = fan([way, way], symbol, gap=4 * GAP)
    dots = Caption(both.width / 2, FORK + GAP + max(way.height, GAP) / 2, ("· · ·",), "middle")
    return replace(both, parts=(*both.parts, dots))


def fan(ways: Sequence[BodyDrawing], symbol: str | None, *, kind: str = "way", gap: float = GAP) -> BodyDrawing:
    """Draw several ways of one value, side by side; without a symbol, only one of them is gone."""
    top = FORK + GAP
    height = max([way.height for way in ways] + [GAP])
    places: list[float] = []
    width = 0.0
    for way in ways:
        places.append(width)
        width += max(way.width, 2 * RADIUS) + gap
    width -= gap
    entries = [x + (way.entry or RADIUS) for x, way in zip(places, ways, strict=True)]
    leaves = [x + (way.leave or RADIUS) for x, way in zip(places, ways, strict=True)]
    start, axis = _middle(entries), _middle(leaves)
    y_join = top + height + GAP + (RADIUS if symbol else 0)
    parts: list[Primitive] = []
    for way, x, entry, leave in zip(ways, places, entries, leaves, strict=True):
        dy = top + (height - way.height) / 2
        if way.fed:
            points = ((start, 0), (start, FORK), (entry, FORK), (entry, dy if way.parts else top))
            parts.append(Polyline(points, way.pointed and not way.empty, kind))
        parts += way.at(x, dy)
        parts.append(
            Polyline(_join(leave, dy + way.height if way.parts else top, axis, y_join, symbol), bool(symbol), kind)
        )
    parts += [MergeSign(axis, y_join, symbol)] if symbol else []
    return BodyDrawing(
        width, y_join + (RADIUS if symbol else 0), start, axis, tuple(parts), any(w.fed for w in ways), False
    )


def _middle(places: Sequence[float]) -> float:
    """Find where the ways part or meet: on the middle one, or between the two in the middle."""
    half = len(places) // 2
    return places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2


def _join(x: float, y: float, axis: float, y_join: float, symbol: str | None) -> tuple[Point, ...]:
    """The line from the end of a way to where all meet."""
    if symbol is None:
        return ((x, y), (x, y_join - GAP / 2), (axis, y_join - GAP / 2), (axis, y_join))
    if abs(x - axis) < RADIUS:
        return ((x, y), (x, y_join - RADIUS))
    return ((x, y), (x, y_join), (axis + (RADIUS if x > axis else -RADIUS), y_join))


def bracket(drawing: BodyDrawing, lines: Sequence[str]) -> BodyDrawing:
    """Draw a bracket at the right, and what it says."""
    x = drawing.width + 10
    height = max(drawing.height, LINE * len(lines))
    dy = (height - drawing.height) / 2
    top, bottom = dy - 2, dy + drawing.height + 2
    parts = [
        *drawing.at(0, dy),
        Polyline(((x - 5, top), (x, top), (x, bottom), (x - 5, bottom)), False, "bracket"),
        Caption(x + 8, height / 2, tuple(lines)),
    ]
    if dy:  # the way on to the lower edge, beyond the drawing
        parts.append(Polyline(((drawing.entry, 0), (drawing.entry, dy)), drawing.pointed))
        parts.append(Polyline(((drawing.leave, dy + drawing.height), (drawing.leave, height)), False))
    width = x + 10 + max(map(text_width, lines))
    return replace(drawing, width=width, height=height, parts=tuple(parts), pointed=drawing.pointed and not dy)


def row(drawings: Sequence[BodyDrawing]) -> BodyDrawing:
    """Draw plain boxes from left to right; `entry` and `leave` are not used, the middle line is."""
    height = max(drawing.height for drawing in drawings)
    parts: list[Primitive] = []
    x = 0.0
    for i, drawing in enumerate(drawings):
        if i:
            parts.append(Polyline(((x, height / 2), (x + GAP, height / 2))))
        x += GAP if i else 0
        parts += drawing.at(x, (height - drawing.height) / 2)
        x += drawing.width
    return BodyDrawing(x, height, 0, 0, tuple(parts))


def around(valley: BodyDrawing) -> BodyDrawing:
    """Lead a drawing that leaves at its upper edge around its right side, as one that leaves at the lower."""
    x = valley.width + GAP
    edge = ((valley.leave, GAP), (valley.leave, FORK), (x, FORK), (x, GAP + valley.height + FORK))
    end = ((valley.entry, GAP + valley.height + FORK), (valley.entry, GAP + valley.height + GAP))
    lines = (Polyline((*edge, *end), False), Polyline(((valley.entry, 0), (valley.entry, GAP)), valley.pointed))
    parts = (*valley.at(0, GAP), *lines)
    return BodyDrawing(x + 2, valley.height + 2 * GAP, valley.entry, valley.entry, parts, pointed=False)
