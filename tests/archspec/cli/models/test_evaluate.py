"""The command evaluate: what it prints of a run, and how it ends where model and weights are not of one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import elaborate, load, to_onnx, to_torch, train
from archspec.cli.ending import FINDINGS
from archspec.weights import read_weights
from runtime.recipes.recipe import Recipe
from tests.support.commands import archspec, refuse, run

SPEC = load("resnet_digits", {"depths": [1, 1, 1], "widths": [2, 2, 2]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(SPEC, "digits", Recipe(epochs=1, batch=500, threads=1), folder=folder)
    weights, facts = read_weights(folder / "weights.safetensors")
    to_onnx(elaborate(SPEC), weights, folder / "model.onnx", metadata=facts, verify=False)
    return folder


def test_both_forms_are_compared(folder: Path) -> None:
    found = archspec("evaluate", folder, "--provider", "cpu", "--threads", "1", "--json")
    assert found["same_weights"] is True
    assert found["equal_predictions"] == found["predictions"] == found["test_images"] == 360
    assert found["mirrors"] == []
    text = archspec("evaluate", folder, "--provider", "cpu", "--threads", "1")
    assert "360 held-out images" in text
    assert "mirrored" not in text
    assert f"{found['accuracy_torch']:.4f}" in text


def test_mirrored_copies_are_told(tmp_path: Path) -> None:
    """Where the recipe has them, figures are those of the run, with and without; a run without says nothing."""
    recipe = Recipe(epochs=1, batch=50, threads=1, test_time_augmentation=["horizontal"])
    trained = train(SPEC, "digits", recipe, folder=tmp_path)
    weights, facts = read_weights(tmp_path / "weights.safetensors")
    to_onnx(elaborate(SPEC), weights, tmp_path / "model.onnx", metadata=facts, verify=False)
    found = archspec("evaluate", tmp_path, "--provider", "cpu", "--json")
    assert found["mirrors"] == ["horizontal"]
    assert found["accuracy_torch"] == trained.test_scores["accuracy"]
    text = " ".join(archspec("evaluate", tmp_path, "--provider", "cpu").split())
    assert "answers are means with mirrored copies (horizontal), as in training" in text
    alone = [f"{found[f'accuracy_unmirrored_{side}']:.4f}" for side in ("torch", "onnx")]
    assert f"without mirrored copies: accuracy {alone[0]} {alone[1]}" in text


def test_other_weights_are_a_finding(folder: Path) -> None:
    graph, path = elaborate(SPEC), folder / "model.onnx"
    before = path.read_bytes()
    to_onnx(graph, to_torch(graph, seed=9).state_dict(), path, verify=False)
    run("evaluate", folder, "--provider", "cpu", expect=FINDINGS)
    path.write_bytes(before)
    run("evaluate", folder, "--provider", "cpu", expect=0)


def test_what_nothing_reads_is_refused(folder: Path, tmp_path: Path) -> None:
    refuse("--mc-batch is read by --monte-carlo T alone", "evaluate", folder, "--mc-batch", "8")
    refuse(f"{tmp_path}", "evaluate", tmp_path)
