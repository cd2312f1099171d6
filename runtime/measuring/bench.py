"""Latency and throughput of a session, by batch, measured so that no batch profits from its place in the order."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import InputError, suggest
from runtime.session.session import Session
from runtime.session.sizes import name_sizes
from runtime.verification.cases import list_shapes

WARMUPS = 3
LEAST_RUNS = 5
BATCHES = (1, 8, 32)

MOST_NUMBERS = 1 << 29
"""Of an input that is made up. A file may ask for any size, and a machine has so much memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """Percentiles and mean of a run's time in milliseconds, images per second over all runs, and how many runs.

    `batch` and `images_per_second` are None for a model that does not say how many samples a run is of: one without a
    free first axis (see `find_batch_axes`).
    """

    batch: int | None
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    images_per_second: float | None
    runs: int

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def bench(
    session: Session,
    batches: Sequence[int] | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    seconds: float = 2.0,
    rounds: int = 5,
    seed: int = 0,
) -> list[Row]:
    """Time `session.run` on random inputs, with the copies to and from the device that a caller pays too.

    Each batch (BATCHES unless they are given) gets `seconds` in all, in `rounds` turns taken in random order; the first
    runs of each turn, which meet cold caches and sleeping threads, are dropped. A model that has no batch is timed as
    it is, in one row. `sizes` gives the extents of free axes by name or place (`x.2`); where it says nothing the
    model's own value is taken. Raises ArchspecError where neither knows one, and where batches are given to a model
    that has none.
    """
    if (batches is not None and (not batches or min(batches) < 1)) or rounds < 1 or seconds <= 0:
        raise InputError("batches, rounds and seconds must be positive")
    chosen = choose_batches(session, batches)
    feeds = {batch: make_inputs(session, batch or 1, sizes or {}, seed) for batch in chosen}
    times: dict[int | None, list[float]] = {batch: [] for batch in chosen}
    order = random.Random(seed)
    for _ in range(rounds):
        for batch in order.sample(chosen, len(chosen)):
            times[batch] += _time_turn(session, feeds[batch], seconds / rounds)
    return [_summarize(batch, values) for batch, values in times.items()]


def find_batch_axes(session: Session) -> set[str]:
    """The names of the axes along which samples lie: the free first axes of the inputs, but for those that are sizes of
    one sample by the model's own word."""
    firsts = {extents[0] for extents in session.inputs.values() if extents}
    return {first for first in firsts if isinstance(first, str) and first not in session.sizes}


def make_inputs(session: Session, batch: int, sizes: Mapping[str, int], seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Standard normal inputs (zeros for integer types) of that batch and those sizes. Raises ArchspecError where the
    model does not take them, or they are too large to be made up."""
    generator = np.random.default_rng(seed)
    return {
        name: (generator.standard_normal(shape) * _spread(session, name)).astype(session.dtypes[name])
        for name, shape in choose_shapes(session, batch, sizes).items()
    }


def choose_shapes(session: Session, batch: int, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shapes of these. Raises ArchspecError as `make_inputs` does."""
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
        if prod(shape) > MOST_NUMBERS:
            raise InputError(
                f"{session.path}: the input {list_shapes({name: shape})} would have {prod(shape):,} numbers, "
                f"and at most {MOST_NUMBERS:,} are made up: choose a smaller batch or size"
            )
        shapes[name] = shape
    return shapes


def choose_batches(session: Session, given: Sequence[int] | None) -> list[int] | list[None]:
    """Those given, or BATCHES, in order; one None for a model that has no batch.

    Raises ArchspecError where one is given to such a model, unless it is the fixed first extent.
    """
    if find_batch_axes(session):
        return sorted(set(given or BATCHES))
    if given and set(given) != {session.fixed_batch}:
        raise InputError(
            f"{session.path} has no free first axis for a batch of {given[0]} (inputs: {session.describe_inputs()})"
        )
    return [None]


def _spread(session: Session, name: str) -> float:
    """Integer inputs get zeros: any other number might be an index out of range."""
    return 1.0 if session.dtypes[name].kind == "f" else 0.0


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


def _time_turn(session: Session, feed: Mapping[str, npt.NDArray[Any]], seconds: float) -> list[float]:
    """Seconds of each run of one turn, at least a few, the warm-ups dropped."""
    for _ in range(WARMUPS):
        session.run(feed)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_RUNS or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(feed)
        times.append(time.perf_counter() - start)
    return times


def _summarize(batch: int | None, seconds: Sequence[float]) -> Row:
    p50, p90, p99 = (float(value) * 1e3 for value in np.percentile(seconds, (50, 90, 99)))
    total = float(np.sum(seconds))
    images = None if batch is None else batch * len(seconds) / total
    return Row(batch, p50, p90, p99, total / len(seconds) * 1e3, images, len(seconds))
