"""Ranges are those of the numbers; data that is none is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from PIL import Image

import runtime.int8.data
import runtime.int8.running
from archspec.api import to_torch
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import DATA, PREPROCESS
from compiler.onnx_target.int8.quantize import plan_quantization
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.data.registry import load_data
from runtime.int8.calibrate import measure_ranges
from runtime.int8.clipping import BINS, METHODS
from runtime.int8.data import open_calibration_data
from runtime.int8.running import choose_batch
from runtime.pictures.preprocess import Preprocess
from tests.support.documents import graph_from
from tests.support.lowering import stir

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [1, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 4, "kernel": 3}}, "global_avg_pool"],
}


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    graph = graph_from(NETWORK)
    weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    return build_model(graph, weights, metadata={PREPROCESS: Preprocess(1, 8, 8, (0.5,), (0.25,)).to_json()})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((100, 1, 8, 8)))


def save(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array)
    return path


def measure(model: OnnxModel, source: str | Path, method: str = "minmax", **options: Any) -> dict[str, Any]:
    data = open_calibration_data(source, model.graph, model.metadata)
    return dict(measure_ranges(model, plan_quantization(model, "u8s8").values, data, method, **options).ranges.cut)


def run_reference(model: OnnxModel, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Every value of a model by onnx's own definitions."""
    proto = onnx.load_model_from_string(to_bytes(model))
    names = [node.output[0] for node in proto.graph.node]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in names)
    found = ReferenceEvaluator(proto).run(names, {"image": images})
    return {"image": images, **dict(zip(names, map(np.asarray, found), strict=True))}


def test_minmax_is_every_number(model: OnnxModel, images: Path) -> None:
    values = run_reference(model, np.load(images).astype(np.float32))
    ranges = measure(model, images)
    assert {"image"} < ranges.keys() < values.keys()
    for name, (low, high) in ranges.items():
        assert low == pytest.approx(min(0, values[name].min()), rel=1e-4, abs=1e-6)
        assert high == pytest.approx(max(0, values[name].max()), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_numbers_near_zero_have_a_range(method: str, model: OnnxModel, images: Path) -> None:
    """1e-42, of which 2048 bins are infinitely many to one."""
    weights = {name: np.asarray(array) for name, array in model.tensors.items()}
    for name in ("conv_0.weight", "conv_0.bias"):
        weights[name] = (weights[name] * 1e-42).astype(np.float32)
    tiny = OnnxModel(model.head, weights, model.graph, model.steps)
    data = open_calibration_data(images, tiny.graph, model.metadata)
    measured = measure_ranges(tiny, plan_quantization(tiny, "u8s8").values, data, method)
    widths = [high - low for low, high in measured.ranges.cut.values()]
    assert 0 < min(widths) < 1e-40
    assert max(widths) < np.inf
    assert any("too little for any scale" in reason for reason in measured.find_floats().values())


def test_percentile_is_the_quantile_of_magnitudes(model: OnnxModel, images: Path) -> None:
    values = run_reference(model, np.load(images).astype(np.float32))
    widest = measure(model, images)
    for name, (low, high) in measure(model, images, "percentile").items():
        magnitudes = np.abs(values[name][values[name] != 0])
        width = float(magnitudes.max()) / BINS
        assert max(-low, high) == pytest.approx(np.quantile(magnitudes, 0.9999, method="inverted_cdf"), abs=1.5 * width)
        assert widest[name][0] <= low <= 0 <= high <= widest[name][1]


@pytest.mark.parametrize("method", METHODS)
def test_batches_change_nothing(model: OnnxModel, images: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int]] = []
    whole = measure(model, images, method)
    monkeypatch.setattr(runtime.int8.running, "MAX_BYTES", 7 * 4 * sum(node.shape.elements for node in model.graph))
    assert choose_batch(model.graph, (1, 8, 8)) == 7
    assert choose_batch(model.graph, (1, 16, 16)) == 1
    parts = measure(model, images, method, on_step=lambda done, of: steps.append((done, of)))
    passes = 1 if method == "minmax" else 2
    ends = [*range(7, 100, 7), 100, *(100 + 25 * fold + end for fold in range(4) for end in (7, 14, 21, 25))]
    assert steps == [(end, 100 * passes) for end in ends[: 15 if passes == 1 else None]]
    for name, expected in whole.items():
        assert parts[name] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_has_the_ranges_of_the_other_images(model: OnnxModel, images: Path, method: str) -> None:
    """The witness never saw the fold."""
    array, values = np.load(images) / 2, plan_quantization(model, "u8s8").values
    array[6] *= 2
    data = open_calibration_data(save(images, array), model.graph, model.metadata)
    measured = measure_ranges(model, values, data, method)
    assert sorted(number for fold in measured.folds for number in fold.data.numbers) == list(range(100))
    for fold in measured.folds:
        assert len(fold.data) == 25
        others = save(images.parent / "others.npy", np.delete(array, fold.data.numbers, axis=0))
        alone = measure_ranges(model, values, open_calibration_data(others, model.graph, model.metadata), method).ranges
        for name in values:
            assert fold.ranges.whole[name] == pytest.approx(alone.whole[name], rel=1e-5)
            apart = np.subtract(fold.ranges.cut[name], alone.cut[name])
            near = 0.15 if method == "entropy" else 0.05  # their histograms have other bins
            assert np.abs(apart).max() <= near * np.ptp(alone.cut[name])
        same = fold.ranges.whole["image"] == measured.ranges.whole["image"]
        assert same == (6 not in fold.data.numbers)  # the control


