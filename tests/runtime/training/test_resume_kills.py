"""A training that is killed at any moment, also while it saves, and taken up ends as the one that was never stopped:
weights, moving average, optimizer, running statistics, choice and metrics are equal, bit for bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from runtime.training.manifest import Manifest
from runtime.training.run_folder import CHECKPOINTS
from tests.support.killed_training import compare, prepare, read_result, train_in_child

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What an uninterrupted training leaves, and the number of its events."""
    folder = prepare(tmp_path_factory.mktemp("whole") / "run")
    code, events = train_in_child(folder)
    assert code == 0
    assert events > 100
    return read_result(folder), events


def test_a_training_that_is_killed_three_times_ends_the_same(whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    expected, events = whole
    folder, steps = prepare(tmp_path / "run"), []
    for how in ({"kill_at": events // 3}, {"kill_at": events // 4}, {"kill_after": 0.05}):
        assert train_in_child(folder, **how)[0] == -signal.SIGKILL
        last = Manifest.read(folder / CHECKPOINTS).last
        assert last is not None
        steps.append(last.step)
    assert steps == sorted(steps)
    assert steps[0] < steps[-1] <= 30
    assert train_in_child(folder)[0] == 0
    found = read_result(folder)
    assert compare(found, expected) == []
    assert any("ema.safetensors" in name for name in found)
    assert any("running_var" in name for name in found)
    assert any("exp_avg_sq" in name for name in found)


def test_another_training_is_told_apart(whole: tuple[dict[str, Any], int]) -> None:
    """The control: one bit of a weight, or one line of the metrics, is a difference."""
    expected, _ = whole
    name = next(name for name in expected if "running_mean" in name)
    spoiled = {
        **expected,
        name: bytes([expected[name][0] ^ 1, *expected[name][1:]]),
        "metrics": expected["metrics"][1:],
    }
    assert compare(spoiled, expected) == [name, "metrics"]
