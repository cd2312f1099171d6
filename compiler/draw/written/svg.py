"""A figure as SVG text: no outside references, legible on light and on dark ground, the same bytes each time."""

from __future__ import annotations

from html import escape

from compiler.draw.theme import LINE, RADIUS, TIP, draw_sign, px, round_corners, style_sheet
from compiler.draw.written.figures import Box, Figure, Line, Mark, Note, Part

MARGIN = 20


def draw(figure: Figure, title: str, description: str) -> str:
    """The whole text of the file."""
    width, height = figure.width + 2 * MARGIN, figure.height + 2 * MARGIN
    parts = sorted(figure.at(MARGIN, MARGIN), key=lambda part: isinstance(part, Box | Mark))  # lines lie under boxes
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{px(width)}" height="{px(height)}" '
            f'viewBox="0 0 {px(width)} {px(height)}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(description)}</desc>',
            f"<style>\n{style_sheet()}</style>",
            TIP,
            f'<rect class="ground" width="{px(width)}" height="{px(height)}" rx="8"/>',
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
        f'<rect class="box {box.kind}" x="{px(box.x)}" y="{px(box.y)}" width="{px(box.width)}" '
        f'height="{px(box.height)}" rx="{px(rounding)}"/>'
    )
    first = middle - LINE * (len(box.lines) - 1) / 2
    texts = []
    for i, line in enumerate(box.lines):
        kind = ' class="more"' if i and box.kind == "call" else ""
        texts.append(
            f'<text{kind} x="{px(x)}" y="{px(first + LINE * i + 4)}" text-anchor="middle">{escape(line)}</text>'
        )
    return [rect, *texts]


def _write_note(note: Note) -> list[str]:
    first = note.y - LINE * (len(note.lines) - 1) / 2
    anchor = "" if note.anchor == "start" else f' text-anchor="{note.anchor}"'
    return [
        f'<text class="{note.kind}" x="{px(note.x)}" y="{px(first + LINE * i + 4)}"{anchor}>{escape(line)}</text>'
        for i, line in enumerate(note.lines)
    ]


def _write_line(line: Line) -> str:
    kind = {"way": "line", "choice": "line choice", "bracket": "bracket"}[line.kind]
    tip = ' marker-end="url(#tip)"' if line.arrow else ""
    return f'<path class="{kind}" d="{round_corners(line.points)}"{tip}/>'


def _write_mark(mark: Mark) -> list[str]:
    x, y = mark.x, mark.y
    circle = f'<circle class="mark" cx="{px(x)}" cy="{px(y)}" r="{RADIUS}"><title>{mark.symbol}</title></circle>'
    return [circle, *(f'<path class="sign" d="{path}"/>' for path in draw_sign(x, y, mark.symbol))]
