"""Ranges are those of the numbers; data that is none is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

import runtime.int8.data
import runtime.int8.running
from archspec.errors import ArchspecError
from compiler.onnx_target.int8.quantize import plan_quantization
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.int8.calibrate import measure_ranges
from runtime.int8.clipping import BINS, METHODS
from runtime.int8.data import open_calibration_data
from runtime.int8.running import choose_batch
from tests.support.arrays import save_array
from tests.support.documents import graph_from

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [1, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 4, "kernel": 3}}, "global_avg_pool"],
}


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
    data = open_calibration_data(save_array(images, array), model.graph, model.metadata)
    measured = measure_ranges(model, values, data, method)
    assert sorted(number for fold in measured.folds for number in fold.data.numbers) == list(range(100))
    for fold in measured.folds:
        assert len(fold.data) == 25
        others = save_array(images.parent / "others.npy", np.delete(array, fold.data.numbers, axis=0))
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


def test_unknown_methods(model: OnnxModel, images: Path) -> None:
    with pytest.raises(ArchspecError, match="no calibration 'entropi'; did you mean 'entropy'"):
        measure(model, images, "entropi")


def test_several_inputs(images: Path) -> None:
    both = {"concat": [[{"from": "a"}], [{"from": "b"}]]}
    graph = graph_from({"archspec": 1, "inputs": {"a": [4], "b": [4]}, "network": [both, {"linear": 3}]})
    with pytest.raises(ArchspecError, match=r"has several inputs \(a, b\); calibration data feeds one"):
        open_calibration_data(images, graph, {})
