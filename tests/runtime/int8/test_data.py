"""The images of a calibration: where they come from, and which fit a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import runtime.int8.data
import runtime.int8.running
from archspec.api import to_torch
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import DATA, PREPROCESS
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.data.registry import load_data
from runtime.int8.calibrate import measure_ranges
from runtime.int8.data import open_calibration_data
from tests.support.arrays import save_array
from tests.support.documents import graph_from

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [1, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 4, "kernel": 3}}, "global_avg_pool"],
}


def measure(model: OnnxModel, source: str | Path) -> None:
    """Read the images, and run the model on them."""
    measure_ranges(model, ["image", *model.graph.outputs], open_calibration_data(source, model.graph, model.metadata))


def test_a_data_set_gives_its_training_images(model: OnnxModel) -> None:
    data = open_calibration_data(
        "digits", model.graph, {**model.metadata, PREPROCESS: load_data("digits").preprocess.to_json()}
    )
    assert (data.name, data.shape, len(data)) == ("digits", (1, 8, 8), 1000)
    assert data.held_out is not None
    assert len(data.held_out.images) == 360
    train = load_data("digits").training.images
    (first, *_) = data.batches(10)
    assert np.array_equal(first, train[[number * len(train) // 1000 for number in range(10)]])
    with pytest.raises(ArchspecError, match="not prepared as those of digits"):
        open_calibration_data("digits", model.graph, model.metadata)
    with pytest.raises(ArchspecError, match="on images of digit_maps that were not prepared as those of digits"):
        open_calibration_data("digits", model.graph, {**model.metadata, DATA: "digit_maps"})


def test_pictures_are_prepared_as_the_model_says(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    Image.new("L", (16, 16), 255).save(tmp_path / "b.png")
    Image.new("L", (4, 4), 0).save(tmp_path / "inner" / "c.JPG", format="JPEG")
    (tmp_path / "notes.txt").write_text("no picture")
    data = open_calibration_data(tmp_path, model.graph, model.metadata)
    (images,) = data.batches(10)
    assert images.shape == (2, 1, 8, 8)
    assert [float(image.mean()) for image in images] == [2, -2]
    assert data.held_out is None


def test_large_sets_are_sampled_evenly(model: OnnxModel, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.int8.data, "MAX_IMAGES", 4)
    data = open_calibration_data(images, model.graph, model.metadata)
    assert data.numbers == (0, 25, 50, 75)
    (found,) = data.batches(10)
    assert np.array_equal(found, np.load(images)[[0, 25, 50, 75]].astype(np.float32))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 3, 8, 8)), r"has images \(3, 8, 8\); .* takes \(1, H, W\): axis 0 is 3"),
        (np.zeros((4, 8)), "1 axes, not 3"),
        (np.zeros((3, 8, 8)), r"has images \(3, 8, 8\); .*: axis 0 is 3"),
        (np.zeros((0, 1, 8, 8)), "not empty"),
        (np.zeros((4, 1, 8, 8), np.uint8), "holds uint8"),
        (np.full((4, 1, 8, 8), np.nan), "infinite numbers or NaN"),
        (np.full((4, 1, 8, 8), 1e300), "holds 1e.300, which float32 cannot hold"),
        (np.linspace(-1e38, 1e38, 256).reshape(4, 1, 8, 8), "the value '.*' holds infinite numbers or NaN"),
    ],
)
def test_arrays_that_are_no_data(model: OnnxModel, array: NDArray[Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=reason):
        measure(model, save_array(tmp_path / "wrong.npy", array))


def test_sizes_that_the_model_does_not_take(tmp_path: Path) -> None:
    fixed = {**NETWORK, "network": ["flatten", {"linear": 3}]}
    graph = graph_from(fixed)
    model = build_model(graph, {name: value.numpy() for name, value in to_torch(graph).state_dict().items()})
    with pytest.raises(ArchspecError, match="H is 16; the model takes only 8"):
        measure(model, save_array(tmp_path / "wrong.npy", np.zeros((4, 1, 16, 8))))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("digitz", "no folder and no data set is called 'digitz'; did you mean 'digits'"),
        ("missing/folder", "is no calibration data"),
        ("missing.npy", "missing.npy does not exist"),
        ("empty", "holds no pictures"),
        ("notes.txt", "is no calibration data"),
        ("broken", "broken.png"),
    ],
)
def test_sources_that_are_none(
    model: OnnxModel, source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(ArchspecError, match=reason) as caught:
        measure(model, source)
    assert "\n" not in str(caught.value)


def test_a_model_that_says_nothing_of_pictures(model: OnnxModel, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    silent = {key: value for key, value in model.metadata.items() if key != PREPROCESS}
    with pytest.raises(ArchspecError, match="do not say how pictures become the network's input"):
        open_calibration_data(tmp_path, model.graph, silent)
