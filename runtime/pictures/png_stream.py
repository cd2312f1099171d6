"""What a PNG says that Pillow does not tell: whether it has all its rows, and what in it is transparent."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from archspec.errors import InputError

SIGNATURE, CHUNK = 8, 8
"""The numbers of bytes at the beginning of the file, and of each chunk."""

GRAY, COLOURS, PALETTE = 0, 2, 3
"""The colour types that have no alpha channel."""

BANDS = {GRAY: 1, COLOURS: 3, PALETTE: 1, 4: 2, 6: 4}
"""The number of channels, by the colour type."""

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The passes of an interlaced picture: the first row and column of each, and the steps to the next."""

MAX_CHUNK = 1 << 20
"""The largest number of bytes that are read, or unpacked, at a time."""

MAX_COLOURS = 256
"""The largest number of colours in a palette."""


class Header(NamedTuple):
    """The first chunk of a PNG."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def bytes(self) -> int:
        """The number of bytes of all rows, each with its filter."""
        total, bits = 0, self.depth * BANDS[self.colour]
        for row, column, down, right in PASSES if self.interlaced else ((0, 0, 1, 1),):
            rows, columns = -(-(self.height - row) // down), -(-(self.width - column) // right)
            total += rows * (1 + -(-columns * bits // 8)) if rows > 0 and columns > 0 else 0
        return total


class Transparency(NamedTuple):
    """The transparency of a picture that has no alpha channel: the one colour `key`, in numbers of as many bits as
    Pillow gives, or the alpha of the first entries of the palette."""

    key: tuple[int, ...] | None = None
    alphas: bytes = b""


def has_all_rows(path: str | Path) -> bool:
    """Tell whether a PNG that was decoded without an error has the rows that it says it has: Pillow takes those that
    are missing for black. Nothing that is unpacked here is kept."""
    with open(path, "rb") as file:
        due = _read_header(file, path).bytes
        stream = zlib.decompressobj()
        for packed in _read_data(file):
            while due > 0 and (lines := stream.decompress(packed, MAX_CHUNK)):
                due -= len(lines)
                packed = stream.unconsumed_tail
        return due <= 0


def read_transparency(path: str | Path) -> Transparency:
    """Read a PNG's chunk tRNS as browsers do: the first counts, and none behind the pixels or beside an alpha channel;
    of a colour the bits that the picture has.

    Raises InputError where the chunk is of no colour.
    """
    with open(path, "rb") as file:
        header = _read_header(file, path)
        body = _find_transparency(file) if header.colour in (GRAY, COLOURS, PALETTE) else None
    if body is None:
        return Transparency()
    if header.colour == PALETTE:
        return Transparency(alphas=body)
    bands, most = BANDS[header.colour], (1 << header.depth) - 1
    if len(body) != 2 * bands:
        raise InputError(f"{path} is a broken picture: its transparent colour (tRNS) is none")
    stretched = max(1, 255 // most)  # Pillow makes eight bits of fewer
    return Transparency(tuple((sample & most) * stretched for sample in struct.unpack(f">{bands}H", body)))


def _find_transparency(file: BinaryIO) -> bytes | None:
    for kind, size in _list_chunks(file):
        if kind == b"IDAT":
            return None
        if kind == b"tRNS":
            return file.read(min(size, MAX_COLOURS))
    return None


def _read_header(file: BinaryIO, path: str | Path) -> Header:
    file.seek(SIGNATURE)
    _, kind, *fields = struct.unpack(">I4sIIBBBBB", file.read(CHUNK + 13))
    if kind != b"IHDR":
        raise InputError(f"{path} is a broken picture: a PNG begins with its header")
    width, height, depth, colour, _, _, interlaced = fields
    return Header(width, height, depth, colour, bool(interlaced))


def _read_data(file: BinaryIO) -> Iterator[bytes]:
    for kind, size in _list_chunks(file):
        while kind == b"IDAT" and size and (piece := file.read(min(size, MAX_CHUNK))):
            yield piece
            size -= len(piece)


def _list_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The kind of each chunk, and the bytes of its body, where the file then is."""
    start = SIGNATURE
    while file.seek(start) and len(head := file.read(CHUNK)) == CHUNK:
        size, kind = struct.unpack(">I4s", head)
        yield kind, size
        start += CHUNK + size + 4
