"""A search keeps what is faster and computes the same, whatever the clock of this machine says today."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.measuring import climb
from runtime.measuring.climb import FIXED, FREE, Climb, Trial, is_faster
from runtime.measuring.tune import list_changes, tune
from runtime.measuring.worker import Candidate, Job, measure_difference
from runtime.session.session import Session
from runtime.session.settings import Settings
from runtime.session.tuning_file import read_entries
from tests.support.models import build_double, build_linear, save

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
    assert found.trials[4] == Trial("flush denormals", "failed", why="no such thing here")
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


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    sizes = {"archspec.sizes": "{}"}
    return save(build_linear(weight, np.zeros(10, np.float32), metadata=sizes), tmp_path / "m.onnx")


def test_a_model_is_tuned_and_its_session_knows(linear: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = tune(linear, batch=2, provider="cpu", seconds=0.1, on_step=lambda done, of: steps.append((done, of)))
    assert found.sizes == {"N": 2}
    assert found.default_milliseconds > 0
    assert {trial.verdict for trial in (*found.trials, *found.finals)} <= {"taken", "no faster"}
    assert found.entries == read_entries(linear)
    assert steps
    session = Session(linear, providers=("cpu",))
    counts = f"{len(found.trials)} of {len(found.trials) + len(found.untried)} changes tried"
    assert (session.settings, session.settings_source) == (found.settings, f"m.onnx.tune.json: {counts}")
    assert found.batch == 2
    assert json.loads(json.dumps(found.to_dict()))["settings"] == found.settings.to_dict()


def test_a_candidate_is_compared_with_the_reference(linear: Path, tmp_path: Path) -> None:
    job = Job(str(linear), "cpu", Settings(threads=1), 2, {}, {}, str(tmp_path / "reference.npz"))
    first = Candidate(job)
    times = first.time(0.001)
    first.close()
    assert first.difference == 0
    assert min(times) > 0
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    weight[3] *= 1.01  # the control: a wrong weight is seen
    save(build_linear(weight, np.zeros(10, np.float32)), linear)
    second = Candidate(job)
    second.close()
    assert second.difference > 1e-4


def test_a_batch_that_a_model_does_not_have_is_refused(tmp_path: Path) -> None:
    path = save(build_double((3, 8, 8)), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match="no free first axis for a batch of 2"):
        tune(path, batch=2, provider="cpu", seconds=1)
    with pytest.raises(ArchspecError, match="no free first axis for a batch of 1"):
        tune(path, batch=1, provider="cpu", seconds=1)
    assert tune(path, provider="cpu", seconds=0.1).batch is None


def test_sizes_by_place_are_tuned_by_name(tmp_path: Path) -> None:
    path = save(build_double(("N", 3, "h", None)), tmp_path / "m.onnx")
    found = tune(path, sizes={"x.2": 8, "x.3": 5}, provider="cpu", seconds=0.1)
    assert found.sizes == {"N": 1, "h": 8, "x.3": 5}
    assert not any(trial.verdict == "failed" for trial in found.finals), found.finals


def test_a_candidate_that_cannot_run_says_why(tmp_path: Path) -> None:
    path = save(build_double(("N", None)), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match=r"give it with --size x\.1=…"):
        Candidate(Job(str(path), "cpu", Settings(), 1, {}, {}, str(tmp_path / "r.npz")))


def test_a_candidate_that_dies_is_noticed(linear: Path, tmp_path: Path) -> None:
    candidate = Candidate(Job(str(linear), "cpu", Settings(), 1, {}, {}, str(tmp_path / "r.npz")))
    candidate._process.kill()
    with pytest.raises(ArchspecError, match="the process that measures ended: exit status -9"):
        candidate.time(0.001)
    candidate.close()


def test_differences_are_relative_and_numbers() -> None:
    a = np.array([1.0, -4.0], np.float16)
    assert measure_difference({"y": a}, {"y": a}) == 0
    assert measure_difference({"y": a, "z": a + np.float16(1)}, {"y": a, "z": a}) == 0.25
    assert measure_difference({"y": a * np.nan}, {"y": a}) == float("inf")
    assert measure_difference({"y": np.zeros(0)}, {"y": np.zeros(0)}) == 0


@pytest.mark.parametrize("options", [{"batch": 0}, {"seconds": 0}])
def test_nonsense_is_refused(linear: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArchspecError, match="must be positive"):
        tune(linear, **options)
