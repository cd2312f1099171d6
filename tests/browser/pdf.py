"""What Chromium paints on the pages of a PDF: filled shapes, with their colours and where they lie."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOKEN = re.compile(rb"\((?:\\.|[^\\)])*\)|<[0-9A-Fa-f]*>|/?[^\s\[\]()<>/]+|[\[\]]")
FLIP = re.compile(rb"^[\d.]+ 0 0 -[\d.]+ 0 [\d.]+ cm")
"""With which a page begins, whose coordinates lead upward."""
OPERANDS = {b"re": 4, b"m": 2, b"l": 2, b"c": 6, b"v": 4, b"y": 4}


@dataclass(frozen=True)
class Shape:
    """A filled path: its colour, in 256 steps, and the ends of its segments, downward as on the screen."""

    colour: tuple[int, ...]
    points: tuple[tuple[float, float], ...]

    @property
    def left(self) -> float:
        return min(x for x, _ in self.points)

    @property
    def right(self) -> float:
        return max(x for x, _ in self.points)

    @property
    def top(self) -> float:
        return min(y for _, y in self.points)

    @property
    def bottom(self) -> float:
        return max(y for _, y in self.points)


def read_layers(data: bytes) -> list[list[Shape]]:
    """The shapes of each stream that paints, a page or a part of one, in the order in which the file has them."""
    layers = []
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            text = zlib.decompress(found[1])
        except zlib.error:
            continue
        if b" gs\n" in text and text.isascii():  # else it is a font, or how characters are called
            layers.append(list(_read_shapes(FLIP.sub(b"", text))))
    return layers


def _read_shapes(text: bytes) -> Iterator[Shape]:
    matrix, colour, saved = np.eye(3), (0, 0, 0), []
    path: list[tuple[float, float]] = []
    stack: list[bytes] = []
    for found in TOKEN.finditer(text):
        word = found[0]
        if re.fullmatch(rb"-?[\d.]+", word) or word[:1] in b"/<([":
            stack.append(word)
            continue
        numbers = [float(item) for item in stack if re.fullmatch(rb"-?[\d.]+", item)]
        stack = []
        if word == b"q":
            saved.append((matrix, colour))
        elif word == b"Q":
            matrix, colour = saved.pop()
        elif word == b"cm":
            a, b, c, d, e, f = numbers
            matrix = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ matrix
        elif word == b"rg":
            red, green, blue = (round(255 * number) for number in numbers)
            colour = red, green, blue
        elif word == b"re":
            x, y, width, height = numbers
            path += [(x, y), (x + width, y + height)]
        elif word in OPERANDS:
            path.append((numbers[-2], numbers[-1]))
        elif word in (b"f", b"f*", b"B", b"b"):
            ends = [tuple((np.array([x, y, 1]) @ matrix)[:2]) for x, y in path]
            yield Shape(colour, tuple((float(x), float(y)) for x, y in ends))
            path = []
        elif word in (b"n", b"S", b"s"):
            path = []
