"""fp16 and bf16: what the file holds, that it computes what torch does, and that what does not fit is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from PIL import Image
from torch import nn

from archspec.api import elaborate, load, proof_cases, to_onnx, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Attention, Linear, MaxPool, MaxUnpool, Op, Scale, Shape, Upsample, Vote
from compiler.graph import Graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import ExportOptions, Io, Precision
from compiler.onnx_target.write import to_bytes, write_model
from runtime.data.registry import describe_data, load_data
from runtime.prediction.network_outputs import compute_outputs
from runtime.prediction.png import to_pixels
from runtime.prediction.predict import predict
from runtime.recipes.recipe import Recipe
from runtime.session.inputs import make_inputs
from runtime.session.session import Session
from runtime.training.module_outputs import evaluate_module
from runtime.training.train import train
from runtime.verification.differences import LIMITS
from runtime.verification.model.half_rounding import RoundedSession
from runtime.verification.proof.proof import prove
from tests.support.lowering import Arrays, difference, graph_of, run_onnx, run_torch, sample_inputs, stir
from tests.support.op_examples import walk
from tests.support.rounding import COSINES, TOLERANCE, round_file

FP16, BF16 = ExportOptions(precision="fp16"), ExportOptions(precision="bf16")
HALVES = pytest.mark.parametrize("options", [FP16, BF16], ids=["fp16", "bf16"])
KINDS = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def halve(array: Any) -> Any:
    """Round to half precision, but for whole numbers."""
    return array.astype(np.float16) if np.issubdtype(array.dtype, np.floating) else array


def build(graph: Graph, weights: Mapping[str, Any], options: ExportOptions) -> OnnxModel:
    return build_model(graph, {name: np.asarray(value) for name, value in weights.items()}, options=options)


def write(graph: Graph, weights: Mapping[str, Any], options: ExportOptions, folder: Path) -> Path:
    path = folder / f"{graph.name}.{options.precision}.{options.io}.onnx"
    write_model(build(graph, weights, options), path)
    return path


def run_rounded(path: Path, inputs: Arrays) -> Arrays:
    return run_onnx(round_file(path), inputs)


def is_miscounted(op: Op, precision: Precision) -> bool:
    """Until opset 22 onnx infers one window too many where it would begin in the padding behind."""
    return isinstance(op, MaxPool) and op.ceil and op.padding != 0 and precision != "bf16"


@HALVES
@walk
def test_every_op_is_valid_and_agrees_with_torch(
    op: Op, shapes: tuple[Shape, ...], options: ExportOptions, tmp_path: Path
) -> None:
    graph = graph_of(op, *shapes)
    module = stir(to_torch(graph))
    path = write(graph, module.state_dict(), options, tmp_path)
    onnx.checker.check_model(path, full_check=not is_miscounted(op, options.precision))
    inputs = sample_inputs(graph, 3)
    expected = run_torch(graph, module, inputs)
    found = [run_rounded(path, inputs)]
    if options is FP16:
        found.append(run_onnx(path, {name: halve(array) for name, array in inputs.items()}))
    tolerance = TOLERANCE[options.precision] * (
        COSINES if isinstance(op, Attention) and op.similarity == "cosine" else 1
    )
    for one in found:
        if isinstance(op, Vote | MaxUnpool):  # between two numbers that are nearly equal, rounding decides
            assert np.mean(np.abs(one["y"] - expected["y"]) > 0.1) < 0.02
        else:
            assert difference(expected, {"y": one["y"].astype(np.float32)}) < tolerance


@HALVES
def test_a_wrong_weight_is_beyond_the_tolerance(options: ExportOptions, tmp_path: Path) -> None:
    graph = graph_of(Linear(out=6), Shape(8))
    module = stir(to_torch(graph))
    weights = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    weights["op.weight"][2, 3] += 0.1
    inputs = sample_inputs(graph, 3)
    found = run_rounded(write(graph, weights, options, tmp_path), inputs)
    assert difference(run_torch(graph, module, inputs), found) > TOLERANCE[options.precision]


@HALVES
def test_inputs_and_outputs_may_stay_float32(options: ExportOptions, tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    state = stir(to_torch(graph)).state_dict()
    same, outside = (write(graph, state, replace(options, io=io), tmp_path) for io in ("same", "fp32"))
    model = onnx.load(outside)
    types = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    assert types == [TensorProto.FLOAT] * 2
    casts = [node.op_type == "Cast" for node in model.graph.node]
    assert casts == [True, *[False] * (len(casts) - 2), True]
    inputs = sample_inputs(graph, 3)
    assert difference(run_rounded(same, inputs), run_rounded(outside, inputs)) == 0


def test_float32_has_no_casts() -> None:
    graph = elaborate(load("resnet_digits"))
    models = [build(graph, to_torch(graph, seed=1).state_dict(), ExportOptions(io=io)) for io in ("same", "fp32")]
    assert to_bytes(models[0]) == to_bytes(models[1])


@HALVES
def test_what_counts_or_scales_keeps_its_type(options: ExportOptions) -> None:
    model = build(graph_of(Upsample(scale=2), Shape(3, 5, 6)), {}, options)
    assert {name: tensor.dtype for name, tensor in model.tensors.items()} == {"op.scales": np.float32}
    model = build(graph_of(Vote(), *[Shape(3, 5, 6)] * 2), {}, options)
    assert model.tensors["op.channels"].dtype == np.int64


@HALVES
def test_onnx_own_evaluator_agrees(options: ExportOptions, tmp_path: Path) -> None:
    """A second witness, which computes in half precision itself."""
    graph = elaborate(load("resnet_digits"))
    module = stir(to_torch(graph))
    path = write(graph, module.state_dict(), replace(options, io="fp32"), tmp_path)
    inputs = sample_inputs(graph, 4)
    expected = run_torch(graph, module, inputs)
    (given,) = ReferenceEvaluator(onnx.load(path)).run(None, inputs)
    found = np.asarray(given)
    assert difference(expected, {"output": found}) < TOLERANCE[options.precision]
    assert difference(run_rounded(path, inputs), {"output": found}) < TOLERANCE[options.precision]
    shifted = {name: np.roll(array, 1, axis=0) for name, array in expected.items()}
    assert difference(shifted, {"output": found}) > TOLERANCE[options.precision]


@HALVES
def test_the_same_weights_give_the_same_bytes(options: ExportOptions) -> None:
    files = []
    for _ in range(2):
        graph = elaborate(load("resnet_digits"))
        files.append(to_bytes(build(graph, to_torch(graph, seed=3).state_dict(), options)))
    assert files[0] == files[1]


@HALVES
def test_a_file_is_half_the_size(options: ExportOptions) -> None:
    graph = elaborate(load("resnet50"))
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    half, whole = (len(to_bytes(build(graph, weights, one))) for one in (options, ExportOptions()))
    assert half <= 0.505 * whole


def linear(factor: float, shape: int = 8) -> tuple[Graph, dict[str, np.ndarray]]:
    graph = graph_of(Linear(out=4, bias=False), Shape(shape))
    return graph, {"op.weight": np.full((4, shape), factor, np.float32)}


def test_a_weight_that_is_infinite_is_named(tmp_path: Path) -> None:
    graph, weights = linear(1e5)
    with pytest.raises(ArchspecError, match=r"op\.weight holds 1e\+05, which is infinite in float16: .*bf16 or fp32"):
        build(graph, weights, FP16)
    assert build(graph, weights, BF16).tensors["op.weight"].dtype.itemsize == 2
    with pytest.raises(ArchspecError, match=r"op\.factor holds 7e\+04, which is infinite in float16"):
        build(graph_of(Scale(value=7e4), Shape(3)), {}, FP16)


def test_a_weight_below_the_range_is_told() -> None:
    graph, weights = linear(3e-8)
    weights["op.weight"][0] = 1e-8
    (step,) = build(graph, weights, FP16).steps[-1:]
    assert step.name == "cast weights"
    assert [note.node for note in step.left] == ["op"]
    assert "weight is below the range of float16" in step.left[0].text
    assert "8 became zero" in step.left[0].text
    for usual, options in ((1.0, FP16), (1.1, FP16), (1e-8, BF16), (1.1, BF16)):
        graph, weights = linear(usual)
        assert build(graph, weights, options).steps[-1].left == ()


@pytest.mark.parametrize("factor", [1e-7, 1e-9, 1e-30, 1e-42])
@pytest.mark.parametrize("verify", [True, False])
def test_an_export_tells_a_weight_below_the_range(
    factor: float, verify: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By name, with as many zeros as numpy makes, and where the squares of the numbers are zero too."""
    graph = graph_of(Linear(out=4, bias=True), Shape(8))
    kernel = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32) * np.float32(factor)
    weights = {"op.weight": kernel, "op.bias": np.ones(4, np.float32)}
    zeros = np.count_nonzero(kernel) - np.count_nonzero(kernel.astype(np.float16))
    to_onnx(graph, weights, tmp_path / "m.onnx", verify=verify, options=FP16)
    (line,) = caplog.messages
    assert line.startswith("op.weight is below the range of float16: ")
    assert line.endswith(f" {zeros} became zero; bf16 has the range of fp32")
    caplog.clear()
    to_onnx(graph, {**weights, "op.weight": kernel / factor}, tmp_path / "m.onnx", verify=verify, options=FP16)
    assert caplog.messages == []


