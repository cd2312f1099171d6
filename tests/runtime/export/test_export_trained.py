"""Weights that were trained in integers are exported by the scales of training, without images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import InputError
from compiler.onnx_file.metadata import INT8, PRECISION, TRAINED_INT8
from compiler.onnx_target.options import ExportOptions
from runtime.data.registry import load_data
from runtime.export.plan import TRAINED, Calibration
from runtime.export.weights import read_weights
from runtime.int8.aware import measure_scheme
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import run
from tests.support.lowering import stir

PARAMS = {"depths": [1, 1, 1], "widths": [2, 2, 2]}
INTEGERS = ExportOptions(precision="int8")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights with the scales of training."""
    graph = elaborate(load("resnet_digits", params=PARAMS))
    state = stir(to_torch(graph)).state_dict()
    trained = measure_scheme(graph, state, load_data("digits"))
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    save_weights(path, state, trained.to_metadata())
    return path


def read_scales(path: Path) -> dict[str, float]:
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}
    return {name: float(array) for name, array in stored.items() if name.endswith(".scale") and not array.ndim}


def read_report(path: Path) -> Mapping[str, Any]:
    facts = {item.key: item.value for item in onnx.load(path).metadata_props}
    assert PRECISION.read(facts) == "int8"
    assert TRAINED_INT8 not in facts
    return json.loads(facts[INT8])


def test_python_needs_no_calibration(weights: Path, tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits", params=PARAMS))
    arrays, facts = read_weights(weights)
    ranges = json.loads(facts[TRAINED_INT8])["ranges"]
    export = to_onnx(graph, arrays, tmp_path / "a.onnx", options=INTEGERS, metadata=facts)
    assert export.proof is not None
    assert len(read_scales(export.path)) >= len(ranges)
    assert read_report(export.path)["method"] == "training"
    low, high = ranges["image"]
    assert read_scales(export.path)["image.scale"] == np.float32((high - min(low, 0)) / 255)
    twin = to_onnx(graph, arrays, tmp_path / "b.onnx", options=INTEGERS, metadata=facts, calibration=TRAINED)
    assert twin.path.read_bytes() == export.path.read_bytes()
    floats = to_onnx(graph, arrays, tmp_path / "c.onnx", metadata=facts)
    assert TRAINED_INT8 not in {item.key for item in onnx.load(floats.path).metadata_props}


def test_choices_that_contradict_training(weights: Path, tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits", params=PARAMS))
    arrays, facts = read_weights(weights)
    for options in ({"max_drop": 0.01}, {"reduce_range": True}):
        with pytest.raises(InputError, match="from training"):
            Calibration(method="training", **options)
    with pytest.raises(InputError, match="needs images"):
        Calibration()
    with pytest.raises(InputError, match="not trained in integers"):
        to_onnx(graph, arrays, tmp_path / "a.onnx", options=INTEGERS, calibration=TRAINED)
    with pytest.raises(InputError, match="needs calibration data"):
        to_onnx(graph, arrays, tmp_path / "a.onnx", options=INTEGERS)
    tensorrt = ExportOptions(precision="int8", target="tensorrt")
    with pytest.raises(InputError, match="take --for any or --for cpu"):
        to_onnx(graph, arrays, tmp_path / "a.onnx", options=tensorrt, metadata=facts)
    assert not list(tmp_path.iterdir())


def test_command(weights: Path, tmp_path: Path) -> None:
    words = ["export", "resnet_digits", "--set", "depths=[1,1,1]", "--set", "widths=[2,2,2]", "--weights", str(weights)]
    words += ["--precision", "int8", "--no-verify", "-o"]
    said = run(*words, str(tmp_path / "a.onnx"))
    assert "u8s8, ranges by training from 1,000 images of digits" in said
    assert "was not measured" in said
    said = run(*words, str(tmp_path / "b.onnx"), "--data", "digits")
    assert "ranges by training" in said
    assert "held out" in said
    assert read_scales(tmp_path / "a.onnx") == read_scales(tmp_path / "b.onnx")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((32, 1, 8, 8)).astype(np.float32))
    others = ("--data", str(tmp_path / "images.npy"), "--calibration", "minmax")
    said = run(*words, str(tmp_path / "c.onnx"), *others)
    assert "ranges by minmax" in said
    assert read_scales(tmp_path / "a.onnx") != read_scales(tmp_path / "c.onnx")  # the control
