"""The command lesion: what a trained network can spare, and its plain twin."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
import torch

from compiler.passes.remove_bodies import RemoveBodies, find_bodies
from compiler.torch_target.module import build_module
from runtime.session.machine import limit_threads
from runtime.training.run import Run
from tests.support.commands import archspec
from tests.support.lowering import run_onnx, run_torch


def test_lesion_with_its_twin(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "lesion.svg"
    found = archspec("lesion", run.folder, "--plain", run.folder / "plain", "--json", "-o", picture)
    assert [len(found[key]["removals"]) for key in ("lesion", "plain")] == [6, 10], "two of its twelve layers stride"
    assert "choice" not in found
    assert found["plain"]["removals"][0]["name"] == "repeat_0.stage0.basic_block_0.when_0.conv_0"
    assert "resnet_digits_plain" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec("lesion", run.folder)
    assert "repeat_0.stage1.basic_block_0.residual_0" in text
    assert "its shortcut" in text


def test_the_twin_is_trained_as_the_run_was(run: Run) -> None:
    twin = Run.open(run.folder / "plain")
    assert json.loads(twin.metadata["archspec.settings"]) == json.loads(run.metadata["archspec.settings"])
    assert twin.data.name == run.data.name
    assert not find_bodies(twin.graph)


def test_blocks_to_skip_become_a_smaller_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file gives what torch gives without these bodies, and says of itself what the whole model would, and more."""
    monkeypatch.setattr("runtime.experiments.pruning.TIMED_SECONDS", 0.05)
    model = tmp_path / "small.onnx"
    found = archspec("lesion", run.folder, "--max-drop", "20%", "--model", model, "--json", "--threads", "1")
    choice, files = found["choice"], found["files"]
    assert choice["left_out"]
    assert choice["budget"] == 0.2
    assert choice["train"]["after"] >= choice["train"]["before"] - 0.2
    assert choice["macs"]["after"] < choice["macs"]["before"]
    assert files["bytes"]["after"] == model.stat().st_size < files["bytes"]["before"]
    assert set(files["time_ratio"]) == {"1", "32"}
    facts = {item.key: item.value for item in onnx.load(model).metadata_props}
    assert json.loads(facts["archspec.left_out"]) == choice["left_out"]
    assert json.loads(facts["archspec.classes"]) == [str(number) for number in range(10)]
    assert {"archspec.preprocess", "archspec.task", "archspec.graph"} <= facts.keys()
    parts = find_bodies(run.graph)
    images = {"image": run.data.held_out.images}
    after, weights = RemoveBodies(tuple(parts[name] for name in choice["left_out"]))(run.graph, run.weights)
    expected = run_torch(after, build_module(after, weights), images)["output"]
    np.testing.assert_allclose(run_onnx(model, images)["output"], expected, atol=1e-4 * np.abs(expected).max())
    whole = run_torch(run.graph, build_module(run.graph, run.weights), images)["output"]
    assert np.abs(whole - expected).max() > 0.01 * np.abs(expected).max(), "the control: the whole network"
    assert choice["test"]["after"] == pytest.approx((expected.argmax(1) == run.data.held_out.labels).mean())
    text = archspec("lesion", run.folder, "--max-drop", "0.99", "--model", model, "--threads", "1")
    assert f"wrote {model}" in text
    assert "6 of 6 parts can go within 0.99 of the accuracy" in text


def test_threads_hold_for_the_files_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.experiments.pruning.TIMED_SECONDS", 0.05)
    before = torch.get_num_threads(), limit_threads()
    seen: list[tuple[int, int | None]] = []
    for name in ("archspec.api.to_onnx", "runtime.experiments.pruning.bench"):
        monkeypatch.setattr(name, note_threads(seen, pkgutil.resolve_name(name)))
    archspec(
        "lesion", run.folder, "--max-drop", "20%", "--model", tmp_path / "small.onnx", "--threads", str(before[0] + 1)
    )
    assert seen == [(before[0] + 1, before[0] + 1)] * 4
    assert (torch.get_num_threads(), limit_threads()) == before


def note_threads(seen: list[tuple[int, int | None]], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes the threads of torch and of sessions that are opened each time that it is called."""

    def noting(*given: Any, **named: Any) -> Any:
        seen.append((torch.get_num_threads(), limit_threads()))
        return function(*given, **named)

    return noting
