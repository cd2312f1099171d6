"""A candidate runs in a process of its own, is compared with the reference, and says why it cannot run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.measuring.candidate import Candidate, Job, measure_difference
from runtime.session.settings import Settings
from tests.support.models import build_double, build_linear, save


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    sizes = {"archspec.sizes": "{}"}
    return save(build_linear(weight, np.zeros(10, np.float32), metadata=sizes), tmp_path / "m.onnx")


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


def test_a_candidate_that_cannot_run_says_why(tmp_path: Path) -> None:
    path = save(build_double(("N", None)), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match=r"give it with --size x\.1=…"):
        Candidate(Job(str(path), "cpu", Settings(), 1, {}, {}, str(tmp_path / "r.npz")))


def test_a_candidate_that_dies_is_noticed(linear: Path, tmp_path: Path) -> None:
    candidate = Candidate(Job(str(linear), "cpu", Settings(), 1, {}, {}, str(tmp_path / "r.npz")))
    os.kill(candidate.pid, signal.SIGKILL)
    with pytest.raises(ArchspecError, match="the process that measures ended: exit status -9"):
        candidate.time(0.001)
    candidate.close()


def test_differences_are_relative_and_numbers() -> None:
    a = np.array([1.0, -4.0], np.float16)
    assert measure_difference({"y": a}, {"y": a}) == 0
    assert measure_difference({"y": a, "z": a + np.float16(1)}, {"y": a, "z": a}) == 0.25
    assert measure_difference({"y": a * np.nan}, {"y": a}) == float("inf")
    assert measure_difference({"y": np.zeros(0)}, {"y": np.zeros(0)}) == 0
