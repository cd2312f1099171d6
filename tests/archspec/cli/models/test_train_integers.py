"""train --quantize, as a user types it: what is trained is what the exported file computes."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from archspec.api import elaborate, load, to_torch, train
from compiler.onnx_file.metadata import TRAINED_INT8
from runtime.data.registry import load_data
from runtime.int8.aware import quantize_module
from runtime.recipes.recipe import Recipe
from runtime.session.session import Session
from runtime.training.manifest import Manifest
from runtime.training.module_outputs import name_outputs
from runtime.weights.safetensors_file import load_weights, save_weights
from tests.support.commands import archspec, refuse
from tests.support.training import stop_at

TINY = ("--set", "depths=[1,1,1]", "--set", "widths=[4,4,4]", "--threads", "1")
SHORT = ("--data", "digits", "--set", "batch=200", "--threads", "1")

DIGITS = 1e-5
"""How far the file's outputs may be from the trained module's, as a part of the largest: sums in another order."""

TIES = 0.02
"""The largest share of images of which an output may be further apart, since a number of theirs lies between two
integers but for its last digit."""


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in float."""
    folder = tmp_path_factory.mktemp("float") / "run"
    archspec("train", "resnet_digits", *SHORT, *TINY, "--epochs", "2", "-o", folder)
    return folder


@pytest.fixture(scope="module")
def trained(floats: Path) -> tuple[Path, str]:
    """A run in integers that began from its weights, and what was said of it."""
    folder = floats.with_name("integers")
    return folder, archspec(*make_words(floats), "-o", folder)


def make_words(floats: Path) -> list[str]:
    begin = ["train", str(floats / "spec.yaml"), *SHORT, "--init", str(floats / "weights.safetensors")]
    return [*begin, "--epochs", "2", "--lr", "0.01", "--quantize", "u8s8", "--reduce-range"]


def compute(folder: Path) -> NDArray[Any]:
    """What the trained module of a run gives for the held-out images."""
    weights, metadata = load_weights(folder / "weights.safetensors")
    graph, data = elaborate(load(folder / "spec.yaml")), load_data("digits")
    module = to_torch(graph)
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    made, _ = quantize_module(graph, module, data, earlier=metadata)
    with torch.no_grad():
        (outputs,) = name_outputs(made.eval()(torch.from_numpy(data.held_out.images))).values()
    return outputs.numpy()


def run_file(path: Path) -> NDArray[Any]:
    (outputs,) = Session(path).run({"image": load_data("digits").held_out.images}).values()
    return np.asarray(outputs)


