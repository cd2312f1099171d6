"""Whether a PNG has all the rows that it says it has: Pillow takes those that are missing for black."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIGNATURE, CHUNK = 8, 8
"""Bytes at the beginning of the file, and of each chunk."""

BANDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the colour type."""

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of an interlaced picture: first row and column, and the steps to the next."""

AT_ONCE = 1 << 20
"""Bytes that are read, or unpacked, at a time."""


def has_all_rows(path: str | Path) -> bool:
    """For a file that was decoded without an error; nothing that is unpacked here is kept."""
    with open(path, "rb") as file:
        file.seek(SIGNATURE + CHUNK)
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
        due = _count_bytes(width, height, depth * BANDS[colour], bool(interlaced))
        stream = zlib.decompressobj()
        for packed in _read_data(file):
            while due > 0 and (lines := stream.decompress(packed, AT_ONCE)):
                due -= len(lines)
                packed = stream.unconsumed_tail
        return due <= 0


def _count_bytes(width: int, height: int, bits: int, interlaced: bool) -> int:
    """Of all rows, each with its filter."""
    total = 0
    for row, column, down, right in PASSES if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - row) // down), -(-(width - column) // right)
        total += rows * (1 + -(-columns * bits // 8)) if rows > 0 and columns > 0 else 0
    return total


def _read_data(file: BinaryIO) -> Iterator[bytes]:
    file.seek(SIGNATURE)
    while len(head := file.read(CHUNK)) == CHUNK:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT":
            while size and (piece := file.read(min(size, AT_ONCE))):
                yield piece
                size -= len(piece)
        file.seek(size + 4, 1)
