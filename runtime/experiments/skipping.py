"""Which parts of a trained network can be left out for good: as many as a budget of its score allows.

BlockDrop (Wu et al., 2018) decides it for each image by a second network; here it is decided once, for all, and the
smaller network is exported. The choice is made on training images, so that the held-out ones can tell what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError
from compiler.passes.remove_bodies import Part
from runtime.experiments.lesion import Trial, list_parts, try_without
from runtime.measuring.bench import bench
from runtime.session.session import Session
from runtime.training.run import Run

IMAGES = 1024
"""Training images that the choice is made on, at most."""

EXHAUSTIVE = 8
"""Up to so many parts, every set of them is a candidate; beyond, parts are taken one by one."""

BATCHES = (1, 32)


@dataclass(frozen=True, eq=False)
class Choice:
    """The parts to leave out, chosen by the score on `chosen_on` training images; scores, parameters and MACs
    (conv-linear) of the whole network (`before`) and of the rest (`after`), both on the held-out images too."""

    budget: float
    metric: str
    parts: tuple[Part, ...]
    of: int
    search: str
    tried: int
    chosen_on: int
    before: Trial
    after: Trial
    held_out_before: float
    held_out_after: float

    def to_dict(self) -> dict[str, Any]:
        """Scores on the training images stand under `train`, those on the held-out ones under `test`."""
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
    images: int = IMAGES,
    seed: int = 0,
    on_trial: Callable[[int, int], None] = lambda done, most: None,
) -> Choice:
    """The largest set of parts without which the score falls by at most `budget` (0.01: from 0.99 to 0.98).

    The score is the task's main one, on `images` random training images. Of sets of one size the one that saves most
    MACs is taken, then the one with the best score. With up to EXHAUSTIVE parts every set is tried, from the largest
    down; with more, the part that costs least is taken out, then the next, while the budget lasts. Where not even one
    part can go, `parts` is empty. Raises ArchspecError for a budget that is no share, and where there are no parts.
    """
    if not 0 <= budget < 1:
        raise ArchspecError(f"a budget is a share from 0 to below 1, as in 0.01 or 1%, found {budget:g}")
    parts = list_parts(run)
    split = run.draw_training(images, seed)
    every = len(parts) <= EXHAUSTIVE
    most = 2 ** len(parts) if every else len(parts) * (len(parts) + 1) // 2 + 1
    tried = 0

    def attempt(left_out: Sequence[Part]) -> Trial:
        nonlocal tried
        trial = try_without(run, left_out, split)
        tried += 1
        on_trial(tried, most)
        return trial

    before = attempt(())
    search = search_all if every else search_greedily
    after = search(parts, attempt, before.score - budget) or before
    return Choice(
        budget=budget,
        metric=run.metric,
        parts=tuple(sorted(after.parts, key=parts.index)),
        of=len(parts),
        search="all sets" if every else "one by one",
        tried=tried,
        chosen_on=len(split),
        before=before,
        after=after,
        held_out_before=try_without(run, (), run.data.test).score,
        held_out_after=try_without(run, after.parts, run.data.test).score,
    )


def search_all(parts: Sequence[Part], attempt: Callable[[Sequence[Part]], Trial], floor: float) -> Trial | None:
    """The best of the largest sets whose score is at least `floor`; None where there is none."""
    for size in range(len(parts), 0, -1):
        trials = map(attempt, _without_nests(combinations(parts, size)))
        fitting = [trial for trial in trials if trial.score >= floor]
        if fitting:
            return max(fitting, key=lambda trial: (-trial.macs, trial.score))
    return None


def search_greedily(parts: Sequence[Part], attempt: Callable[[Sequence[Part]], Trial], floor: float) -> Trial | None:
    """Part by part, each time the one without which the score is best (of equal ones, the one with most MACs)."""
    best = None
    while True:
        chosen = best.parts if best else ()
        sets = _without_nests((*chosen, part) for part in parts if part not in chosen)
        trials = [trial for trial in map(attempt, sets) if trial.score >= floor]
        if not trials:
            return best
        best = max(trials, key=lambda trial: (trial.score, -trial.macs))


def _without_nests(sets: Iterable[tuple[Part, ...]]) -> Iterator[tuple[Part, ...]]:
    """The sets in which no part lies inside another one, with which it would go anyway."""
    for chosen in sets:
        if not any(inner.name.startswith(f"{outer.name}.") for inner, outer in permutations(chosen, 2)):
            yield chosen


@dataclass(frozen=True, slots=True)
class Files:
    """Two exported models: their sizes in bytes, and the second's median time of a run over the first's, by batch."""

    bytes_before: int
    bytes_after: int
    time_ratios: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        return {
            "bytes": {"before": self.bytes_before, "after": self.bytes_after},
            "time_ratio": {str(batch): ratio for batch, ratio in self.time_ratios.items()},
        }


def compare_files(before: Path, after: Path, *, seconds: float = 1.0, threads: int | None = None) -> Files:
    """Hold two models against each other in ONNX Runtime, `seconds` for each batch of each."""
    rows = [bench(Session(path, threads=threads), BATCHES, seconds=seconds) for path in (before, after)]
    ratios = {old.batch: new.p50_ms / old.p50_ms for old, new in zip(*rows, strict=True) if old.batch}
    return Files(before.stat().st_size, after.stat().st_size, ratios)
