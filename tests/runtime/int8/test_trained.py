"""The scales of training go with the weights, and an export takes exactly these."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from archspec.errors import InputError, ModelError
from compiler.onnx_file.metadata import INT8, TRAINED_INT8
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.int8.data import CalibrationData
from runtime.int8.fake_quantized import prepare_fake_quantized
from runtime.int8.quantize import calibrate
from runtime.int8.running import run_model
from runtime.int8.trained import METHOD, TrainedScheme, quantize_trained

IMAGES = np.random.default_rng(0).standard_normal((64, 1, 8, 8)).astype(np.float32)
DATA = CalibrationData("noise", IMAGES.shape[1:], tuple(range(64)), lambda numbers: IMAGES[list(numbers)])


@pytest.fixture(scope="module")
def trained(model: OnnxModel) -> TrainedScheme:
    return TrainedScheme.take(model, calibrate(model, DATA), DATA)


def test_what_is_written_is_read(trained: TrainedScheme) -> None:
    written = trained.to_metadata()
    found = TrainedScheme.read(written)
    assert found is not None
    assert found.to_metadata() == written
    assert (found.scheme, found.plan) == (trained.scheme, trained.plan)  # ranges to the last bit
    assert (found.data, found.images) == ("noise", 64)
    assert TrainedScheme.read({}) is None


def change(trained: TrainedScheme, **changes: Any) -> dict[str, str]:
    found = json.loads(trained.to_metadata()[TRAINED_INT8]) | changes
    return {str(TRAINED_INT8): json.dumps({key: value for key, value in found.items() if value != "gone"})}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "s4"}, "u8s8 or s8s8, not 's4'"),
        ({"recipe": []}, "u8s8 or s8s8"),
        ({"plan": "gone"}, "lacks the key 'plan'"),
        ({"more": 1}, "unknown key 'more'"),
        ({"ranges": []}, "ranges must be a JSON object"),
        ({"ranges": {"image": [0]}}, "the range of image must be its lowest and its highest number"),
        ({"ranges": {"image": ["0", 1]}}, "must be a number, found a string"),
        ({"ranges": {"image": [1, 0]}}, "must rise"),
        ({"ranges": {"image": [0, 1e300]}}, "must rise, within"),
        ({"kept": "all"}, "kept must be a list of names"),
        ({"floats": [1]}, "floats must be a list of names"),
        ({"reduce_range": 1}, "reduce_range is true or false"),
        ({"data": None}, "plan and data are texts"),
        ({"images": 0}, "images must be between 1"),
        ({"different": 1.5}, "different must be an integer"),
    ],
)
def test_malformed_metadata(trained: TrainedScheme, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        TrainedScheme.read(change(trained, **changes), "weights.safetensors")
    assert "weights.safetensors" in str(caught.value)
    assert TrainedScheme.read(change(trained)) is not None  # the control


def test_no_json(trained: TrainedScheme) -> None:
    for text in ("", "[]", "{", '{"ranges": NaN}'):
        with pytest.raises(ModelError, match="trained_int8"):
            TrainedScheme.read({str(TRAINED_INT8): text})


def test_the_file_has_these_scales_and_no_others(model: OnnxModel, trained: TrainedScheme) -> None:
    """The file of the weights as they are is the calibrated one; that of others has the same scales, whatever they
    reach."""
    quantized = quantize_trained(model, trained)
    assert quantized.report.method == METHOD
    assert quantized.report.loss.images == 0
    assert json.loads(quantized.model.metadata[INT8])["loss"]["drop"] is None
    larger = replace(model, tensors={name: 3 * np.asarray(array) for name, array in model.tensors.items()})
    other = quantize_trained(larger, trained)
    names = [name for name in quantized.model.tensors if name.endswith(".scale") and ".weight" not in name]
    scales = [name for name in names if ".bias" not in name]
    assert len(scales) == len(trained.scheme.ranges)
    for name in scales:
        assert np.array_equal(np.asarray(quantized.model.tensors[name]), np.asarray(other.model.tensors[name]))
    again = TrainedScheme.take(larger, calibrate(larger, DATA), DATA)
    assert again.scheme.ranges != trained.scheme.ranges  # the control: calibrated anew they differ


def test_the_file_computes_as_the_module(model: OnnxModel) -> None:
    """End to end: what was trained, once it is exported by the metadata of its weights. In seven bits, since CPUs
    without VNNI add products of eight in 16."""
    trained = TrainedScheme.take(model, calibrate(model, DATA, reduce_range=True), DATA)
    graph = model.graph
    weights = {name: np.asarray(array) for name, array in model.tensors.items()}
    module = prepare_fake_quantized(graph, weights, trained.scheme)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    images = torch.from_numpy(IMAGES)
    for _ in range(5):
        optimizer.zero_grad()
        module(images).square().mean().backward()
        optimizer.step()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    read = TrainedScheme.read(trained.to_metadata())
    assert read is not None
    exported = quantize_trained(build_model(graph, state), read).model
    with torch.no_grad():
        expected = module(images).numpy()
    (found,) = run_model(exported)(IMAGES).values()
    reach = np.abs(expected).max()
    assert np.mean(np.abs(found - expected) > 1e-5 * reach) < 0.01
    before = run_model(quantize_trained(model, read).model)(IMAGES)
    assert np.mean(np.abs(next(iter(before.values())) - expected) > 1e-5 * reach) > 0.5  # the control
    assert to_bytes(exported) == to_bytes(quantize_trained(build_model(graph, state), read).model)


def test_the_loss_is_measured_where_there_are_images(model: OnnxModel, trained: TrainedScheme) -> None:
    report = quantize_trained(model, trained, DATA).report
    assert (report.loss.images, report.loss.judged) == (64, "by ranges of training")
    assert report.loss.last.relative_error < 0.1
    assert (report.data, report.images) == ("noise", 64)


def test_another_recipe_or_form_is_refused(model: OnnxModel, trained: TrainedScheme) -> None:
    with pytest.raises(InputError, match=r"by the recipe u8s8.*has s8s8: take --for any or --for cpu"):
        quantize_trained(model, trained, target="tensorrt")
    assert quantize_trained(model, trained, target="cpu").report.layers == 2
    fewer = replace(trained, scheme=replace(trained.scheme, ranges={"image": (-1.0, 1.0)}))
    with pytest.raises(InputError, match=r"it rounds .*relu_0"):
        quantize_trained(model, fewer)
    with pytest.raises(InputError, match="other values or layers"):
        quantize_trained(model, replace(trained, plan="0"))
