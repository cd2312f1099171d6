"""The settings of ONNX Runtime under which a model runs fastest on this device, by measurement."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.files import check_can_write, scratch_folder
from runtime.measuring.candidate import Job
from runtime.measuring.climb import FIXED, FREE, Climb, SettingsTrial
from runtime.session.inputs import choose_batches, find_batch_axes, make_inputs
from runtime.session.machine import read_cores
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.settings import Settings
from runtime.session.sizes import name_sizes
from runtime.session.tuning_file import TuningEntry, TuningKey, identify, keep_entries, read_entries, tuning_path

SECONDS = 60.0

TOLERANCE = {"float16": 1e-2, "float32": 1e-4}
"""The largest difference of outputs of a type from those under default settings, relative to the largest number."""

NEEDS_FIXED_SIZES = {"cuda": Settings(cuda_graph=True)}
"""Settings that are tried where the sizes are fixed, by provider."""

BUSY = 0.5
"""The number of processes that want a core, for each core, above which a machine is busy."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The outcome of `tune` for runs of this batch (None: nothing says how many samples a run is of) with the free axes
    at `sizes`.

    `settings` are the best; `trials` has each change against the best before it, and `finals` the result against
    default settings, at free sizes and with the sizes fixed. `untried` changes did not fit the time. `entries` are what
    `path` has of it, or would have; `stayed` are those of a fuller search that were there, and were not replaced. On a
    machine that was `busy` before, they may suit its other work.
    """

    path: Path
    key: TuningKey
    batch: int | None
    sizes: dict[str, int]
    settings: Settings
    default_milliseconds: float
    trials: tuple[SettingsTrial, ...]
    finals: tuple[SettingsTrial, ...]
    untried: tuple[str, ...]
    entries: tuple[TuningEntry, ...]
    seconds: float
    busy: bool
    stayed: tuple[TuningEntry, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        names = ("batch", "sizes", "default_milliseconds", "untried", "seconds", "busy")
        return {
            "file": str(self.path),
            **dataclasses.asdict(self.key),
            **{name: getattr(self, name) for name in names},
            "settings": self.settings.to_dict(),
            "trials": [trial.to_dict() for trial in self.trials],
            "finals": [trial.to_dict() for trial in self.finals],
            "entries": [entry.to_dict() for entry in self.entries],
            "stayed": [entry.to_dict() for entry in self.stayed],
        }


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """A search for the settings of the model in `path`, on inputs of this batch (1, where it is free) and these sizes,
    on a provider, in about so many seconds; TF32 is not tried unless it is allowed.

    Raises InputError where a number is not positive.
    """

    path: str | Path
    batch: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    provider: Sequence[str] | str | None = None
    seconds: float = SECONDS
    allow_tf32: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.batch is not None and self.batch < 1):
            raise InputError("batch and seconds must be positive")


def tune(request: TuneRequest, *, keep: bool = True, force: bool = False, on_step: OnStep = ignore_step) -> Tuning:
    """Try settings, and with `keep` store the best beside the model, where `Session` finds them. What a search found
    that tried more changes is replaced by `force` alone.

    Settings are changed one after the other, each measured in a process of its own in turns with the best before it.
    In the end the best must be faster than the default settings (`climb.is_faster`), else those stay. What changes the
    outputs beyond rounding is refused. The last comparison takes place even where the time is over. Raises
    ArchspecError where the model does not run, or its result cannot be stored.
    """
    start, busy, path = time.perf_counter(), _is_busy(), request.path
    read_entries(path)  # a file that cannot be added to is no surprise at the end, nor a place that cannot be written
    if keep:
        check_can_write(tuning_path(path))
    workload = _examine(request)
    found = _search(request, workload, on_step)
    key = identify(ModelFile.open(path), workload.provider)
    entries = _list_entries(key, workload.axes, found)
    return Tuning(
        tuning_path(path),
        key,
        (request.batch or 1) if workload.has_batch else None,
        workload.axes,
        entries[0].settings,
        found.default_milliseconds,
        found.trials,
        found.finals,
        found.untried,
        entries,
        time.perf_counter() - start,
        busy,
        keep_entries(path, entries, force=force) if keep else (),
    )


def list_changes(provider: str, cores: int, *, allow_tf32: bool = False) -> list[Settings]:
    """The changes that are tried, in their order: what usually matters most comes first."""
    if provider == "cpu":
        counts = set(range(1, cores + 1)) if cores <= 4 else {1, 4, cores // 2, cores}
        return [
            Settings(spinning=False),
            *(Settings(threads=count) for count in sorted(counts, reverse=True)),
            Settings(block_base=4),
            Settings(layout="plain"),
            Settings(arena=False),
            Settings(memory_pattern=False),
            Settings(flush_denormals=True),
        ]
    if provider == "cuda":
        return [
            Settings(conv_search="exhaustive"),
            Settings(nhwc=True),
            Settings(conv_bias=True),
            Settings(conv_workspace=False),
            Settings(arena_growth="exact"),
            *([Settings(tf32=True)] if allow_tf32 else []),
        ]
    return []  # TensorRT measures by itself


def _is_busy() -> bool:
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > BUSY * read_cores().usable


@dataclass(frozen=True, slots=True)
class _Workload:
    """The runs that are timed: on which provider, at which sizes by name, with which extents of all free axes; whether
    one of these is a batch; and how far outputs may be off."""

    provider: str
    sizes: dict[str, int]
    axes: dict[str, int]
    has_batch: bool
    tolerance: float


@dataclass(frozen=True, slots=True)
class _SearchResult:
    """The `best` settings of a search, those with the sizes fixed, and how it came to them."""

    best: Settings
    best_fixed: Settings
    default_milliseconds: float
    trials: tuple[SettingsTrial, ...]
    finals: tuple[SettingsTrial, ...]
    untried: tuple[str, ...]


def _examine(request: TuneRequest) -> _Workload:
    """Raises ArchspecError where the model does not take these inputs."""
    session = Session(request.path, providers=request.provider, settings="default")
    if request.batch is not None:
        choose_batches(session, (request.batch,))
    feed = make_inputs(session, request.batch or 1, request.sizes, request.seed)
    pairs = [pair for name, array in feed.items() for pair in zip(session.inputs[name], array.shape, strict=True)]
    axes = {axis: extent for axis, extent in pairs if isinstance(axis, str)}
    types = {np.dtype(array.dtype).name for array in session.run(feed).values()}
    tolerance = max(TOLERANCE.get(name, TOLERANCE["float32"]) for name in types)
    sizes = name_sizes(request.sizes, session.inputs)
    return _Workload(session.provider, sizes, axes, bool(find_batch_axes(session)), tolerance)


def _search(request: TuneRequest, workload: _Workload, on_step: OnStep) -> _SearchResult:
    changes = list_changes(workload.provider, read_cores().paid, allow_tf32=request.allow_tf32)
    more = NEEDS_FIXED_SIZES.get(workload.provider, Settings())
    with scratch_folder() as folder:
        reference = str(folder / "reference.npz")
        job = Job(str(request.path), workload.provider, Settings(), request.batch or 1, workload.sizes, {}, reference)
        tolerance, seconds, seed = workload.tolerance, request.seconds, request.seed
        with Climb(job, tolerance=tolerance, seconds=seconds, seed=seed, on_step=on_step) as climb:
            climb.climb(changes)
            milliseconds, finals = climb.decide(workload.axes, more)
    return _SearchResult(
        climb.best,
        best_fixed=climb.best.changed_by(more),
        default_milliseconds=milliseconds,
        trials=tuple(climb.trials),
        finals=tuple(finals),
        untried=tuple(climb.untried),
    )


def _list_entries(key: TuningKey, axes: Mapping[str, int], found: _SearchResult) -> tuple[TuningEntry, ...]:
    """List what holds at any size, which is the default where nothing beat it; and, where it gains, with the sizes
    fixed."""
    taken = {trial.change: trial.milliseconds for trial in found.finals if trial.verdict == "taken"}
    chosen = [(FREE, found.best)] if FREE in taken else [("", Settings())]
    chosen += [(FIXED, found.best_fixed)] if FIXED in taken else []
    return tuple(
        TuningEntry(
            key,
            sizes=dict(axes),
            fixed=what == FIXED,
            settings=settings,
            milliseconds=taken.get(what) or found.default_milliseconds,
            default_milliseconds=found.default_milliseconds,
            tried=len(found.trials),
            changes=len(found.trials) + len(found.untried),
        )
        for what, settings in chosen
    )