@pytest.mark.parametrize("factor", [1e25, 1e37])
def test_weights_whose_squares_overflow_are_written(factor: float) -> None:
    graph, weights = linear(factor)
    assert build(graph, weights, BF16).steps[-1].left == ()


def chain(folder: Path, network: str) -> Graph:
    path = folder / "chain.yaml"
    path.write_text(f"archspec: 1\ninputs: {{x: [8, 4, 4]}}\nnetwork: {network}\n", encoding="utf-8")
    return elaborate(load(path))


def test_a_sum_that_overflows_fails_the_proof(tmp_path: Path) -> None:
    """ONNX Runtime's CPU provider computes such a file in fp32, without rounding in between, and hides it."""
    graph = chain(
        tmp_path, "[{conv: {out: 8, kernel: 1, bias: false}}, relu, {conv: {out: 8, kernel: 1, bias: false}}]"
    )
    module = to_torch(graph)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), (6e4, 1e-4), strict=True):
            parameter.fill_(value)
    path = write(graph, module.state_dict(), FP16, tmp_path)
    cases = [{"x": (2, 8, 4, 4)}]
    hidden = run_onnx(path, {"x": np.ones((2, 8, 4, 4), np.float16)})["output"]
    assert np.isfinite(hidden).all()
    with pytest.raises(ArchspecError, match=r"holds infinite numbers or NaN in ONNX: float16 ends .* bf16"):
        prove(path, module, cases)
    proof = prove(write(graph, module.state_dict(), BF16, tmp_path), module, cases)
    assert proof.dtype == "bfloat16"