def test_few_images_are_one_fold(model: OnnxModel, images: Path) -> None:
    data = open_calibration_data(images, model.graph, model.metadata)
    for count, folds in ((7, 1), (8, 4)):
        measured = measure_ranges(model, ["image"], data.sample(count), "minmax")
        assert [len(fold.data) for fold in measured.folds] == [count // folds] * folds
        assert all((fold.ranges is measured.ranges) == (folds == 1) for fold in measured.folds)


def test_a_data_set_gives_its_training_images(model: OnnxModel) -> None:
    data = open_calibration_data(
        "digits", model.graph, {**model.metadata, PREPROCESS: load_data("digits").preprocess.to_json()}
    )
    assert (data.name, data.shape, len(data)) == ("digits", (1, 8, 8), 1000)
    assert data.held_out is not None
    assert len(data.held_out.images) == 360
    train = load_data("digits").train.images
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
    monkeypatch.setattr(runtime.int8.data, "MOST_IMAGES", 4)
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
        measure(model, save(tmp_path / "wrong.npy", array))


def test_sizes_that_the_model_does_not_take(tmp_path: Path) -> None:
    fixed = {**NETWORK, "network": ["flatten", {"linear": 3}]}
    graph = graph_from(fixed)
    model = build_model(graph, {name: value.numpy() for name, value in to_torch(graph).state_dict().items()})
    with pytest.raises(ArchspecError, match="H is 16; the model takes only 8"):
        measure(model, save(tmp_path / "wrong.npy", np.zeros((4, 1, 16, 8))))


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


def test_unknown_methods(model: OnnxModel, images: Path) -> None:
    with pytest.raises(ArchspecError, match="no calibration 'entropi'; did you mean 'entropy'"):
        measure(model, images, "entropi")


def test_several_inputs(images: Path) -> None:
    both = {"concat": [[{"from": "a"}], [{"from": "b"}]]}
    graph = graph_from({"archspec": 1, "inputs": {"a": [4], "b": [4]}, "network": [both, {"linear": 3}]})
    with pytest.raises(ArchspecError, match=r"has several inputs \(a, b\); calibration data feeds one"):
        open_calibration_data(images, graph, {})
