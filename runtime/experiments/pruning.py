"""Which parts of a trained network can be left out for good: as many as a budget of its score allows.

BlockDrop (Wu et al., 2018) decides it for each image by a second network; here it is decided once, for all, and the
smaller network is exported. The choice is made on training images, so that the held-out ones can tell what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, TypeAlias

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from compiler.passes.remove_bodies import RemovablePart
from runtime.data.dataset import Split
from runtime.experiments.lesion import PrunedNetwork, list_parts, try_without
from runtime.measuring.bench import bench
from runtime.session.session import Session
from runtime.training.run import Run

MAX_IMAGES = 1024
"""The most training images that a choice is made on."""

MAX_EXHAUSTIVE = 8
"""The most parts of which every set is tried; of more, parts are taken out one by one."""

TIMED_BATCHES, TIMED_SECONDS = (1, 32), 1.0
"""The batches whose runs are timed, and the seconds spent on each batch of each model."""

Prune: TypeAlias = Callable[[Sequence[RemovablePart]], PrunedNetwork]
"""A function that leaves parts out."""


@dataclass(frozen=True, eq=False)
class PruningChoice:
    """The parts to leave out, chosen by the score on `chosen_on` training images; scores, parameters and MACs
    (conv-linear) of the whole network (`before`) and of the rest (`after`), both on the held-out images too."""

    budget: float
    metric: str
    parts: tuple[RemovablePart, ...]
    of: int
    search: str
    tried: int
    chosen_on: int
    before: PrunedNetwork
    after: PrunedNetwork
    held_out_before: float
    held_out_after: float

    def to_dict(self) -> dict[str, Any]:
        """Give the choice as plain values: scores on the training images stand under `train`, those on the held-out
        ones under `test`."""
        return {
            "budget": self.budget,
            "metric": self.metric,
            "left_out": [part.name for part in self.parts],
            "of": self.of,
            "search": self.search,
            "tried": self.tried,
            "chosen_on": self.chosen_on,
            "train": {"before": self.before.score, "after": self.after.score},
            "test": {"before": self.held_out_before, "after": self.held_out_after},
            "parameters": {"before": self.before.parameters, "after": self.after.parameters},
            "macs": {"before": self.before.macs, "after": self.after.macs},
        }


def choose_parts(
    run: Run,
    budget: float,
    *,
    images: int = MAX_IMAGES,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> PruningChoice:
    """Choose the largest set of parts without which the score falls by at most `budget` (0.01: from 0.99 to 0.98), or
    rises, where lower is better.

    The score is the task's main one, on `images` training images, which `seed` chooses. Of sets of one size the one
    that saves most MACs is taken, then the one with the best score. With up to MAX_EXHAUSTIVE parts every set is tried,
    from the largest down; with more, the part that costs least is taken out, then the next, while the budget lasts.
    Where not even one part can go, `parts` is empty. Raises InputError for a budget that is no share, and where
    there are no parts.
    """
    if not 0 <= budget < 1:
        raise InputError(f"a budget is a share from 0 to below 1, as in 0.01 or 1%, found {budget:g}")
    parts, split = list_parts(run), run.draw_training(images, seed)
    search = ALL_SETS if len(parts) <= MAX_EXHAUSTIVE else ONE_BY_ONE
    attempt = _Attempts(run, split, search.bound(len(parts)), on_step)
    before = attempt(())
    after = search.find(parts, attempt, before.rank - budget) or before
    return PruningChoice(
        budget=budget,
        metric=run.metric,
        parts=tuple(sorted(after.parts, key=parts.index)),
        of=len(parts),
        search=search.name,
        tried=attempt.count,
        chosen_on=len(split),
        before=before,
        after=after,
        held_out_before=try_without(run, (), run.data.held_out).score,
        held_out_after=try_without(run, after.parts, run.data.held_out).score,
    )


@dataclass(slots=True)
class _Attempts:
    """Leaves parts out of a run's network, and counts how often; `most` is told beside the count."""

    run: Run
    split: Split
    most: int
    on_step: OnStep
    count: int = 0

    def __call__(self, left_out: Sequence[RemovablePart]) -> PrunedNetwork:
        trial = try_without(self.run, left_out, self.split)
        self.count += 1
        self.on_step(self.count, self.most)
        return trial


def search_all(parts: Sequence[RemovablePart], attempt: Prune, floor: float) -> PrunedNetwork | None:
    """Find the best of the largest sets whose rank is at least `floor`; None where there is none."""
    for size in range(len(parts), 0, -1):
        trials = map(attempt, _without_nests(combinations(parts, size)))
        fitting = [trial for trial in trials if trial.rank >= floor]
        if fitting:
            return max(fitting, key=lambda trial: (-trial.macs, trial.rank))
    return None


def search_greedily(parts: Sequence[RemovablePart], attempt: Prune, floor: float) -> PrunedNetwork | None:
    """Leave out part after part, each time the one without which the rank is highest (of equal ones, the one with most
    MACs)."""
    best = None
    while True:
        chosen = best.parts if best else ()
        sets = _without_nests((*chosen, part) for part in parts if part not in chosen)
        trials = [trial for trial in map(attempt, sets) if trial.rank >= floor]
        if not trials:
            return best
        best = max(trials, key=lambda trial: (trial.rank, -trial.macs))


def _without_nests(sets: Iterable[tuple[RemovablePart, ...]]) -> Iterator[tuple[RemovablePart, ...]]:
    """The sets in which no part lies inside another one, with which it would go anyway."""
    for chosen in sets:
        if not any(inner.name.startswith(f"{outer.name}.") for inner, outer in permutations(chosen, 2)):
            yield chosen


@dataclass(frozen=True, slots=True)
class Search:
    """A way to look for the parts that can go, by its name; `bound` is the most attempts for a number of parts, the
    whole network's among them."""

    name: str
    find: Callable[[Sequence[RemovablePart], Prune, float], PrunedNetwork | None]
    bound: Callable[[int], int]


ALL_SETS = Search("all sets", search_all, lambda parts: 2**parts)
ONE_BY_ONE = Search("one by one", search_greedily, lambda parts: parts * (parts + 1) // 2 + 1)


@dataclass(frozen=True, slots=True)
class FileComparison:
    """Two exported models: their sizes in bytes, and the second's median time of a run over the first's, by batch."""

    bytes_before: int
    bytes_after: int
    time_ratios: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        return {
            "bytes": {"before": self.bytes_before, "after": self.bytes_after},
            "time_ratio": {str(batch): ratio for batch, ratio in self.time_ratios.items()},
        }


def compare_files(before: Path, after: Path) -> FileComparison:
    """Hold two models against each other in ONNX Runtime."""
    rows = [bench(Session(path), TIMED_BATCHES, seconds=TIMED_SECONDS) for path in (before, after)]
    ratios = {old.batch: new.p50_ms / old.p50_ms for old, new in zip(*rows, strict=True) if old.batch}
    return FileComparison(before.stat().st_size, after.stat().st_size, ratios)
