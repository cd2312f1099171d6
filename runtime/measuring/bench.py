"""Latency and throughput of a session, by batch, measured so that no batch profits from its place in the order."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import InputError
from runtime.session.inputs import choose_batches, make_inputs
from runtime.session.session import Session

WARMUPS = 3
MIN_RUNS = 5


@dataclass(frozen=True, slots=True)
class BatchTiming:
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
) -> list[BatchTiming]:
    """Time `session.run` on random inputs, with the copies to and from the device that a caller pays too.

    Each batch (BATCHES unless they are given) gets `seconds` in all, in `rounds` turns taken in random order; the first
    runs of each turn, which meet cold caches and sleeping threads, are dropped. A model that has no batch is timed as
    it is, in one row. `sizes` gives the extents of free axes by name or place (`x.2`); where it says nothing the
    model's own value is taken. Raises ArchspecError where neither knows one, and where batches are given to a model
    that has none.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> _ = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
    >>> from runtime.measuring.bench import bench
    >>> rows = bench(archspec.Session("model.onnx", providers=["cpu"]), [1, 8], seconds=0.02)
    >>> [row.batch for row in rows], all(0 < row.p50_ms <= row.p99_ms for row in rows)
    ([1, 8], True)
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


def _time_turn(session: Session, feed: Mapping[str, npt.NDArray[Any]], seconds: float) -> list[float]:
    """Measure the seconds of each run of one turn, at least a few, the warm-ups dropped."""
    for _ in range(WARMUPS):
        session.run(feed)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < MIN_RUNS or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(feed)
        times.append(time.perf_counter() - start)
    return times


def _summarize(batch: int | None, seconds: Sequence[float]) -> BatchTiming:
    p50, p90, p99 = (float(value) * 1e3 for value in np.percentile(seconds, (50, 90, 99)))
    total = float(np.sum(seconds))
    images = None if batch is None else batch * len(seconds) / total
    return BatchTiming(batch, p50, p90, p99, total / len(seconds) * 1e3, images, len(seconds))
