"""Where a weight comes from: tensors of others, of which rows are cut out, joined, and their axes put in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.weights.safetensors_file import StoredTensor

RowRange: TypeAlias = tuple[int, int, int]
"""The first of some rows, the one behind the last, and the distance from one to the next."""


@dataclass(frozen=True, slots=True)
class WeightOrigin:
    """The tensors of theirs that a weight is read from, joined along their first axis; of each only some rows, where
    `find_rows` says which of how many, of each of `parts` equal parts. Then the axes come in the order of `permute`;
    with `reshape` the numbers may be laid out in other extents."""

    names: tuple[str, ...]
    reshape: bool = False
    permute: tuple[int, ...] = ()
    find_rows: Callable[[int], RowRange] | None = None
    parts: int = 1

    def find_pieces(self, state: Mapping[str, StoredTensor], ours: str) -> tuple[Piece, ...] | None:
        """Find the pieces in a state dict; None where a tensor is not there. Raises InputError where a tensor cannot be
        cut or turned so."""
        if not all(name in state for name in self.names):
            return None
        return tuple(piece for name in self.names for piece in self._cut(name, state[name], ours))

    def _cut(self, name: str, stored: StoredTensor, ours: str) -> Iterator[Piece]:
        shape = stored.shape
        if self.permute and len(self.permute) != len(shape):
            raise InputError(f"{ours}: {name} is {write_shape(shape)}, and `permute` has {len(self.permute)} axes")
        if self.find_rows is None:
            yield Piece(name, stored, None)
            return
        if not shape:
            raise InputError(f"{ours}: {name} is a single number, and has no rows to cut")
        rows, left = divmod(shape[0], self.parts)
        if left or not rows:
            raise InputError(f"{ours}: {name} has {shape[0]} rows, which are no {self.parts} equal parts")
        start, stop, step = self.find_rows(rows)
        if not 0 <= start < stop <= rows or step < 1:
            cut = f"from {start} to {stop}" + (f" by {step}" if step != 1 else "")
            whole = "rows" if self.parts == 1 else f"rows in each of its {self.parts} parts"
            raise InputError(f"{ours}: {name} has {rows} {whole}, of which {cut} cannot be cut")
        for first in range(0, shape[0], rows):
            yield Piece(name, stored, range(first + start, first + stop, step))

    def find_shape(self, pieces: Sequence[Piece], ours: str) -> tuple[int, ...]:
        """Find the extents of the joined pieces. Raises InputError where they cannot be joined."""
        first, *others = (piece.shape for piece in pieces)
        if any(len(other) != len(first) or not first or other[1:] != first[1:] for other in others):
            told = " and ".join(f"{piece.name} {write_shape(piece.shape)}" for piece in pieces)
            raise InputError(f"{ours}: {told} cannot be joined, since they differ beyond their first axis")
        joined = (first[0] + sum(other[0] for other in others), *first[1:]) if others else first
        return tuple(joined[axis] for axis in self.permute) if self.permute else joined

    def build(self, pieces: Sequence[Piece], arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Build the weight of its pieces, of which `arrays` are the whole tensors."""
        cut = [arrays[piece.name] if piece.rows is None else arrays[piece.name][piece.slice] for piece in pieces]
        joined = cut[0] if len(cut) == 1 else np.concatenate(cut)
        return joined.transpose(self.permute) if self.permute else joined


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor of theirs, or those of its rows that a weight is made of."""

    name: str
    stored: StoredTensor
    rows: range | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape if self.rows is None else (len(self.rows), *self.stored.shape[1:])

    @property
    def slice(self) -> slice:
        assert self.rows is not None
        return slice(self.rows.start, self.rows.stop, self.rows.step)

    def __str__(self) -> str:
        if self.rows is None:
            return self.name
        step = "" if self.rows.step == 1 else f":{self.rows.step}"
        return f"{self.name}[{self.rows.start}:{self.rows.stop}{step}]"


class RowUse:
    """The rows of their tensors that weights are made of so far: each at most once, and in the end all."""

    def __init__(self, rules: str) -> None:
        self.rules = rules
        self._readers: dict[str, list[tuple[Piece, str]]] = {}

    def take(self, piece: Piece, ours: str) -> None:
        """Note that a weight takes a piece. Raises InputError where another one has taken of it already."""
        taken = self._readers.setdefault(piece.name, [])
        for other, reader in taken:
            if _overlap(other.rows, piece.rows):
                raise InputError(f"{self.rules}: {reader} and {ours} would both be read from {piece}")
        taken.append((piece, ours))

    def find_unused(self, name: str, stored: StoredTensor) -> str | None:
        """Say what of a tensor no weight takes: its name, with the number of rows that are left; None where nothing
        is."""
        taken = [piece for piece, _ in self._readers.get(name, ())]
        if not taken:
            return name
        if any(piece.rows is None for piece in taken):
            return None
        left = stored.shape[0] - sum(len(piece.rows or ()) for piece in taken)
        return f"{name} ({left} of its {stored.shape[0]} rows)" if left else None


def _overlap(some: range | None, others: range | None) -> bool:
    """Tell whether two cuts of a tensor have a row in common; None is the whole."""
    if some is None or others is None:
        return True
    shared = math.gcd(some.step, others.step)
    if (others.start - some.start) % shared or some.stop <= others.start or others.stop <= some.start:
        return False
    fewer, more = sorted((some, others), key=len)
    return any(row in more for row in fewer)
