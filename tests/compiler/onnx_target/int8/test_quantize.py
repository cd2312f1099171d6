"""Int8 models: the integers are those of the recipe, and ONNX Runtime computes in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from archspec.api import elaborate, load, to_torch
from compiler.graph import Graph
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme, ValueRange
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes, write_model
from runtime.int8.running import run_exposed
from tests.support.documents import graph_from
from tests.support.lowering import stir
from tests.support.processors import needs_whole_sums
from tests.support.strategies import MODERATE, specs

RESIDUAL = """
archspec: 1
inputs: {x: [3, 12, 12]}
network:
  - conv: {out: 16, kernel: 3, bias: false}
  - norm
  - relu
  - max_pool: {kernel: 2}
  - residual:
      body: [{conv: {out: 16, kernel: 3}}, relu, {conv: {out: 16, kernel: 3}}]
  - relu
  - global_avg_pool
  - flatten
  - linear: 10
"""

PRE_ACTIVATION = """
archspec: 1
inputs: {x: [4, 8, 8]}
network:
  - conv: {out: 8, kernel: 3}
  - residual:
      body: [norm, relu, {conv: {out: 8, kernel: 3}}]
  - norm
  - relu
  - conv: {out: 4, kernel: 1}
"""

OTHERS = """
archspec: 1
inputs: {x: [8, 8, 8]}
network:
  - conv: {out: 16, kernel: 3}
  - relu6
  - concat:
      - [{conv: {out: 8, kernel: 1}}, silu]
      - [{avg_pool: {kernel: 3, stride: 1, padding: 1}}]
      - [{conv: {out: 8, kernel: 3, groups: 4}}, {leaky_relu: 0.1}]
  - conv: {out: 8, kernel: 3, stride: 2}
  - upsample: {scale: 2}
  - conv: {out: 8, kernel: 3}
  - conv_transpose: {out: 8, kernel: 2, stride: 2}
  - conv: {out: 4, kernel: 3}
"""


def build(text: str, folder: Path) -> OnnxModel:
    path = folder / "net.yaml"
    path.write_text(text)
    return build_stirred(elaborate(load(path)))


def build_stirred(graph: Graph) -> OnnxModel:
    return build_model(graph, {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()})


def sample(model: OnnxModel, count: int = 4, seed: int = 0) -> NDArray[np.float32]:
    (node,) = model.graph.inputs.values()
    return np.random.default_rng(seed).standard_normal((count, *node.shape)).astype(np.float32)


def measure(model: OnnxModel, images: NDArray[np.float32], recipe: Int8Recipe = "u8s8") -> dict[str, ValueRange]:
    values = plan_quantization(model, recipe).values
    return {name: (float(a.min()), float(a.max())) for name, a in run_exposed(model, values)(images).items()}


def quantize(model: OnnxModel, images: NDArray[np.float32], recipe: Int8Recipe = "u8s8", **options: Any) -> OnnxModel:
    return quantize_model(model, Scheme(recipe, measure(model, images, recipe), **options))


def run(model: OnnxModel, images: NDArray[np.float32], dump: Path | None = None) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if dump:
        options.optimized_model_filepath = str(dump)
    session = onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[-1])


def run_reference(model: OnnxModel, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """With onnx's own definitions, of which those of these two operators begin at opset 19 and say the same as 17's."""
    proto = onnx.load_model_from_string(to_bytes(model))
    proto.opset_import[0].version = 19
    evaluator = ReferenceEvaluator(proto)
    *_, last = evaluator.run(None, {evaluator.input_names[0]: images})
    return np.asarray(last)


def noise(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """√(Σ difference² / Σ expected²)."""
    assert expected.shape == found.shape
    return float(np.linalg.norm(expected - found) / np.linalg.norm(expected))


def kinds(model: OnnxModel, folder: Path, images: NDArray[np.float32]) -> Counter[str]:
    """What ONNX Runtime made of a model, by the kind of operation."""
    run(model, images, folder / "optimized.onnx")
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


EIGHT_BITS = 0.05
"""Noise of a few layers in eight bits: each rounds by at most half of one of 255 steps."""


@pytest.mark.parametrize("text", [RESIDUAL, PRE_ACTIVATION, OTHERS])
@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
@needs_whole_sums
def test_little_is_lost(text: str, recipe: Int8Recipe, tmp_path: Path) -> None:
    model = build(text, tmp_path)
    images = sample(model)
    expected = run(model, images)
    small = quantize(model, images, recipe)
    assert 0 < noise(expected, run(small, images)) < EIGHT_BITS
    assert 0 < noise(expected, run_reference(small, images)) < EIGHT_BITS
    # the control: a range of half the width cuts what is beyond
    halves = {name: (low / 2, high / 2) for name, (low, high) in measure(model, images, recipe).items()}
    assert noise(expected, run(quantize_model(model, Scheme(recipe, halves)), images)) > EIGHT_BITS


@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
@needs_whole_sums
def test_a_channel_of_zeros_keeps_its_bias(recipe: Int8Recipe, tmp_path: Path) -> None:
    """ONNX Runtime rounds a float bias to steps of the channel's scale, and must not run out of integers."""
    path = tmp_path / "net.yaml"
    path.write_text("archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork: [conv: 4, conv: 4, relu]\n")
    graph = elaborate(load(path))
    weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    weights["conv_0.weight"][1], weights["conv_0.bias"][1] = 0, 3
    model = build_model(graph, weights)
    images = sample(model)
    assert noise(run(model, images), run(quantize(model, images, recipe), images)) < EIGHT_BITS


