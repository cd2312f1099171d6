"""Int8 models of a trained network: what they lose is measured, and the layers that lose most stay float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import INT8
from compiler.onnx_target.int8.scheme import RECIPES
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes, write_model
from runtime.data.registry import describe_data, load_data
from runtime.int8.clipping import METHODS
from runtime.int8.data import CalibrationData, open_calibration_data
from runtime.int8.quantize import quantize
from runtime.prediction.network_outputs import compute_outputs
from runtime.prediction.predict import predict
from runtime.recipes.recipe import Recipe
from runtime.session.session import Session
from runtime.training.train import train
from tests.support.documents import graph_from
from tests.support.lowering import stir

HALF_A_PERCENT = 0.005
SPREAD = 200.0

SPEC = load("resnet_digits", {"depths": [1, 1, 1], "widths": [8, 16, 32]})


def build_digits(weights: Mapping[str, Any] | None = None) -> OnnxModel:
    """A smaller resnet_digits, one block in each stage; untrained without weights."""
    graph = elaborate(SPEC, {"H": 8, "W": 8})
    given = {name: np.asarray(value) for name, value in (weights or stir(to_torch(graph)).state_dict()).items()}
    return build_model(graph, given, metadata=describe_data(load_data("digits")))


def open_digits(model: OnnxModel) -> CalibrationData:
    return open_calibration_data("digits", model.graph, model.metadata)


@pytest.mark.slow
def test_digits_lose_at_most_half_a_percent(tmp_path: Path) -> None:
    digits = load_data("digits")
    result = train(to_torch(elaborate(SPEC, {"H": 8, "W": 8})), digits, Recipe(epochs=6))
    model = build_digits(result.state)
    write_model(model, tmp_path / "float.onnx")
    before = measure_accuracy(tmp_path / "float.onnx")
    assert before > 0.95
    for target, recipe in RECIPES.items():
        for method in METHODS:
            quantized = quantize(model, open_digits(model), method=method, target=target, max_drop=HALF_A_PERCENT)
            write_model(quantized.model, tmp_path / "small.onnx")
            report, loss = quantized.report, quantized.report.loss.last
            assert (loss.metric, report.loss.images) == ("accuracy", 360)
            assert loss.before == pytest.approx(before)
            assert loss.after == pytest.approx(measure_accuracy(tmp_path / "small.onnx"))
            assert before - loss.after <= HALF_A_PERCENT
            assert loss.sqnr_db is not None
            assert loss.sqnr_db > 20
            assert (report.recipe, report.method, report.data, report.images) == (recipe, method, "digits", 1000)


def measure_accuracy(path: Path) -> float:
    test = load_data("digits").held_out
    (output,) = compute_outputs(Session(path, providers=["cpu"]), test.images).values()
    return float((output.argmax(1) == test.labels).mean())


def test_metadata_stay_and_have_the_report(tmp_path: Path) -> None:
    """A quantized model still answers for pictures."""
    model = build_digits()
    quantized = quantize(model, open_digits(model).sample(50))
    assert model.metadata.items() - quantized.model.metadata.items() == {("archspec.precision", "fp32")}
    report = {key: value for key, value in quantized.report.to_dict().items() if key != "errors"}
    assert json.loads(quantized.model.metadata[INT8]) == json.loads(json.dumps(report))
    assert count_bytes(quantized.model) < 0.35 * count_bytes(model)
    write_model(quantized.model, tmp_path / "small.onnx")
    np.save(tmp_path / "images.npy", load_data("digits").held_out.images[:3])
    answers = predict(Session(tmp_path / "small.onnx", providers=["cpu"]), [tmp_path / "images.npy"])
    assert len(answers) == 3


def count_bytes(model: OnnxModel) -> int:
    return sum(np.asarray(array).nbytes for array in model.tensors.values())


def test_same_export_same_bytes() -> None:
    first, second = (quantize(model, open_digits(model).sample(50)) for model in (build_digits(), build_digits()))
    assert to_bytes(first.model) == to_bytes(second.model)
    assert first.report == second.report


CHAIN = {
    "archspec": 1,
    "inputs": {"x": [8, 6, 6]},
    "network": [
        *({"conv": {"out": 8, "kernel": 3}}, "relu", {"conv": {"out": 8, "kernel": 3}}, "relu"),
        *({"conv": {"out": 8, "kernel": 3}}, "relu", {"conv": {"out": 8, "kernel": 3}}, "relu"),
        *("global_avg_pool", "flatten", {"linear": 10}),
    ],
}


@pytest.fixture(scope="module")
def unbalanced() -> OnnxModel:
    """A chain in which, between two convolutions, one channel is much larger than the others, and counts as little."""
    graph = graph_from(CHAIN)
    weights = {name: value.numpy().copy() for name, value in stir(to_torch(graph)).state_dict().items()}
    for name, channel in (("conv_1.weight", 0), ("conv_1.bias", 0)):
        weights[name][channel] *= SPREAD
    weights["conv_2.weight"][:, 0] /= SPREAD
    return build_model(graph, weights)


@pytest.fixture
def noise(unbalanced: OnnxModel, tmp_path: Path) -> CalibrationData:
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).standard_normal((200, 8, 6, 6)))
    return open_calibration_data(tmp_path / "noise.npy", unbalanced.graph, unbalanced.metadata)


def test_layers_that_lose_most_stay_float(unbalanced: OnnxModel, noise: CalibrationData) -> None:
    steps: list[tuple[int, int]] = []
    without = quantize(unbalanced, noise, method="minmax").report
    assert (without.loss.last.metric, without.loss.images, without.loss.last.before) == ("agreement", 200, 1.0)
    assert (without.layers, without.kept, without.errors) == (5, (), ())
    assert without.loss.drop > 0.1
    assert without.loss.last.is_poor
    quantized = quantize(
        unbalanced, noise, method="minmax", max_drop=0.2, on_step=lambda done, of: steps.append((done, of))
    )
    report = quantized.report
    assert report.loss.drop <= 0.2
    assert not report.loss.last.is_poor
    assert report.notes == ()
    assert 1 <= len(report.kept) <= 2
    assert set(report.kept) <= {"conv_1", "conv_2"}
    assert report.layers + len(report.kept) == 5
    assert steps[-5:] == [(done, 5) for done in range(1, 6)]
    errors = [item.error for item in report.errors]
    assert errors == sorted(errors, reverse=True)
    assert {item.layer for item in report.errors[:2]} == {"conv_1", "conv_2"}
    assert [item.layer for item in report.errors if item.kept] == [item.layer for item in report.errors][
        : len(report.kept)
    ]
    assert json.loads(quantized.model.metadata[INT8])["kept"] == list(report.kept)


def test_the_float_model_meets_any_budget(unbalanced: OnnxModel, noise: CalibrationData) -> None:
    report = quantize(unbalanced, noise, method="minmax", max_drop=0.0).report
    assert report.loss.drop == 0
    assert (report.layers == 0) == (report.loss.last.sqnr_db is None)


@pytest.mark.parametrize("drop", [-0.1, 1.5, float("nan")])
def test_drops_that_are_none(unbalanced: OnnxModel, noise: CalibrationData, drop: float) -> None:
    with pytest.raises(ArchspecError, match="between 0 and 1"):
        quantize(unbalanced, noise, max_drop=drop)


def test_nothing_to_quantize(noise: CalibrationData) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [8, 6, 6]}, "network": ["relu"]})
    with pytest.raises(ArchspecError, match="no convolution and no linear layer"):
        quantize(build_model(graph, {}), noise)
