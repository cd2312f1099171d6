"""Hill climbing over settings: each change is measured in turns with the best settings before it."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import comb
from random import Random
from typing import Any, Literal

from archspec.callbacks import OnStep
from archspec.errors import ArchspecError
from runtime.measuring.candidate import Candidate, Job
from runtime.session.settings import Settings

MIN_GAIN = 1.02
"""The ratio of the times from which a setting is worth keeping."""

SIGNIFICANCE = 0.05
"""The significance level of the sign test over a trial's rounds: the largest probability that chance alone gives as few
slower ones as were seen."""

ROUNDS = 5
"""The rounds of each trial: the fewest that SIGNIFICANCE lets decide."""

MAX_ROUNDS = 15
"""The most rounds of the last comparison."""

FREE, FIXED = "these settings", "the same, sizes fixed"
"""The two results that the last comparison is of."""

MAX_TURN = 0.5
"""The longest turn of a candidate, in seconds."""

SHARE = 0.6
"""The part of the time in which changes are tried one by one; in the rest the result is compared with the default."""


@dataclass(frozen=True, slots=True)
class SettingsTrial:
    """One comparison: `milliseconds` of a run, and how many times as fast as what it was compared with (`ratio`: the
    median of the rounds; `low` and `high`: the least and the largest). `verdict` is "taken" or "no faster", or, with
    `why`, "refused" or "failed", which has no figures."""

    change: str
    verdict: Literal["taken", "no faster", "refused", "failed"]
    milliseconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def is_faster(ratios: Sequence[float]) -> bool:
    """True if ratios of times are a gain: MIN_GAIN in the median, and so few rounds not above one that chance would
    give them less often than SIGNIFICANCE."""
    slower = sum(ratio <= 1 for ratio in ratios)
    p_value = sum(comb(len(ratios), count) for count in range(slower + 1)) / 2 ** len(ratios)
    return statistics.median(ratios) >= MIN_GAIN and p_value <= SIGNIFICANCE


class Climb:
    """A search that starts from default settings, whose process lives until the comparison at the end.

    Raises ArchspecError where the model does not run under them. To be entered and left.
    """

    def __init__(self, job: Job, *, tolerance: float, seconds: float, seed: int, on_step: OnStep) -> None:
        self.trials: list[SettingsTrial] = []
        self.untried: list[str] = []
        self._job, self._tolerance = job, tolerance
        self._begun = time.perf_counter()
        self._seconds = seconds
        self._random, self._on_step = Random(seed), on_step
        self._stack = ExitStack()

    def __enter__(self) -> Climb:
        with self._stack:  # which closes what was opened where the first runs fail
            self._default = self._best = self._open(Settings())
            self._run = statistics.median(self._default.time(0.1))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def best(self) -> Settings:
        """The fastest settings so far."""
        return self._best.settings

    def climb(self, changes: Sequence[Settings]) -> None:
        """Try each change, and keep those that make the best settings so far faster, while there is time."""
        until = self._begun + SHARE * self._seconds
        room = (until - time.perf_counter()) / (2 * ROUNDS * max(1, len(changes)))
        turn = min(MAX_TURN, room / 2)  # the other half of the room goes into processes that start
        longest = 0.0
        for number, change in enumerate(changes):
            self._on_step(number, len(changes) + 1)
            before = time.perf_counter()
            if before + longest > until:
                self.untried += [str(item) for item in changes[number:]]
                return
            self._try(change, turn)
            longest = max(longest, time.perf_counter() - before)

    def decide(self, fixed: Mapping[str, int], more: Settings) -> tuple[float, list[SettingsTrial]]:
        """Find the milliseconds of a run under default settings; and of the best against them, then of the best with
        axes `fixed`, if any are, and `more` settings that want that."""
        finals = []
        rivals = [(FREE, self._best)] if self._best is not self._default else []
        if fixed:
            try:
                rivals.append((FIXED, self._open(self.best.changed_by(more), fixed)))
            except ArchspecError as error:
                finals.append(SettingsTrial(FIXED, "failed", why=str(error)))
        candidates = [self._default, *(candidate for _, candidate in rivals)]
        left = self._seconds - (time.perf_counter() - self._begun)
        turn = min(MAX_TURN, max(0.0, left / len(candidates) / MAX_ROUNDS - 2 * self._run))
        rounds = int(min(MAX_ROUNDS, max(ROUNDS, left / len(candidates) / max(turn, 2 * self._run))))
        self._on_step(1, 2)
        times = self._measure(candidates, rounds, turn)
        judged = [
            self._judge(what, candidate, times[0], own)
            for (what, candidate), own in zip(rivals, times[1:], strict=True)
        ]
        return statistics.median(times[0]) * 1e3, [*judged, *finals]

    def _try(self, change: Settings, turn: float) -> None:
        try:
            candidate = self._open(self.best.changed_by(change))
        except ArchspecError as error:
            self.trials.append(SettingsTrial(str(change), "failed", why=str(error)))
            return
        before, own = self._measure([self._best, candidate], ROUNDS, turn)
        trial = self._judge(str(change), candidate, before, own)
        self.trials.append(trial)
        if trial.verdict == "taken":
            candidate, self._best = self._best, candidate
        if candidate is not self._default:
            candidate.close()

    def _open(self, settings: Settings, fixed: Mapping[str, int] | None = None) -> Candidate:
        candidate = Candidate(dataclasses.replace(self._job, settings=settings, fixed=dict(fixed or {})))
        self._stack.callback(candidate.close)
        return candidate

    def _measure(self, candidates: Sequence[Candidate], rounds: int, turn: float) -> list[list[float]]:
        """Measure, by candidate, the median seconds of a run in each round; in a round they take turns in a random
        order."""
        times: list[list[float]] = [[] for _ in candidates]
        for _ in range(rounds):
            for place in self._random.sample(range(len(candidates)), len(candidates)):
                times[place].append(statistics.median(candidates[place].time(turn)))
        return times

    def _judge(self, what: str, candidate: Candidate, before: Sequence[float], own: Sequence[float]) -> SettingsTrial:
        ratios = [old / new for old, new in zip(before, own, strict=True)]
        trial = SettingsTrial(
            what,
            "taken" if is_faster(ratios) else "no faster",
            milliseconds=statistics.median(own) * 1e3,
            ratio=statistics.median(ratios),
            low=min(ratios),
            high=max(ratios),
        )
        if candidate.difference <= self._tolerance:
            return trial
        return dataclasses.replace(trial, verdict="refused", why=f"its outputs differ by {candidate.difference:.1e}")