@needs_whole_sums
def test_runtime_computes_what_the_file_says(tmp_path: Path) -> None:
    """ONNX Runtime's integer kernels against the definitions of the operators in float."""
    model = build(RESIDUAL, tmp_path)
    small = quantize(model, sample(model))
    images = sample(model, seed=1)
    found, expected = run(small, images), run_reference(small, images)
    # a number that lies between two steps may go either way, and its neighbours do not notice
    assert noise(expected, found) < 5e-3
    assert noise(expected, run(model, images)) > 5e-3  # the control


@needs_whole_sums
def test_one_layer_is_exact_in_integers(tmp_path: Path) -> None:
    text = "archspec: 1\ninputs: {x: [32]}\nnetwork: [{linear: 10}]\n"
    model = build(text, tmp_path)
    images = sample(model, 8)
    small = quantize(model, images)
    given = {name: np.asarray(array) for name, array in small.tensors.items()}
    weight = next(array for array in given.values() if array.dtype == np.int8 and array.ndim == 2)
    scale = next(given[f"{name}.scale"] for name, array in given.items() if array is weight)
    bias = next(array for name, array in given.items() if array.dtype == np.int32 and not name.endswith("zero_point"))
    step, zero = given["x.scale"], int(given["x.zero_point"])
    integers = np.clip(np.rint(images / step) + zero, 0, 255).astype(np.int64) - zero
    expected = (integers @ weight.T.astype(np.int64) + bias) * (step * scale)
    assert weight.shape == (10, 32)
    assert np.abs(run(small, images) - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(run(model, images) - expected).max() > 1e-3 * np.abs(expected).max()  # the control


@pytest.mark.parametrize("text", [RESIDUAL, PRE_ACTIVATION])
def test_everything_between_input_and_output_is_integers(text: str, tmp_path: Path) -> None:
    model = build(text, tmp_path)
    images = sample(model)
    found = kinds(quantize(model, images), tmp_path, images)
    layers = sum(node.op_type in ("Conv", "BatchNormalization") for node in model.head.graph.node)
    assert found["QLinearConv"] == layers
    assert found["QuantizeLinear"] == 1
    assert found["DequantizeLinear"] <= 1
    assert not {"Conv", "Gemm", "Relu", "Add", "MaxPool", "GlobalAveragePool", "BatchNormalization"} & found.keys()
    assert "Conv" in kinds(model, tmp_path, images) or "FusedConv" in kinds(model, tmp_path, images)  # the control


def test_transposed_convolutions_alone_stay_float(tmp_path: Path) -> None:
    model = build(OTHERS, tmp_path)
    images = sample(model)
    found = kinds(quantize(model, images), tmp_path, images)
    assert found["QLinearConv"] == 6
    assert found["ConvTranspose"] == 1
    assert found["Clip"] == 1  # without which ONNX Runtime rounds its weights
    assert found["DequantizeLinear"] == 2  # before it, and before the output; none of weights
    assert found["QLinearConcat"] == 1
    assert not {"Conv", "FusedConv", "Concat", "AveragePool"} & found.keys()


def test_layers_that_are_kept_stay_float(tmp_path: Path) -> None:
    model = build(RESIDUAL, tmp_path)
    images = sample(model)
    layers = plan_quantization(model, "u8s8").layers
    kept = frozenset(layers[1:2])
    small = quantize(model, images, kept=kept)
    assert plan_quantization(model, "u8s8", kept).layers == (layers[0], *layers[2:])
    assert np.asarray(small.tensors[f"{layers[1]}.weight"]).dtype == np.float32
    assert np.asarray(small.tensors[f"{layers[0]}.weight"]).dtype == np.int8
    found = kinds(small, tmp_path, images)
    assert (found["QLinearConv"], found["Conv"] + found["FusedConv"]) == (2, 1)
    everything = quantize(model, images, kept=frozenset(layers))
    assert np.array_equal(run(everything, images), run(model, images))


def test_symmetric_recipe_is_tensorrts(tmp_path: Path) -> None:
    model = build(RESIDUAL, tmp_path)
    small = quantize(model, sample(model), "s8s8")
    arrays = {name: np.asarray(array) for name, array in small.tensors.items()}
    points = [array for name, array in arrays.items() if name.endswith("zero_point")]
    assert points
    assert all(array.dtype == np.int8 and not array.any() for array in points)
    assert all(array.dtype != np.int32 for array in arrays.values())
    # of the addition one operand is a convolution's own float result, and the other is quantized
    (addition,) = (node for node in small.head.graph.node if node.op_type == "Add")
    producers = {node.output[0]: node.op_type for node in small.head.graph.node}
    assert sorted(producers[name] for name in addition.input) == ["Conv", "DequantizeLinear"]
    layers = {node.name: node for node in small.head.graph.node if node.op_type in ("Conv", "Gemm")}
    assert all(producers[node.input[0]] == "DequantizeLinear" for node in layers.values())


def test_both_recipes_take_the_ranges_of_one_calibration(tmp_path: Path) -> None:
    model = build(RESIDUAL, tmp_path)
    unsigned, signed = (set(plan_quantization(model, recipe).values) for recipe in ("u8s8", "s8s8"))
    assert signed < unsigned


def test_fewer_layers_need_no_other_ranges(tmp_path: Path) -> None:
    """The search tries many sets of layers with the ranges of one calibration."""
    for text in (RESIDUAL, PRE_ACTIVATION, OTHERS):
        model = build(text, tmp_path)
        for recipe in ("u8s8", "s8s8"):
            whole = plan_quantization(model, recipe)
            for layer in whole.layers:
                alone = plan_quantization(model, recipe, frozenset(whole.layers) - {layer})
                assert set(alone.values) <= set(whole.values)


def test_reduced_range_has_seven_bits(tmp_path: Path) -> None:
    model = build(RESIDUAL, tmp_path)
    images = sample(model)
    for reduce_range, limit in ((False, 127), (True, 63)):
        arrays = map(np.asarray, quantize(model, images, reduce_range=reduce_range).tensors.values())
        assert max(int(np.abs(a.astype(int)).max()) for a in arrays if a.dtype == np.int8 and a.ndim > 1) == limit


def test_bytes_and_metadata(tmp_path: Path) -> None:
    model = build(RESIDUAL, tmp_path)
    images = sample(model)
    first, second = quantize(model, images), quantize(model, images)
    assert to_bytes(first) == to_bytes(second)
    assert first.metadata["archspec.precision"] == "int8"
    assert model.metadata["archspec.precision"] == "fp32"
    write_model(first, tmp_path / "small.onnx")  # onnx's own checker has nothing to say
    write_model(model, tmp_path / "float.onnx")
    assert [(value.name, value.type) for value in first.head.graph.output] == [
        (value.name, value.type) for value in model.head.graph.output
    ]


@needs_whole_sums
def test_an_output_inside_is_given_and_read(tmp_path: Path) -> None:
    text = """
archspec: 1
inputs: {x: [4, 8, 8]}
network:
  - conv: {out: 8, kernel: 3}
  - output: inner
  - conv: {out: 4, kernel: 3}
  - output: last
"""
    model = build(text, tmp_path)
    images = sample(model)
    found = run_exposed(quantize(model, images), ["inner", "last"])(images)
    for name, expected in run_exposed(model, ["inner", "last"])(images).items():
        assert 0 < noise(expected, found[name]) < EIGHT_BITS


@pytest.mark.parametrize("rank", [1, 3])
@needs_whole_sums
def test_other_ranks(rank: int, tmp_path: Path) -> None:
    extents = ", ".join(["8"] * rank)
    text = f"""
archspec: 1
inputs: {{x: [4, {extents}]}}
network:
  - conv: {{out: 8, kernel: 3}}
  - relu
  - max_pool: {{kernel: 2}}
  - norm
  - relu
  - conv: {{out: 4, kernel: 3}}
"""
    model = build(text, tmp_path)
    images = sample(model)
    assert 0 < noise(run(model, images), run(quantize(model, images), images)) < EIGHT_BITS


@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
def test_places_of_a_pooling_stay_whole_numbers(recipe: Int8Recipe, tmp_path: Path) -> None:
    """They are the pooling's second result, which moves as values do and has no scale. ONNX Runtime may round what is
    pooled first: then the first of two that are nearly equal is the largest, and its value goes to another place."""
    text = "archspec: 1\ninputs: {x: [4, 32, 32]}\nnetwork: [max_pool: 2, tap: small, conv: 4, max_unpool: small]\n"
    model = build(text, tmp_path)
    images = sample(model)
    assert any(len(node.output) == 2 for node in model.head.graph.node)
    found, expected = run(quantize(model, images, recipe), images), run(model, images)
    same = (found != 0) == (expected != 0)
    assert same.mean() > 0.98
    assert 0 < noise(expected[same], found[same]) < EIGHT_BITS
    assert noise(expected[same], -found[same]) > EIGHT_BITS  # the control


@settings(MODERATE, max_examples=25)
@given(specs())
def test_any_network_is_quantized_or_has_no_layers(document: dict[str, Any]) -> None:
    graph = graph_from(document)
    if len(graph.inputs) != 1:
        return
    model = build_stirred(graph)
    images = sample(model, 2)
    if not np.isfinite(run(model, images)).all():
        return
    for recipe in ("u8s8", "s8s8"):
        assert np.isfinite(run(quantize(model, images, recipe), images)).all()


RANGES = st.floats(-1e6, 1e6, width=32)