@HALVES
def test_a_proof_has_the_tolerance_of_the_type(options: ExportOptions, tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    module = stir(to_torch(graph))
    weights = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    proof = prove(write(graph, weights, options, tmp_path), module, proof_cases(graph))
    assert proof.tolerance == LIMITS[proof.dtype].numbers
    assert LIMITS["float32"].numbers < proof.worst < proof.tolerance
    assert [case.predictions for case in proof.cases] == [case.inputs["image"][0] for case in proof.cases]
    assert json.loads(json.dumps(proof.to_dict()))["cases"][0]["equal_predictions"] <= 1
    assert "predictions are equal" in str(proof.cases[0])
    weights["conv_0.weight"][0] *= 3
    with pytest.raises(ArchspecError, match="output 'output' differs by"):
        prove(write(graph, weights, options, tmp_path), module, proof_cases(graph))


def test_a_signal_below_the_range_fails_the_proof(tmp_path: Path) -> None:
    graph = chain(
        tmp_path, "[{scale: 0.00001}, relu, {conv: {out: 8, kernel: 1, bias: false}}, relu, {scale: 0.00001}]"
    )
    module = to_torch(graph)
    cases = [{"x": (2, 8, 4, 4)}]
    with pytest.raises(ArchspecError, match=r"differs by .*: float16 ends .* bf16"):
        prove(write(graph, module.state_dict(), FP16, tmp_path), module, cases)
    assert prove(write(graph, module.state_dict(), BF16, tmp_path), module, cases).worst < 0.02


class Trained(NamedTuple):
    graph: Graph
    module: nn.Module
    metadata: dict[str, str]


@pytest.fixture(scope="module")
def trained() -> Trained:
    graph = elaborate(load("resnet_digits", {"widths": [8, 8, 8]}))
    module, data = to_torch(graph), load_data("digits")
    train(module, data, Recipe(epochs=4, threads=1))
    return Trained(graph, module, describe_data(data))


@pytest.mark.parametrize("io", ["same", "fp32"])
@HALVES
def test_predictions_stay(trained: Trained, options: ExportOptions, io: Io, tmp_path: Path) -> None:
    """Of 360 held-out digits; in bf16, whose numbers have two to three decimal digits, all but a few."""
    graph, module, metadata = trained
    test = load_data("digits").held_out
    path = tmp_path / "model.onnx"
    write_model(build_model(graph, arrays(module), metadata=metadata, options=replace(options, io=io)), path)
    expected = evaluate_module(module, test)["output"].argmax(1)
    session = RoundedSession(path, providers=["cpu"])
    equal = int((compute_outputs(session, test.images)["output"].argmax(1) == expected).sum())
    assert equal == 360 if options is FP16 else equal >= 356
    assert (expected == test.labels).mean() > 0.8


@pytest.mark.parametrize("io", ["same", "fp32"])
def test_a_file_of_half_precision_answers_for_pictures(trained: Trained, io: Io, tmp_path: Path) -> None:
    graph, module, metadata = trained
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    write_model(build_model(graph, arrays(module), metadata=metadata), whole)
    write_model(build_model(graph, arrays(module), metadata=metadata, options=replace(FP16, io=io)), half)
    data = load_data("digits")
    pictures = [tmp_path / f"{number}.png" for number in range(10)]
    for number, picture in enumerate(pictures):
        Image.fromarray(to_pixels(data.preprocess.restore(data.held_out.images[number]))).save(picture)
    sessions = [Session(path, providers=["cpu"]) for path in (whole, half)]
    answers = [[answer.to_dict() for answer in predict(session, pictures, top=1)] for session in sessions]
    labels = [[answer["label"] for answer in side] for side in answers]
    assert labels[0] == labels[1]
    feed = make_inputs(sessions[1], 2, {})
    assert feed["image"].dtype == ("float16" if io == "same" else "float32")
    assert sessions[1].run(feed)["output"].dtype == feed["image"].dtype


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def test_a_processor_without_bfloat16_says_so(tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    path = write(graph, to_torch(graph).state_dict(), BF16, tmp_path)
    with pytest.raises(ArchspecError, match="as it has none in bfloat16: GPUs may run it"):
        Session(path, providers=["cpu"])
