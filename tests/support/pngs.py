"""PNG files written byte by byte, also those that Pillow cannot write: 16-bit colours, a transparent colour."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of bands: gray, gray with alpha, colours, colours with alpha."""


PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of Adam7: first row, first column, and how far rows and columns are apart."""


def write_png(
    path: Path, pixels: np.ndarray, depth: int = 8, key: tuple[int, ...] = (), *, interlaced: bool = False
) -> Path:
    """Pixels (H, W, bands) in whole numbers of `depth` bits; `key` is the colour that is transparent."""
    height, width, bands = pixels.shape
    parts = [pixels[row::down, column::right] for row, column, down, right in PASSES] if interlaced else [pixels]
    lines = b"".join(_write_lines(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[bands], 0, 0, interlaced)
    clear = [_chunk(b"tRNS", pack_key(key))] if key else []
    return _write_chunks(path, [_chunk(b"IHDR", header), *clear, _chunk(b"IDAT", zlib.compress(lines))])


def write_shallow_png(path: Path, numbers: np.ndarray, depth: int) -> Path:
    """Gray numbers (H, W) of 1, 2 or 4 bits, several in a byte; W fills whole bytes."""
    bits = (numbers[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(len(numbers), -1).astype(np.uint8), axis=1)
    header = struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], depth, 0, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return _write_chunks(path, [_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines))])


def write_palette_png(path: Path, entries: np.ndarray, colours: list[tuple[int, int, int]], alphas: bytes) -> Path:
    """Entries (H, W) of a palette, in eight bits each."""
    header = struct.pack(">IIBBBBB", entries.shape[1], entries.shape[0], 8, 3, 0, 0, 0)
    lines = zlib.compress(_write_lines(entries[..., None], 8))
    chunks = {b"IHDR": header, b"PLTE": bytes(np.array(colours, np.uint8)), b"tRNS": alphas, b"IDAT": lines}
    return _write_chunks(path, [_chunk(kind, body) for kind, body in chunks.items()])


def add_chunk(path: Path, before: bytes, kind: bytes, body: bytes) -> Path:
    """Another chunk before the first of a kind."""
    content = path.read_bytes()
    place = content.index(before) - 4
    path.write_bytes(content[:place] + _chunk(kind, body) + content[place:])
    return path


def pack_key(key: tuple[int, ...]) -> bytes:
    """A colour as tRNS has it: 16 bits each, whatever the picture's depth."""
    return struct.pack(f">{len(key)}H", *key)


def _write_lines(pixels: np.ndarray, depth: int) -> bytes:
    if depth < 8:
        bits = (pixels[..., 0, None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(len(pixels), -1).astype(np.uint8), axis=1)
    else:
        rows = pixels.reshape(len(pixels), -1).astype(">u2" if depth == 16 else np.uint8).view(np.uint8)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def write_huge_png(path: Path, side: int) -> Path:
    """A few bytes that say they are side × side pixels."""
    write_png(path, np.zeros((1, 1, 1), int))
    content = path.read_bytes()
    header = struct.pack(">II", side, side) + content[24:29]
    path.write_bytes(content[:8] + _chunk(b"IHDR", header) + content[33:])
    return path


def _write_chunks(path: Path, chunks: list[bytes]) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, _chunk(b"IEND", b"")]))
    return path


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
