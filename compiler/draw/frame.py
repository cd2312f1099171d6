"""The primitives of every drawing: an SVG file around boxes, lines, signs and captions at places.

The file refers to nothing outside, is legible on light and on dark ground, and has the same bytes each time. Primitives
are values; lengths are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TypeAlias

from compiler.draw.theme import LINE, RADIUS, TIP, Point, draw_sign, px, round_corners, style_sheet

MARGIN = 20
"""The empty room around a drawing."""

LINES = {"way": "line", "choice": "line choice", "bracket": "bracket", "sizes": "line sizes"}
"""The classes of a line, by its kind: a way that values take, one that is perhaps taken, and one that tells sizes."""


@dataclass(frozen=True)
class Box:
    """A rectangle by its upper left corner, with lines of text in its middle."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    kind: str

    def moved(self, place: Callable[[Point], Point]) -> Box:
        (x, y), (_, y2) = place((self.x, self.y)), place((self.x, self.y + self.height))
        return replace(self, x=x, y=min(y, y2))

    def write(self) -> Iterator[str]:
        yield write_rect(self.x, self.y, self.width, self.height, self.kind)
        first = self.y + self.height / 2 - LINE * (len(self.lines) - 1) / 2
        for i, line in enumerate(self.lines):
            kind = "more" if i and self.kind == "call" else ""
            yield write_text(self.x + self.width / 2, first + LINE * i, line, kind, "middle")


@dataclass(frozen=True)
class Polyline:
    """A line along points, with an arrow at its end or none."""

    points: tuple[Point, ...]
    arrow: bool = True
    kind: str = "way"
    """The kind of line: a key of `LINES`."""

    def moved(self, place: Callable[[Point], Point]) -> Polyline:
        return replace(self, points=tuple(map(place, self.points)))

    def write(self) -> Iterator[str]:
        tip = ' marker-end="url(#tip)"' if self.arrow else ""
        yield f'<path class="{LINES[self.kind]}" d="{round_corners(self.points)}"{tip}/>'


@dataclass(frozen=True)
class MergeSign:
    """The circle where values are merged, by its centre: `add`, `concat`, `mul` or `shake`."""

    x: float
    y: float
    symbol: str
    title: bool = True
    """True if it says by itself what it is; otherwise what is around it does."""

    def moved(self, place: Callable[[Point], Point]) -> MergeSign:
        x, y = place((self.x, self.y))
        return replace(self, x=x, y=y)

    def write(self) -> Iterator[str]:
        title = f"><title>{self.symbol}</title></circle>" if self.title else "/>"
        yield f'<circle class="mark" cx="{px(self.x)}" cy="{px(self.y)}" r="{RADIUS}"{title}'
        yield from (f'<path class="sign" d="{path}"/>' for path in draw_sign(self.x, self.y, self.symbol))


@dataclass(frozen=True)
class Caption:
    """Lines of text, the block of them centred on `y`."""

    x: float
    y: float
    lines: tuple[str, ...]
    anchor: str = "start"
    kind: str = "note"
    """The class of its text: `note`, `title`, or none."""

    def moved(self, place: Callable[[Point], Point]) -> Caption:
        x, y = place((self.x, self.y))
        return replace(self, x=x, y=y)

    def write(self) -> Iterator[str]:
        first = self.y - LINE * (len(self.lines) - 1) / 2
        for i, line in enumerate(self.lines):
            yield write_text(self.x, first + LINE * i, line, self.kind, self.anchor)


Primitive: TypeAlias = Box | Polyline | MergeSign | Caption


def shift(parts: Iterable[Primitive], dx: float, dy: float) -> tuple[Primitive, ...]:
    """Move primitives to another place."""
    return tuple(part.moved(lambda point: (point[0] + dx, point[1] + dy)) for part in parts)


def write_drawing(
    size: Point, parts: Iterable[Primitive], title: str, description: str, rules: Sequence[str] = ("", "")
) -> str:
    """Write the whole text of a file with these primitives, which lie from (0, 0) to `size`, and a margin around
    them."""
    ordered = sorted(
        shift(parts, MARGIN, MARGIN), key=lambda part: isinstance(part, Box | MergeSign)
    )  # lines lie below
    written = (line for part in ordered for line in part.write())
    return write_frame((size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), written, title, description, rules)


def write_frame(
    size: Point, elements: Iterable[str], title: str, description: str, rules: Sequence[str] = ("", "")
) -> str:
    """Write the whole text of a file with these elements; `rules` are a caller's own of the style, for light and
    dark."""
    width, height = map(px, size)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(description)}</desc>',
            f"<style>\n{style_sheet(*rules)}</style>",
            TIP,
            f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
            *elements,
            "</svg>\n",
        ]
    )


def write_rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Write a rectangle with round corners; without a box's look where it is no box of its own, but a scope or a
    further turn."""
    rounding = min(14, height / 2) if kind == "label" else 6
    look = kind if kind in ("scope", "turn") else f"box {kind}"
    return (
        f'<rect class="{look}" x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}" rx="{px(rounding)}"/>'
    )


def write_text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Write a line of text whose letters have their middle at `y`."""
    look = f' class="{kind}"' if kind else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{look} x="{px(x)}" y="{px(y + 4)}"{place}>{escape(text)}</text>'
