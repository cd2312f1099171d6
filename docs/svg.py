"""A figure as SVG text: no outside references, legible on light and on dark ground, the same bytes each time."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import hypot

from docs.figures import LINE, RADIUS, TEXT_SIZE, Box, Figure, Line, Mark, Note, Part, Point

CORNER = 7
MARGIN = 20

COLOURS = {
    "kernel": ("#d6e6fb", "#1f4068"),
    "norm": ("#dcf0dc", "#23492b"),
    "activation": ("#fdeccb", "#5a4413"),
    "resize": ("#ece0f7", "#45305f"),
    "chance": ("#f9dcdc", "#612b2f"),
    "call": ("#e7e9ed", "#3a414c"),
    "label": ("none", "none"),
}
"""The filling of a box, on light and on dark ground."""

STYLE = f"""\
.ground {{ fill: #ffffff }}
text {{ font: {TEXT_SIZE}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1c2128 }}
.title {{ font-weight: bold }}
.more, .note {{ fill: #57606a }}
.box, .mark {{ stroke: #6e7781 }}
.mark {{ fill: #ffffff }}
.line, .sign, .bracket {{ stroke: #57606a; fill: none; stroke-width: 1.4 }}
.choice, .box.label {{ stroke-dasharray: 4 3 }}
.bracket {{ stroke: #8c959f }}
.tip {{ fill: #57606a }}
"""
DARK = """\
.ground { fill: #161b22 }
text { fill: #e6edf3 }
.more, .note { fill: #9da7b3 }
.box { stroke: #768390 }
.mark { fill: #161b22; stroke: #9da7b3 }
.line, .sign { stroke: #9da7b3 }
.bracket { stroke: #768390 }
.tip { fill: #9da7b3 }
"""


def draw(figure: Figure, title: str, description: str) -> str:
    """The whole text of the file."""
    width, height = figure.width + 2 * MARGIN, figure.height + 2 * MARGIN
    parts = sorted(figure.at(MARGIN, MARGIN), key=lambda part: isinstance(part, Box | Mark))  # lines lie under boxes
    light = "".join(f".{kind} {{ fill: {colours[0]} }}\n" for kind, colours in COLOURS.items())
    dark = "".join(f".{kind} {{ fill: {colours[1]} }}\n" for kind, colours in COLOURS.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(description)}</desc>',
            f"<style>\n{STYLE}{light}@media (prefers-color-scheme: dark) {{\n{DARK}{dark}}}\n</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" '
            'markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0,0.5 L8,4 L0,7.5 Z"/></marker></defs>',
            f'<rect class="ground" width="{_n(width)}" height="{_n(height)}" rx="8"/>',
            *(line for part in parts for line in _write(part)),
            "</svg>\n",
        ]
    )


def _write(part: Part) -> list[str]:
    if isinstance(part, Box):
        return _write_box(part)
    if isinstance(part, Line):
        return [_write_line(part)]
    if isinstance(part, Mark):
        return _write_mark(part)
    return _write_note(part)


def _write_box(box: Box) -> list[str]:
    x, middle = box.x + box.width / 2, box.y + box.height / 2
    rounding = min(6, box.height / 2) if box.kind != "label" else box.height / 2
    rect = (
        f'<rect class="box {box.kind}" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" '
        f'height="{_n(box.height)}" rx="{_n(rounding)}"/>'
    )
    first = middle - LINE * (len(box.lines) - 1) / 2
    texts = []
    for i, line in enumerate(box.lines):
        kind = ' class="more"' if i and box.kind == "call" else ""
        texts.append(
            f'<text{kind} x="{_n(x)}" y="{_n(first + LINE * i + 4)}" text-anchor="middle">{escape(line)}</text>'
        )
    return [rect, *texts]


def _write_note(note: Note) -> list[str]:
    first = note.y - LINE * (len(note.lines) - 1) / 2
    anchor = "" if note.anchor == "start" else f' text-anchor="{note.anchor}"'
    return [
        f'<text class="{note.kind}" x="{_n(note.x)}" y="{_n(first + LINE * i + 4)}"{anchor}>{escape(line)}</text>'
        for i, line in enumerate(note.lines)
    ]


def _write_line(line: Line) -> str:
    kind = {"way": "line", "choice": "line choice", "bracket": "bracket"}[line.kind]
    tip = ' marker-end="url(#tip)"' if line.arrow else ""
    return f'<path class="{kind}" d="{_round_corners(line.points)}"{tip}/>'


def _round_corners(points: Sequence[Point]) -> str:
    points = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
    path = [f"M{_n(points[0][0])},{_n(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, hypot(*_minus(corner, before)) / 2, hypot(*_minus(after, corner)) / 2)
        (x1, y1), (x2, y2) = _towards(corner, before, radius), _towards(corner, after, radius)
        path.append(f"L{_n(x1)},{_n(y1)} Q{_n(corner[0])},{_n(corner[1])} {_n(x2)},{_n(y2)}")
    path.append(f"L{_n(points[-1][0])},{_n(points[-1][1])}")
    return " ".join(path)


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point at a distance from `start`, on the way to `end`."""
    dx, dy = _minus(end, start)
    whole = hypot(dx, dy) or 1.0
    return start[0] + dx * length / whole, start[1] + dy * length / whole


def _write_mark(mark: Mark) -> list[str]:
    x, y, r = mark.x, mark.y, RADIUS - 3.5
    d = r * 0.7
    signs = {
        "add": [(-r, 0, r, 0), (0, -r, 0, r)],
        "mul": [(-d, -d, d, d), (-d, d, d, -d)],
        "concat": [(-2.5, -r, -2.5, r), (2.5, -r, 2.5, r)],
    }
    shown = [
        f'<path class="sign" d="M{_n(x + a)},{_n(y + b)} L{_n(x + c)},{_n(y + e)}"/>'
        for a, b, c, e in signs.get(mark.symbol, ())
    ]
    if mark.symbol == "shake":
        wave = f"M{_n(x - r)},{_n(y)} q{_n(r / 2)},{_n(-r)} {_n(r)},0 t{_n(r)},0"
        shown = [f'<path class="sign" d="{wave}"/>']
    circle = f'<circle class="mark" cx="{_n(x)}" cy="{_n(y)}" r="{RADIUS}"><title>{mark.symbol}</title></circle>'
    return [circle, *shown]


def _n(value: float) -> str:
    """A length with at most one decimal place, the same on every machine."""
    return f"{round(value, 1) + 0.0:g}" if abs(value) < 1000 else f"{value:.0f}"
