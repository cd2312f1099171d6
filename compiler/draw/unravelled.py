"""The unravelled drawing (Prince, 2023, figure 11.4b): every path of a network from left to right, as a tree.

A box stands for one use of a function, and has its colour wherever it occurs; values join in circles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec.errors import ArchspecError
from archspec.wording import tell_count, write_count
from compiler.analysis.paths.skeleton import Skeleton, find_skeleton
from compiler.analysis.paths.unravel import MAX_LISTED_PATHS, choose_names, list_ways
from compiler.draw.frame import Box, Caption, MergeSign, Polyline, Primitive, shift, write_drawing
from compiler.draw.theme import LETTER, RADIUS, Point
from compiler.graph import Graph

MAX_SYMBOLS = 1200
"""The largest number of boxes and starts of lines in one drawing."""
ROW, GAP, BOX = 30, 26, 46

FILLS = (
    ("#d6e6fb", "#1f4068"),
    ("#fddcb8", "#6b4313"),
    ("#dcf0dc", "#23492b"),
    ("#b9e8ec", "#175057"),
    ("#ece0f7", "#45305f"),
    ("#f9dcdc", "#612b2f"),
    ("#f3efb4", "#55500f"),
    ("#f7d3ea", "#5c2a4c"),
)
"""Colours of functions in turn, on light and on dark ground."""


@dataclass(frozen=True)
class Subtree:
    """Primitives that end at (width, y), where their value goes on."""

    width: float
    height: float
    y: float
    parts: tuple[Primitive, ...]

    def moved(self, dy: float) -> Subtree:
        return Subtree(self.width, self.height, self.y + dy, shift(self.parts, 0, dy))


def draw_unravelled(graph: Graph) -> str:
    """Draw a network's paths as SVG, one tree for each output. Raises ArchspecError where it would be too large."""
    skeleton = find_skeleton(graph)
    cores = {output: skeleton.core(output) for output in skeleton.outputs}
    _check_size(skeleton, cores.values())
    names = choose_names(skeleton)
    figures = _draw_values(skeleton, names, cores.values())
    top, width = 0.0, 0.0
    parts: list[Primitive] = []
    words = []
    for output, core in cores.items():
        figure = figures[core].moved(top + ROW)
        head = f"{output}: {tell_count(skeleton.paths[core], 'path')}"
        way_out = Polyline(((figure.width, figure.y), (figure.width + GAP, figure.y)))
        end = names[core] if core == skeleton.outputs[output] else f"{names[core]} … {output}"
        parts += [Caption(0, top + ROW / 2, (head,), kind="title"), *figure.parts, way_out]
        parts.append(Caption(figure.width + GAP + 6, figure.y, (end,), kind=""))
        top, width = top + figure.height + 2 * ROW, max(width, figure.width + 2 * GAP + LETTER * len(end))
        words.append(f"{head}: {'; '.join(' '.join(way) or 'straight on' for way in list_ways(skeleton, core))}.")
    rules = ["".join(f".fill{i} {{ fill: {pair[side]} }}\n" for i, pair in enumerate(FILLS)) for side in (0, 1)]
    return write_drawing((width, top - ROW), parts, f"{graph.name}, unravelled", " ".join(words), rules)


def _check_size(skeleton: Skeleton, cores: Iterable[str]) -> None:
    paths = sum(skeleton.paths[core] for core in cores)
    if paths > MAX_LISTED_PATHS or sum(skeleton.symbols[core] for core in cores) > MAX_SYMBOLS:
        found = write_count(paths) if paths > MAX_LISTED_PATHS else "too long"
        raise ArchspecError(
            f"{skeleton.name} unravels to {found} paths; a drawing shows at most {MAX_LISTED_PATHS}: take fewer blocks "
            "with --set, or draw the network as it is"
        )


def _draw_values(skeleton: Skeleton, names: dict[str, str], cores: Iterable[str]) -> dict[str, Subtree]:
    """The figures of what the cores need, from the starts on."""
    needed, waiting = set(), list(cores)
    while waiting:
        id = waiting.pop()
        if id not in needed:
            needed.add(id)
            waiting += () if id in skeleton.starts else skeleton.values[id].operands
    figures: dict[str, Subtree] = {}
    for id, value in skeleton.values.items():
        if id in needed and (id in skeleton.starts or not value.operands):
            figures[id] = Subtree(
                LETTER * len(names[id]) + 5, ROW, ROW / 2, (Caption(0, ROW / 2, (names[id],), kind=""),)
            )
        elif id in needed and value.kind == "call":
            figures[id] = _apply(value.function, [figures[operand] for operand in value.operands])
        elif id in needed:
            joined = _flatten(skeleton, id)
            figures[id] = _join(value.kind, [figures[operand] for operand in joined])
    return figures


def _flatten(skeleton: Skeleton, id: str) -> list[str]:
    """List what a joint joins, with what joints of its kind join in their place: their circles would say nothing."""
    kind, joined, waiting = skeleton.values[id].kind, [], [*reversed(skeleton.values[id].operands)]
    while waiting:
        operand = waiting.pop()
        if skeleton.values[operand].kind == kind and operand not in skeleton.starts:
            waiting += reversed(skeleton.values[operand].operands)
        else:
            joined.append(operand)
    return joined


def _apply(name: str, figures: Sequence[Subtree]) -> Subtree:
    before = _stack(figures)
    x = before.width + GAP
    lines = [
        Polyline(((width, y), (x - GAP / 2, y), (x - GAP / 2, before.y), (x, before.y))) for width, y in before.ends
    ]
    return Subtree(x + BOX, before.height, before.y, (*before.parts, *lines, _draw_call(x, before.y, name)))


def _draw_call(x: float, y: float, name: str) -> Box:
    kind = f"fill{(int(name[1:]) - 1) % len(FILLS)}" if name[0] == "f" else "call"
    return Box(x, y - 11, BOX, 22, (name,), kind)


def _join(kind: str, figures: Sequence[Subtree]) -> Subtree:
    before = _stack(figures)
    x = before.width + GAP + RADIUS
    ways = [_lead(end, (x, before.y)) for end in before.ends]
    lines = [Polyline(way, _is_pointed(way)) for way in ways]
    return Subtree(x + RADIUS, before.height, before.y, (*before.parts, *lines, MergeSign(x, before.y, kind)))


def _lead(start: Point, centre: Point) -> tuple[Point, ...]:
    """The way from the end of a figure to the edge of a circle."""
    y, (cx, cy) = start[1], centre
    if abs(y - cy) < RADIUS:
        return (start, (cx - RADIUS, y))
    return (start, (cx, y), (cx, cy + (RADIUS if y > cy else -RADIUS)))


def _is_pointed(way: Sequence[Point]) -> bool:
    """Tell whether the end of a way has room for an arrow."""
    (_, y1), (_, y2) = way[-2:]
    return len(way) == 2 or abs(y2 - y1) > ROW / 2


@dataclass(frozen=True)
class _Stack:
    width: float
    height: float
    y: float
    ends: tuple[Point, ...]
    parts: tuple[Primitive, ...]


def _stack(figures: Sequence[Subtree]) -> _Stack:
    """Stack figures below each other; `y` is in the middle of where the first and the last end."""
    top, placed = 0.0, []
    for figure in figures:
        placed.append(figure.moved(top))
        top += figure.height
    ends = tuple((figure.width, figure.y) for figure in placed)
    width = max(figure.width for figure in figures)
    return _Stack(width, top, (ends[0][1] + ends[-1][1]) / 2, ends, tuple(p for figure in placed for p in figure.parts))
