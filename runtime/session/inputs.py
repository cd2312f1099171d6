"""Inputs that are made up for a session: of a batch, at sizes, with numbers at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError, suggest
from runtime.session.sizes import name_sizes

if TYPE_CHECKING:
    from runtime.session.session import Session

BATCHES = (1, 8, 32)
"""The batches of a measurement for which nobody says others."""

MAX_NUMBERS = 1 << 29
"""The most numbers of an input that is made up: a file may ask for any size, and a machine has so much memory."""


def find_batch_axes(session: Session) -> set[str]:
    """Find the names of the axes along which samples lie: the free first axes of the inputs, but for those that are
    sizes of one sample by the model's own word."""
    firsts = {extents[0] for extents in session.inputs.values() if extents}
    return {first for first in firsts if isinstance(first, str) and first not in session.sizes}


def make_inputs(session: Session, batch: int, sizes: Mapping[str, int], seed: int = 0) -> dict[str, Array]:
    """Draw inputs of that batch and those sizes: of whole numbers those that the model says name its rows, and else
    zeros. Raises InputError where the model does not take them, or they are too large to be made up."""
    generator = np.random.default_rng(seed)
    return {
        name: draw_input(generator, shape, session.dtypes[name], session.rows.get(name, 1))
        for name, shape in choose_shapes(session, batch, sizes).items()
    }


def draw_input(generator: np.random.Generator, shape: Sequence[int], dtype: npt.DTypeLike, rows: int = 1) -> Array:
    """Draw an input: standard normal numbers, or whole ones below `rows`: any other might be an index out of range."""
    dtype = np.dtype(dtype)
    drawn: Array = generator.standard_normal(shape) if dtype.kind == "f" else generator.integers(0, rows, shape)
    return drawn.astype(dtype)


def choose_shapes(session: Session, batch: int, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Choose the shapes of made-up inputs, by name. Raises InputError as `make_inputs` does."""
    sizes, batches = name_sizes(sizes, session.inputs), find_batch_axes(session)
    names = (extent for extents in session.inputs.values() for extent in extents if isinstance(extent, str))
    free = [name for name in dict.fromkeys(names) if name not in batches]
    known = {**dict.fromkeys(batches, batch), **sizes}
    for name in sizes:
        if name not in free:
            advice = ": it is the batch" if name in batches else suggest(name, free)
            raise InputError(
                f"{session.path} has no free size '{name}'{advice} (free sizes: {', '.join(free) or 'none'}; inputs: "
                f"{session.describe_inputs()})"
            )
    shapes = {}
    for name, extents in session.inputs.items():
        shape = tuple(_choose_extent(session, name, extent, known) for extent in extents)
        if prod(shape) > MAX_NUMBERS:
            raise InputError(
                f"{session.path}: the input {list_shapes({name: shape})} would have {prod(shape):,} numbers, "
                f"and at most {MAX_NUMBERS:,} are made up: choose a smaller batch or size"
            )
        shapes[name] = shape
    return shapes


def choose_batches(session: Session, given: Sequence[int] | None) -> list[int] | list[None]:
    """Give the batches of a measurement, in order: those given, or BATCHES; one None for a model that has no batch.

    Raises ArchspecError where one is given to such a model, unless it is the fixed first extent.
    """
    if find_batch_axes(session):
        return sorted(set(given or BATCHES))
    if given and set(given) != {session.fixed_batch}:
        raise InputError(
            f"{session.path} has no free first axis for a batch of {given[0]} (inputs: {session.describe_inputs()})"
        )
    return [None]


def list_shapes(shapes: Mapping[str, Sequence[int]]) -> str:
    """Write the shapes of arrays by name: `image 1 × 3 × 224 × 224`."""
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())


def _choose_extent(session: Session, name: str, extent: int | str, sizes: Mapping[str, int]) -> int:
    if isinstance(extent, int):
        return extent
    if extent in sizes:
        return sizes[extent]
    if extent in session.sizes:
        return session.sizes[extent].value
    raise InputError(
        f"{session.path}: the size {extent} of the input {session.describe_input(name)} is free: "
        f"give it with --size {extent}=…"
    )