def find_share(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The share of images of which an output is further apart than sums in another order."""
    return float((np.abs(found - expected).max(axis=1) > DIGITS * np.abs(expected).max()).mean())


def test_the_exported_file_computes_what_was_trained(trained: tuple[Path, str], tmp_path: Path) -> None:
    """By the command that the training names; the controls are ranges that are measured anew, and a tenth larger."""
    folder, said = trained
    command = shlex.split(said.rpartition("next: ")[2])
    assert command[-4:] == ["--precision", "int8", "-o", str(folder / "model.onnx")]
    assert "u8s8, ranges by training from 1,000 images of digits" in archspec(*command[1:])
    expected = compute(folder)
    found = run_file(folder / "model.onnx")
    assert find_share(found, expected) <= TIES
    accuracy = float(said.partition("test accuracy ")[2].split()[0])
    assert np.mean(found.argmax(1) == load_data("digits").held_out.labels) == pytest.approx(accuracy, abs=0.003)
    text, weights = folder / "spec.yaml", folder / "weights.safetensors"
    anew = ("--calibration", "mse", "--data", "digits", "--reduce-range")
    archspec("export", text, "--weights", weights, "--precision", "int8", *anew, "-o", tmp_path / "anew.onnx")
    arrays, metadata = load_weights(weights)
    larger = TRAINED_INT8.read(metadata) or {}
    larger["ranges"] = {name: [1.1 * low, 1.1 * high] for name, (low, high) in larger["ranges"].items()}
    save_weights(tmp_path / "larger.safetensors", arrays, {**metadata, **TRAINED_INT8.write(larger)})
    words = ("--weights", tmp_path / "larger.safetensors", "--precision", "int8", "-o", tmp_path / "larger.onnx")
    archspec("export", text, *words)
    for name in ("anew.onnx", "larger.onnx"):
        assert find_share(run_file(tmp_path / name), expected) > 0.5, name


def test_an_evaluation_has_the_float_network_beside_the_file(trained: tuple[Path, str]) -> None:
    folder, said = trained
    archspec("export", folder / "spec.yaml", "--weights", folder / "weights.safetensors", "--precision", "int8",
             "-o", folder / "model.onnx", "--no-verify")  # fmt: skip
    found = archspec("evaluate", folder, "--json")
    accuracy = float(said.partition("test accuracy ")[2].split()[0])
    assert found["accuracy_onnx"] == pytest.approx(accuracy, abs=0.003)
    assert found["same_weights"] is True
    assert found["relative_difference"] > 100 * DIGITS


def test_the_command_that_goes_on_is_whole(floats: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It ends as the training that was not stopped. Without its words it is refused."""
    recipe = Recipe(steps=6, batch=200, checkpoint_every=2, threads=1)
    spec, data = load(floats / "spec.yaml"), "digits"
    for name in ("whole", "stopped"):
        more: dict[str, Any] = {"on_step": stop_at(5)} if name == "stopped" else {}
        how: dict[str, Any] = {"quantize": "u8s8", "reduce_range": True, "init": floats / "weights.safetensors"}
        try:
            with caplog.at_level(logging.WARNING):
                train(spec, data, recipe, folder=tmp_path / name, **how, **more)
        except KeyboardInterrupt:
            assert name == "stopped"
    (command,) = [line for line in caplog.messages if line.startswith("to go on: ")]
    words = shlex.split(command)[4:]
    assert words[-3:] == ["--quantize", "u8s8", "--reduce-range"]
    assert any(" --precision int8 -o " in line for line in caplog.messages)
    refuse("quantize: 'u8s8' there, None now", *words[:-3])
    archspec(*words)
    origin = Manifest.read(tmp_path / "stopped" / "checkpoints").settings["origin"]
    assert origin == {"data": "digits", "init": str(floats / "weights.safetensors")}
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]


def test_what_cannot_be_is_refused(floats: Path, tmp_path: Path) -> None:
    begin = ("train", "resnet_digits", *SHORT, *TINY, "-o", tmp_path / "run", "--quantize", "u8s8")
    refuse("--quantize u8s8 begins from trained weights, all of them", *begin)
    init = ("--init", floats / "weights.safetensors")
    refuse("without `reset`", *begin, *init, "--reset", "head")
    refuse("--reduce-range is read by --quantize u8s8|s8s8 alone", "train", "resnet_digits", *SHORT, "--reduce-range")
    for setting, reason in {
        "precision=bf16": "everything is computed in float32",
        "compile=true": "rounds other numbers",
        "sync_batch_norm=true": "the statistics of normalizations stay as they are",
        "ramp_drop=true": "nothing is dropped by chance",
        "batch=auto": "the estimate is of the network in float",
    }.items():
        name, _, value = setting.partition("=")
        refuse(f"{name}: {value} is not for a training in integers (u8s8): ", *begin, *init, "--set", setting)
        refuse(reason, *begin, *init, "--set", setting)
    assert not (tmp_path / "run").exists()


def test_a_rate_is_found_in_integers_too(floats: Path, tmp_path: Path) -> None:
    words = ("train", floats / "spec.yaml", *SHORT, "--batch", "8", "--find-lr", tmp_path / "rates.svg", "--json")
    found = archspec(*words, "--quantize", "s8s8", "--init", floats / "weights.safetensors")
    assert min(found["losses"]) < found["losses"][0]
    refuse("--quantize s8s8 begins from trained weights", *words, "--quantize", "s8s8")


def test_a_restart_goes_on_where_it_began_from_weights(
    trained: tuple[Path, str], floats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torchrun starts all processes anew by the same command, with --init in it."""
    folder, _ = trained
    before = (folder / "weights.safetensors").read_bytes()
    words = [*make_words(floats), "-o", str(folder)]
    refuse("holds an earlier run", *words)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    archspec(*words)
    assert (folder / "weights.safetensors").read_bytes() == before
