"""The look of every drawing: colours of kinds on light and on dark ground, lines with round corners, signs of
merges."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import TypeAlias
from unicodedata import east_asian_width

from archspec.ops import OPS, Input, Merge, Op

LETTER = 7.25
"""The width of a letter, in pixels: 0.6 of the size, as fixed-width fonts have it."""
TEXT_SIZE = 12
LINE = 16
"""The height of a line of text, in pixels."""
RADIUS = 9
"""The radius, in pixels, of the circle where values are merged."""
CORNER = 7
"""The radius, in pixels, of the corners of a line."""

Point: TypeAlias = tuple[float, float]

COLOURS = {
    "kernel": ("#c9e0ff", "#1f4068"),
    "norm": ("#dcf0dc", "#23492b"),
    "activation": ("#fdeccb", "#5a4413"),
    "resize": ("#edd5f7", "#45305f"),
    "chance": ("#f9dcdc", "#612b2f"),
    "call": ("#e9e5dc", "#3a414c"),
    "label": ("none", "none"),
}
"""The filling of a box, on light and on dark ground."""

LEGEND = {
    "kernel": "convolution, linear",
    "norm": "normalization",
    "activation": "activation",
    "resize": "pooling, resizing",
    "chance": "scaling, random",
    "call": "block, other",
    "label": "input, output",
}
"""The name of each kind for readers."""

KINDS = {op.kind: op.family for op in OPS if op.family in COLOURS}
"""The kind of an operation, by its word."""

SIGNS = {
    "add": "⊕",
    "sub": "⊖",
    "mul": "⊗",
    "div": "⊘",
    "max": "∨",
    "min": "∧",
    "concat": "∥",
    "concat_positions": "∥",
    "shake": "∿",
}
"""The signs of merges as letters, where there is no circle to draw in."""

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
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0,0.5 L8,4 L0,7.5 Z"/></marker></defs>'
)


def style_sheet(light: str = "", dark: str = "") -> str:
    """Write the rules of an SVG for both grounds, with a caller's own at the end of each part."""
    fills = ["".join(f".{kind} {{ fill: {pair[side]} }}\n" for kind, pair in COLOURS.items()) for side in (0, 1)]
    return f"{STYLE}{fills[0]}{light}@media (prefers-color-scheme: dark) {{\n{DARK}{fills[1]}{dark}}}\n"


def kind_of(op: Op) -> str:
    """Give the kind by which an operation is filled; `merge` is a circle, `label` an input."""
    if isinstance(op, Input):
        return "label"
    if isinstance(op, Merge):
        return "merge"
    return op.family if op.family in COLOURS else KINDS.get(op.word, "call")


def round_corners(points: Sequence[Point]) -> str:
    """Write the data of a path along these points."""
    points = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
    path = [f"M{px(points[0][0])},{px(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, hypot(*_minus(corner, before)) / 2, hypot(*_minus(after, corner)) / 2)
        (x1, y1), (x2, y2) = _towards(corner, before, radius), _towards(corner, after, radius)
        path.append(f"L{px(x1)},{px(y1)} Q{px(corner[0])},{px(corner[1])} {px(x2)},{px(y2)}")
    path.append(f"L{px(points[-1][0])},{px(points[-1][1])}")
    return " ".join(path)


def spread(times: int) -> list[float]:
    """Give the distances from the middle of the lines of a value that one node reads several times: all within a
    merge."""
    apart = min(6.0, 14 / max(1, times - 1))
    return [(number - (times - 1) / 2) * apart for number in range(times)]


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def _towards(start: Point, end: Point, distance: float) -> Point:
    """The point at a distance from `start`, on the way to `end`."""
    dx, dy = _minus(end, start)
    whole = hypot(dx, dy) or 1.0
    return start[0] + dx * distance / whole, start[1] + dy * distance / whole


def draw_sign(x: float, y: float, symbol: str) -> list[str]:
    """Write the data of the paths that make the sign of a merge around its centre; none for a merge that has no
    sign."""
    r = RADIUS - 3.5
    d = r * 0.7
    if symbol == "shake":
        return [f"M{px(x - r)},{px(y)} q{px(r / 2)},{px(-r)} {px(r)},0 t{px(r)},0"]
    beside = [(-2.5, -r, -2.5, r), (2.5, -r, 2.5, r)]
    signs: dict[str, list[tuple[float, float, float, float]]] = {
        "add": [(-r, 0, r, 0), (0, -r, 0, r)],
        "sub": [(-r, 0, r, 0)],
        "mul": [(-d, -d, d, d), (-d, d, d, -d)],
        "div": [(-d, d, d, -d)],
        "max": [(-d, -d, 0, d), (0, d, d, -d)],
        "min": [(-d, d, 0, -d), (0, -d, d, d)],
        "concat": beside,
        "concat_positions": beside,
    }
    return [f"M{px(x + a)},{px(y + b)} L{px(x + c)},{px(y + e)}" for a, b, c, e in signs.get(symbol, ())]


def text_width(text: str) -> float:
    """Measure the room that a line takes; East Asian letters are twice as wide as others."""
    return LETTER * sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def px(value: float) -> str:
    """Write a length with at most one decimal place, the same on every machine."""
    return f"{round(value, 1) + 0.0:g}" if abs(value) < 1000 else f"{value:.0f}"
