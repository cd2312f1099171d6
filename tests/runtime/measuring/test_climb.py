"""A search keeps what is faster and computes the same, whatever the clock of this machine says today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.measuring import climb
from runtime.measuring.candidate import Job
from runtime.measuring.climb import FIXED, FREE, Climb, SettingsTrial, is_faster
from runtime.measuring.tune import list_changes
from runtime.session.settings import Settings

JOB = Job("m.onnx", "cpu", Settings(), 1, {}, {}, "reference.npz")


class Pretended:
    """A candidate whose time is the product of what its settings cost."""

    def __init__(self, job: Job) -> None:
        if job.settings.flush_denormals:
            raise ArchspecError("no such thing here")
        self.settings = job.settings
        self.difference = 0.1 if job.settings.tf32 else 1e-7
        costs = {"spinning": 0.5, "arena": 1.5, "block_base": 0.99, "tf32": 0.1}
        self.seconds = 0.01 * float(np.prod([costs.get(name, 1.0) for name in job.settings.to_dict()]))
        self.seconds *= 0.9 if job.fixed else 1.0
        self.closed = 0

    def time(self, seconds: float) -> list[float]:
        assert not self.closed
        return [self.seconds, self.seconds, 10 * self.seconds]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[Pretended]:
    made: list[Pretended] = []

    def make(job: Job) -> Pretended:
        made.append(Pretended(job))
        return made[-1]

    monkeypatch.setattr(climb, "Candidate", make)
    return made


def search(changes: Sequence[Settings], fixed: dict[str, int] | None = None, seconds: float = 60) -> Any:
    with Climb(JOB, tolerance=1e-4, seconds=seconds, seed=0, on_step=lambda done, of: None) as found:
        found.climb(changes)
        return found, *found.decide(fixed or {}, Settings(cuda_graph=True))


def test_what_is_faster_is_taken_and_the_rest_is_said(pretended: list[Pretended]) -> None:
    changes = [
        Settings(arena=False),
        Settings(spinning=False),
        Settings(block_base=4),
        Settings(tf32=True),
        Settings(flush_denormals=True),
    ]
    found, milliseconds, finals = search(changes, {"N": 1})
    assert [(trial.change, trial.verdict) for trial in found.trials] == [
        ("no arena", "no faster"),
        ("no spinning", "taken"),
        ("block base 4", "no faster"),  # by one in a hundred, which is not worth a setting
        ("tf32", "refused"),
        ("flush denormals", "failed"),
    ]
    assert found.trials[3].why == "its outputs differ by 1.0e-01"
    assert found.trials[4] == SettingsTrial("flush denormals", "failed", why="no such thing here")
    assert found.trials[1].ratio == pytest.approx(2)
    assert found.best == Settings(spinning=False)
    assert milliseconds == pytest.approx(10)
    assert [(trial.change, trial.verdict) for trial in finals] == [(FREE, "taken"), (FIXED, "taken")]
    assert [trial.milliseconds for trial in finals] == pytest.approx([5, 4.5])
    assert pretended[-1].settings == Settings(spinning=False, cuda_graph=True)
    assert all(candidate.closed for candidate in pretended)


def test_the_default_stays_where_nothing_beats_it(pretended: list[Pretended]) -> None:
    found, _, finals = search([Settings(arena=False), Settings(block_base=4)])
    assert found.best == Settings()
    assert finals == []


def test_what_does_not_fit_the_time_is_said(pretended: list[Pretended]) -> None:
    found, _, finals = search([Settings(spinning=False), Settings(arena=False)], {"N": 1}, seconds=1e-9)
    assert found.untried == ["no spinning", "no arena"]
    assert [trial.change for trial in finals] == [FIXED]


def test_processes_end_where_a_search_is_interrupted(pretended: list[Pretended]) -> None:
    def stop(done: int, of: int) -> None:
        if done:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Climb(JOB, tolerance=1e-4, seconds=60, seed=0, on_step=stop) as found,
    ):
        found.climb([Settings(spinning=False), Settings(arena=False)])
    assert len(pretended) == 2
    assert all(candidate.closed for candidate in pretended)


@pytest.mark.parametrize(
    ("ratios", "faster"),
    [
        ([1.1] * 5, True),
        ([1.01] * 15, False),
        ([1.1] * 4, False),  # chance would do it once in sixteen times
        ([1.1] * 4 + [0.9], False),
        ([1.1] * 8 + [0.9], True),
        ([1.1] * 10 + [0.9] * 5, False),
        ([2.0, 2.0, 0.5, 0.5, 2.0], False),
    ],
)
def test_a_gain_is_more_than_noise(ratios: list[float], faster: bool) -> None:
    assert is_faster(ratios) is faster


@pytest.mark.parametrize("provider", ["cpu", "cuda", "tensorrt"])
def test_changes_are_single_and_equal_results_are_the_rule(provider: str) -> None:
    changes = list_changes(provider, 64)
    assert all(len(change.to_dict()) == 1 for change in changes)
    assert len(set(changes)) == len(changes)
    assert Settings(tf32=True) not in changes
    assert (Settings(tf32=True) in list_changes(provider, 64, allow_tf32=True)) == (provider == "cuda")


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [2, 1]), (4, [4, 3, 2, 1]), (64, [64, 32, 4, 1])])
def test_threads_are_tried_up_to_the_cores(cores: int, counts: list[int]) -> None:
    assert [change.threads for change in list_changes("cpu", cores) if change.threads] == counts


# With real processes.
