"""What a report says of int8 is recomputed from the two files; what is bad is said, or refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import jaccard_score, r2_score

import runtime.int8.calibrate as calibrate_module
from archspec.api import to_torch
from archspec.arrays import Array
from archspec.errors import ArchspecError
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.int8.clipping import METHODS
from runtime.int8.data import open_calibration_data
from runtime.int8.folds import Sketches, deal
from runtime.int8.quantize import Quantized, quantize
from tests.support.documents import graph_from
from tests.support.lowering import stir
from tests.support.processors import needs_whole_sums


def build(body: list[Any], shape: list[Any], *, stirred: bool = True) -> OnnxModel:
    sizes = {letter: 16 for letter in shape if isinstance(letter, str)}
    graph = graph_from({"archspec": 1, "inputs": {"x": shape}, "sizes": sizes, "network": body})
    module = stir(to_torch(graph)) if stirred else to_torch(graph)
    return build_model(graph, {name: value.numpy() for name, value in module.state_dict().items()})


def calibrate(model: OnnxModel, images: Array, folder: Path, **options: Any) -> Quantized:
    np.save(folder / "images.npy", images.astype(np.float32))
    return quantize(model, open_calibration_data(folder / "images.npy", model.graph, model.metadata), **options)


def run(model: OnnxModel, images: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    found = session.run(names, {session.get_inputs()[0].name: images.astype(np.float32)})
    return dict(zip(names, (np.asarray(array, np.float64) for array in found), strict=True))


def by_channel(array: Array) -> Array:
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])


HEADS = [
    {"conv": {"out": 8, "kernel": 3}},
    "relu",
    {"output": "inner"},
    {"conv": {"out": 5, "kernel": 3}},
    {"output": "map"},
    {"conv": {"out": 1, "kernel": 1}},
    {"output": "one"},
]


def answer_by_others(model: OnnxModel, images: Array, folder: Path) -> tuple[dict[str, Array], dict[str, Array]]:
    """What the float model answers, and for each fold of the images the int8 model of the others."""
    parts = []
    for fold in deal(range(len(images)), 4):
        other = calibrate(model, np.delete(images, fold, axis=0), folder, method="minmax").model
        parts.append([run(one, images[fold]) for one in (model, other)])
    before, after = (
        {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        for found in zip(*parts, strict=True)
    )
    return before, after


def test_every_output_is_judged_by_its_numbers(tmp_path: Path) -> None:
    model, images = build(HEADS, [3, "H", "W"]), np.random.default_rng(0).standard_normal((20, 3, 16, 16))
    quantized = calibrate(model, images, tmp_path, method="minmax")
    before, after, loss = *answer_by_others(model, images, tmp_path), quantized.report.loss
    assert (loss.images, loss.judged) == (20, "by ranges of others")
    assert [(item.output, item.metric, item.channels) for item in loss.outputs] == [
        ("inner", "agreement", 8),
        ("map", "agreement", 5),
        ("one", "r2", 1),
    ]
    for item in loss.outputs:
        first, second = by_channel(before[item.output]), by_channel(after[item.output])
        noise = 10 * np.log10(np.square(first).sum() / np.square(first - second).sum())
        assert item.sqnr_db == pytest.approx(noise, abs=0.02)
        power, apart = np.square(before[item.output]), np.square(before[item.output] - after[item.output])
        powers, noises = (array.reshape(4, 5, -1).sum(axis=2) for array in (power, apart))
        assert item.parts_db == pytest.approx(10 * np.log10(powers.sum(axis=1) / noises.sum(axis=1)), abs=0.02)
        each = np.sort((10 * np.log10(powers / noises)).ravel())
        assert item.middle_db == pytest.approx(each[9], abs=0.02)
        error = np.linalg.norm(first - second) / np.linalg.norm(first)
        assert item.relative_error == pytest.approx(error, rel=2e-3)
        assert item.relative_error > 0  # the control
        each = 10 * np.log10(first.var(axis=0) / np.square(first - second).mean(axis=0))
        assert item.worst is not None
        assert item.worst.channel == each.argmin()
        assert item.worst.sqnr_db == pytest.approx(each.min(), abs=0.02)
        answers = (
            r2_score(first, second)
            if item.metric == "r2"
            else jaccard_score(first.argmax(1), second.argmax(1), average="macro")
        )
        assert item.after == pytest.approx(answers, abs=1e-6)
        assert item.before == 1
        assert item.after < 1  # the control
    assert loss.drop == max(item.drop for item in loss.outputs)


def test_few_images_are_judged_by_their_own_ranges(tmp_path: Path) -> None:
    model, images = build(HEADS, [3, "H", "W"]), np.random.default_rng(0).standard_normal((7, 3, 16, 16))
    quantized = calibrate(model, images, tmp_path)
    assert quantized.report.loss.judged == "by their own ranges"
    first, second = (run(one, images)["one"] for one in (model, quantized.model))
    noise = 10 * np.log10(np.square(first).sum() / np.square(first - second).sum())
    assert quantized.report.loss.last.sqnr_db == pytest.approx(noise, abs=0.02)


@needs_whole_sums
def test_figures_hold_on_images_that_gave_no_ranges(tmp_path: Path) -> None:
    """On average of six draws; the control is what a file itself loses on the images that gave its ranges."""

    def draw(seed: int, count: int) -> Array:
        random = np.random.default_rng(seed)
        return random.standard_normal((count, 3, 16, 16)) * random.lognormal(sigma=0.4, size=(count, 1, 1, 1))

    def measure(quantized: Quantized, images: Array) -> float:
        first, second = (run(one, images)["one"] for one in (model, quantized.model))
        return float(10 * np.log10(np.square(first).sum() / np.square(first - second).sum()))

    model, elsewhere = build(HEADS, [3, "H", "W"]), draw(99, 200)
    said, seen = [], []
    for seed in range(6):
        images = draw(seed, 12)
        quantized = calibrate(model, images, tmp_path)
        assert quantized.report.loss.last.sqnr_db is not None
        there = measure(quantized, elsewhere)
        said.append(quantized.report.loss.last.sqnr_db - there)
        seen.append(measure(quantized, images) - there)
    assert abs(np.mean(said)) < 3
    assert np.mean(seen) > 5


def sparse(lit: int, seed: int = 0) -> Array:
    random, images = np.random.default_rng(seed), np.zeros((32, 1, 48 * 48), np.float32)
    for image in images[:, 0]:
        image[random.choice(image.size, lit, replace=False)] = random.uniform(0.5, 1, lit)
    return images.reshape(32, 1, 48, 48)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lit", [1, 16, 256])
@needs_whole_sums
def test_sparse_images_are_as_good_as_with_whole_ranges(lit: int, method: str, tmp_path: Path) -> None:
    body = [{"conv": 8}, "relu", {"conv": 8}, "relu", "global_max_pool", "flatten", {"linear": 4}]
    model = build(body, [1, "H", "W"], stirred=False)
    quantized = calibrate(model, sparse(lit), tmp_path, method=method)
    first, second = (run(one, sparse(lit))["output"] for one in (model, quantized.model))
    assert 10 * np.log10(np.square(first).sum() / np.square(first - second).sum()) > 35


@pytest.mark.parametrize("target", ["any", "tensorrt"])
@pytest.mark.parametrize("behind", [["relu"], [{"max_pool": 2}], [{"max_pool": 2}, {"conv": {"out": 6, "kernel": 1}}]])
@needs_whole_sums
def test_small_pieces_of_a_concatenation_keep_their_digits(behind: list[Any], target: Any, tmp_path: Path) -> None:
    boxes, scores = [{"conv": {"out": 4, "kernel": 1}}, {"scale": 640}], [{"conv": {"out": 4, "kernel": 1}}, "sigmoid"]
    model = build([{"concat": [boxes, scores]}, *behind], [3, "H", "W"], stirred=False)
    weights = {name: np.asarray(array).copy() for name, array in model.tensors.items()}
    for name in weights:  # the layer behind looks at what is small
        if weights[name].shape[:2] == (6, 8):
            weights[name][:, :4] /= 640
    model = OnnxModel(model.head, weights, model.graph, model.steps)
    images = np.random.default_rng(0).standard_normal((32, 3, 16, 16))
    quantized = calibrate(model, images, tmp_path, target=target)
    first, second = (by_channel(run(one, images)["output"]) for one in (model, quantized.model))
    each = 10 * np.log10(first.var(axis=0) / np.maximum(np.square(first - second).mean(axis=0), 1e-12))
    assert each.min() > 20
    if target == "any":
        assert any("joins pieces" in note for note in quantized.report.notes)


def test_a_dead_rectifier_may_live_on_other_images(tmp_path: Path) -> None:
    model = build([{"conv": 4}, "relu", {"conv": 4}, "relu", {"conv": 3}], [1, "H", "W"], stirred=False)
    weights = {name: np.asarray(array).copy() for name, array in model.tensors.items()}
    weights["conv_0.weight"] = np.abs(weights["conv_0.weight"])
    model = OnnxModel(model.head, weights, model.graph, model.steps)
    images = np.random.default_rng(0).uniform(0, 1, (16, 1, 16, 16))
    quantized = calibrate(model, -images, tmp_path)
    assert any("is 0 everywhere" in note for note in quantized.report.notes)
    assert any("what int8 loses in it is not known" in note for note in quantized.report.notes)
    first, second = (run(one, images)["output"] for one in (model, quantized.model))
    assert np.linalg.norm(first - second) < 0.05 * np.linalg.norm(first)


UNEVEN = [
    {"conv": {"out": 8, "kernel": 1}},
    {"conv": {"out": 8, "kernel": 1}},
    "global_avg_pool",
    "flatten",
    {"linear": 4},
]


def uneven(spread: float) -> OnnxModel:
    model = build(UNEVEN, [4, "H", "W"])
    weights = {name: np.asarray(array).copy() for name, array in model.tensors.items()}
    weights["conv_0.weight"][0] *= spread
    weights["conv_0.bias"][0] *= spread
    weights["conv_1.weight"][:, 0] /= spread
    return OnnxModel(model.head, weights, model.graph, model.steps)


def test_nothing_like_the_float_model_is_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(0).standard_normal((32, 4, 16, 16))
    with pytest.raises(ArchspecError, match=r"answers nothing like the float model: its output 'output' has .* dB"):
        calibrate(uneven(1e4), images, tmp_path)
    loss = calibrate(uneven(1e4), images, tmp_path, max_drop=0.5).report.loss
    assert loss.last.worst is not None
    assert loss.last.worst.sqnr_db > 10


@needs_whole_sums
def test_a_poor_channel_is_said(tmp_path: Path) -> None:
    images = np.random.default_rng(0).standard_normal((32, 4, 16, 16))
    for spread, poor in ((100, True), (1, False)):
        notes = calibrate(uneven(spread), images, tmp_path).report.notes
        assert any("signal to noise, less than 10" in note for note in notes) == poor


POOLED = [{"conv": {"out": 16, "kernel": 3}}, "relu", {"conv": {"out": 16, "kernel": 3}}, "relu", "global_avg_pool"]


def measure_unseen(model: OnnxModel, quantized: Quantized, images: Array) -> float:
    first, second = (run(one, images)["output"] for one in (model, quantized.model))
    return float(10 * np.log10(np.square(first).sum() / np.square(first - second).sum()))


def draw_cameras(seed: int, count: int) -> Array:
    """Four in turn, one of which is eight times as bright."""
    images = np.random.default_rng(seed).standard_normal((count, 3, 16, 16))
    images[3::4] *= 8
    return images


@needs_whole_sums
def test_the_order_of_images_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build([*POOLED, "flatten", {"linear": 10}], [3, "H", "W"], stirred=False)
    images, others = draw_cameras(0, 64), draw_cameras(1, 400)
    for order in (images, np.random.default_rng(2).permutation(images)):
        quantized = calibrate(model, order, tmp_path)
        said = quantized.report.loss.last.sqnr_db
        assert said is not None
        assert abs(said - measure_unseen(model, quantized, others)) < 8
        assert quantized.report.notes == ()
    monkeypatch.setattr(calibrate_module, "deal", lambda groups, parts: [[*range(64)][start::4] for start in range(4)])
    quantized = calibrate(model, images, tmp_path)  # the control: all bright ones are one fold
    assert quantized.report.loss.last.sqnr_db is not None
    assert quantized.report.loss.last.sqnr_db < measure_unseen(model, quantized, others) - 20
    note, *_ = quantized.report.notes
    assert re.match(r"output 'output' has -?\d\.\d dB .* by the ranges of others .* and 4\d.* by those of all", note)
    assert quantized.report.own is not None
    assert quantized.report.own.last.sqnr_db == pytest.approx(measure_unseen(model, quantized, images), abs=0.1)


def draw_scenes(seed: int, scenes: int, frames: int) -> Array:
    random = np.random.default_rng(seed)
    scene = random.standard_normal((scenes, 1, 3, 16, 16)) * random.lognormal(sigma=0.8, size=(scenes, 1, 1, 1, 1))
    return (scene + 0.01 * random.standard_normal((scenes, frames, 3, 16, 16))).reshape(-1, 3, 16, 16)


def test_a_scene_is_not_judged_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build([*POOLED, "flatten", {"linear": 10}], [3, "H", "W"], stirred=False)
    images, others = draw_scenes(0, 8, 25), draw_scenes(1, 400, 1)

    def find_flattery(images: Array) -> tuple[float, tuple[str, ...]]:
        quantized = calibrate(model, images, tmp_path)
        assert quantized.report.loss.last.sqnr_db is not None
        return quantized.report.loss.last.sqnr_db - measure_unseen(model, quantized, others), quantized.report.notes

    for order in (images, np.random.default_rng(2).permutation(images)):
        flattery, notes = find_flattery(order)
        assert flattery < 8
        assert any("200 images, of which about 8 are different: others may reach beyond" in note for note in notes)
    monkeypatch.setattr(Sketches, "group", lambda sketches: list(range(200)))
    assert find_flattery(images)[0] > 20  # the control


def test_outputs_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """An output that no layer reads as integers has no range: it is seen where models are compared."""
    ways = {"concat": [[{"conv": {"out": 8}}, {"scale": 1e4}], [{"conv": {"out": 4}}, "sigmoid"]]}
    model = build([{"conv": {"out": 2}}, ways, {"output": "joined"}, "relu", {"conv": {"out": 1}}], [1, 6, 6])
    images = np.random.default_rng(0).standard_normal((8, 1, 6, 6))
    calibrate(model, images, tmp_path, target="tensorrt")
    with pytest.raises(ArchspecError, match=r"'joined' .*holds infinite numbers or NaN"):
        calibrate(model, images * 1e36, tmp_path, target="tensorrt")
