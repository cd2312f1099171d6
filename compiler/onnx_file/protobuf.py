"""The wire format of protocol buffers, as far as weights are passed over or streamed.

A message is a sequence of fields, each a key, perhaps a length, and its content
(https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types: how the content of a field is written. Strings, bytes and messages are delimited."""
FIXED = {FIXED64: 8, FIXED32: 4}

Bytes: TypeAlias = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class WireField:
    """One field of a message: its number, where its key starts, and where its content starts and ends."""

    number: int
    wire: int
    key: int
    start: int
    end: int


class MalformedError(ValueError):
    """Some bytes are no protobuf message."""


def walk_fields(data: Bytes, start: int, end: int) -> Iterator[WireField]:
    """Yield the fields of a message that lies from `start` to `end`. Raises MalformedError where it is none."""
    while start < end:
        key = start
        tag, start = _read_varint(data, start, end)
        wire = tag & 7
        if wire == VARINT:
            _, stop = _read_varint(data, start, end)
        elif wire == DELIMITED:
            length, start = _read_varint(data, start, end)
            stop = start + length
        elif wire in FIXED:
            stop = start + FIXED[wire]
        else:
            raise MalformedError
        if stop > end:
            raise MalformedError
        yield WireField(tag >> 3, wire, key, start, stop)
        start = stop


def delimit(number: int, content: bytes) -> bytes:
    """Write a field that holds these bytes."""
    return header_of(number, len(content)) + content


def header_of(number: int, size: int) -> bytes:
    """Write the key and the length of a field whose content of `size` bytes follows."""
    return _write_varint(number << 3 | DELIMITED) + _write_varint(size)


def _read_varint(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """The number at `start`, seven bits a byte, the lowest first; and where it ends."""
    value = 0
    for position in range(start, min(end, start + 10)):
        byte = data[position]
        value |= (byte & 0x7F) << 7 * (position - start)
        if byte < 0x80:
            return value, position + 1
    raise MalformedError


def _write_varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
