"""Several processes learn what one learns of the same batches, and end the same wherever one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from archspec.api import to_torch
from archspec.errors import InputError
from runtime.training.distributed import choose_after_restart, is_launched, is_main, joining
from runtime.weights.safetensors_file import save_weights
from tests.support.documents import graph_from
from tests.support.killed_training import compare, read_result
from tests.support.lowering import stir
from tests.support.metrics import read_metrics
from tests.support.together import Kill, train_together, write_task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

RECIPE: dict[str, Any] = {
    "steps": 14,
    "batch": 15,
    "evaluate_every": 7,
    "checkpoint_every": 3,
    "clip": 1.0,
    "ema": 0.9,
    "optimizer": {"name": "adamw", "lr": 0.01},
    "threads": 1,
}
PLAIN: list[Any] = [{"conv": 8}, "relu", "flatten", {"linear": 3}]
NORMALIZED: list[Any] = [{"conv": 8}, "norm", "relu", {"dropout": 0.2}, "flatten", {"linear": 3}]


def load_weights(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    return load_file(folder / "weights.safetensors")


def read_losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(folder / "metrics.jsonl") if row["kind"] == "step"]


def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Batches of 15 in three parts, whose gradients are collected; no two processes see equally many images."""
    curves = []
    for size in (1, 2):
        folder = write_task(tmp_path / str(size) / "run", PLAIN, RECIPE | {"accumulate": 3})
        assert train_together(folder, size=size) == [0] * size
        curves.append(read_losses(folder))
    assert len(curves[0]) == 14
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)
    other = write_task(tmp_path / "other" / "run", PLAIN, RECIPE | {"seed": 1})
    assert train_together(other, size=1) == [0]
    assert read_losses(other) != pytest.approx(curves[0], rel=1e-2), "the control: another order of images"


def test_two_processes_with_batch_norm_of_all_are_one(tmp_path: Path) -> None:
    """Losses and statistics; the control are processes of which each normalizes its own images. Not with AdamW, which
    makes whole steps of a gradient that is rounding alone, as that of the bias before a normalization."""
    network = [{"conv": 8}, "norm", "relu", "flatten", {"linear": 3}]
    recipe, found = RECIPE | {"optimizer": {"name": "sgd", "lr": 0.05}}, {}
    for name, size, shared in (("one", 1, True), ("two", 2, True), ("apart", 2, False)):
        folder = write_task(tmp_path / name / "run", network, recipe | {"sync_batch_norm": shared})
        assert train_together(folder, size=size) == [0] * size
        statistics = {key: value for key, value in load_weights(folder).items() if "running" in key}
        found[name] = read_losses(folder), statistics
    assert len(found["one"][1]) == 2
    assert found["two"][0] == pytest.approx(found["one"][0], rel=1e-4)
    for key, value in found["one"][1].items():
        np.testing.assert_allclose(found["two"][1][key], value, rtol=1e-4, atol=1e-6)
    assert found["apart"][0] != pytest.approx(found["one"][0], rel=1e-2)


def test_processes_that_are_killed_end_the_same(tmp_path: Path) -> None:
    """The statistics of normalization differ by process: the first one's count, in checkpoints, evaluations and the
    moving average. Of two processes one or the other is killed, the first while it saves."""
    whole = write_task(tmp_path / "whole" / "run", NORMALIZED, RECIPE)
    assert train_together(whole) == [0, 0]
    killed, resume = write_task(tmp_path / "killed" / "run", NORMALIZED, RECIPE), "never"
    for kill in (Kill(0, 110), Kill(1, 3), Kill(0, 60)):
        codes = train_together(killed, resume, kill)
        assert codes[kill.rank] == -signal.SIGKILL
        assert codes[1 - kill.rank] == 1, "it says that the other has ended"
        assert (killed / "checkpoints" / "manifest.json").exists()
        resume = "auto"
    assert train_together(killed, resume) == [0, 0]
    expected = read_result(whole)
    assert compare(read_result(killed), expected) == []
    assert any("running_var" in name for name in expected)


def test_processes_in_integers_have_the_same_scales(tmp_path: Path) -> None:
    """And the losses of one process; killed and gone on with, they end the same. The control is the network in
    float."""
    network, recipe = [{"conv": 8}, "norm", "relu", "flatten", {"linear": 3}], RECIPE | {"clip": None}
    graph = graph_from({"archspec": 1, "inputs": {"x": [1, 4, 4]}, "network": network})
    weights, folders = stir(to_torch(graph)).state_dict(), {}
    for name in ("one", "two", "killed"):
        folders[name] = write_task(tmp_path / name / "run", network, recipe)
        save_weights(folders[name].with_name("float.safetensors"), weights, {})
    assert train_together(folders["one"], size=1) == [0]
    assert train_together(folders["two"]) == [0, 0]
    facts = [(tmp_path / path).read_text(encoding="utf-8") for path in ("one/facts0.json", "two/facts0.json")]
    assert "archspec.trained_int8" in facts[0]
    assert {*facts, (tmp_path / "two" / "facts1.json").read_text(encoding="utf-8")} == {facts[0]}
    assert read_losses(folders["two"]) == pytest.approx(read_losses(folders["one"]), rel=1e-3)
    assert train_together(folders["killed"], kill=Kill(1, 8))[1] == -signal.SIGKILL
    assert train_together(folders["killed"], "auto") == [0, 0]
    assert compare(read_result(folders["killed"]), read_result(folders["two"])) == []
    plain = write_task(tmp_path / "plain" / "run", network, recipe)
    assert train_together(plain, size=1) == [0]
    assert read_losses(plain) != pytest.approx(read_losses(folders["one"]), rel=1e-3)


def test_a_process_that_is_alone_joins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with joining() as ranks:
        assert (ranks.rank, ranks.size) == (0, 1)
    assert (is_launched(), is_main()) == (False, True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(InputError, match="numbers that torchrun sets"), joining():
        pass


def test_what_a_restart_begins_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
    assert choose_after_restart(tmp_path, "never", force=False) == ("never", False)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert choose_after_restart(tmp_path, "never", force=False) == ("never", True)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "manifest.json").touch()
    assert choose_after_restart(tmp_path, "never", force=False) == ("auto", False)
