"""A sound file is not called wrong because a witness is: what onnx.reference gets wrong is known or outvoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archspec.api import verify_model
from archspec.arrays import Array
from runtime.verification.checks import Check
from runtime.verification.report import Verification
from runtime.verification.witness.witness import PLAIN, REFERENCE, Witness, find_fault

SHAPE = [2, 3, 7, 7]


def run_of(verification: Verification) -> Check:
    return next(check for check in verification.checks if check.name.startswith("x "))


def tensor(name: str, *values: float) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.float32), name)


NORM = helper.make_node("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], ["y"])
STATISTICS = [
    tensor("scale", 1.5, 0.5, 1),
    tensor("bias", 0.1, 0.2, 0.3),
    tensor("mean", 0.3, 0.4, 0.5),
    tensor("variance", 2, 3, 4),
]
POOL: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1}


def save(
    path: Path, nodes: list[onnx.NodeProto], opset: int, stored: tuple[onnx.TensorProto, ...] | list[Any] = ()
) -> Path:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", SHAPE), ("y", [2, 3, None, None]))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], list(stored))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("node", "opset", "right"),
    [
        (NORM, 9, 14),
        (helper.make_node("Softmax", ["x"], ["y"]), 11, 13),
        (helper.make_node("LogSoftmax", ["x"], ["y"]), 12, 13),
        (helper.make_node("AveragePool", ["x"], ["y"], **POOL), 17, None),
    ],
    ids=["batch norm", "softmax", "log softmax", "average pool"],
)
def test_what_the_reference_gets_wrong_is_asked_of_another(
    node: onnx.NodeProto, opset: int, right: int | None, tmp_path: Path
) -> None:
    path = save(tmp_path / "m.onnx", [node], opset, STATISTICS if node is NORM else ())
    feed = {"x": np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)}
    found = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    (wrong,) = ReferenceEvaluator(onnx.load(path)).run(None, feed)
    assert np.abs(np.asarray(wrong) - np.asarray(found)).max() > 1e-2  # else the fault is gone, and its row goes too
    verification = verify_model(path)
    assert verification.passed, verification.checks
    assert f"{PLAIN} (onnx.reference is wrong on" in run_of(verification).text
    if right:
        later = save(tmp_path / "later.onnx", [node], right + 1, STATISTICS if node is NORM else ())
        assert find_fault(onnx.load(later)) is None
        assert f"{REFERENCE} agrees" in run_of(verify_model(later)).text


def lie(self: Witness, feed: dict[str, Array]) -> tuple[str, dict[str, Array]]:
    return REFERENCE, {"y": feed["x"] + np.float32(1)}


def test_a_reference_that_stands_alone_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], 17)
    monkeypatch.setattr(Witness, "run", lie)
    verification = verify_model(path)
    assert verification.passed
    assert run_of(verification).status == "noted"
    assert f"{PLAIN} agrees to 0.0e+00; onnx.reference stands alone: the output 'y'" in run_of(verification).text


def test_two_witnesses_that_contradict_fail_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], 17)
    monkeypatch.setattr(Witness, "run", lie)
    monkeypatch.setattr(Witness, "run_plain", lie)
    verification = verify_model(path)
    assert not verification.passed
    assert "differs from onnx.reference" in run_of(verification).text


def test_infinite_numbers_of_a_mask_are_noted_and_nan_fails(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "mask"], ["masked"]), helper.make_node("Softmax", ["masked"], ["y"])]
    mask = [0.0] * 6 + [float("-inf")]
    verification = verify_model(save(tmp_path / "m.onnx", nodes, 17, [tensor("mask", *mask)]))
    assert verification.passed
    assert (verification.checks[2].name, verification.checks[2].status) == ("numbers", "noted")
    assert "mask holds infinite numbers" in verification.checks[2].text
    broken = verify_model(save(tmp_path / "n.onnx", nodes, 17, [tensor("mask", *mask[:6], float("nan"))]))
    assert broken.checks[2].status == "failed"


def test_weights_in_constant_nodes_are_stored_tensors(tmp_path: Path) -> None:
    def make(number: float) -> Path:
        constant = helper.make_node("Constant", [], ["w"], value=tensor("", *[number] * 7))
        return save(tmp_path / "m.onnx", [constant, helper.make_node("Mul", ["x", "w"], ["y"])], 17)

    assert verify_model(make(2.0)).checks[2].text == "1 stored tensors of 7 numbers, all finite"
    assert verify_model(make(float("nan"))).checks[2].status == "failed"


def test_integers_of_others_differ_by_their_steps(tmp_path: Path) -> None:
    """A scale of 0.1: optimizations may round to the other side, by a step."""
    scale, zero = tensor("scale", 0.1), numpy_helper.from_array(np.array([0], np.int8), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    verification = verify_model(save(tmp_path / "m.onnx", nodes, 17, [scale, zero]))
    assert verification.passed
    assert verification.facts is not None
    assert verification.facts.dtype == "int8"
    plain = verify_model(save(tmp_path / "n.onnx", [helper.make_node("Relu", ["x"], ["y"])], 17))
    assert plain.facts is not None
    assert plain.facts.dtype == "float32"


def test_a_stored_tensor_that_nothing_reads_is_not_asked_for(tmp_path: Path) -> None:
    """Files of IR version 3 list every stored tensor among the inputs."""
    path = save(tmp_path / "m.onnx", [helper.make_node("Softmax", ["x"], ["y"])], 11, [tensor("unused", 1, 2)])
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, [2]))
    onnx.save(model, path)
    assert verify_model(path).passed


def test_a_witness_that_gives_no_array_is_doubted(tmp_path: Path) -> None:
    """onnx.reference has a sequence of one where an optional is taken out again."""
    nodes = [helper.make_node("Optional", ["x"], ["o"]), helper.make_node("OptionalGetElement", ["o"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, 18)
    (said,) = ReferenceEvaluator(onnx.load(path)).run(None, {"x": np.zeros(SHAPE, np.float32)})
    assert isinstance(said, list)  # else the fault is gone
    verification = verify_model(path)
    assert verification.passed
    assert f"{PLAIN} (onnx.reference gives no array for 'y') agrees to" in run_of(verification).text
    control = save(tmp_path / "n.onnx", [helper.make_node("Identity", ["x"], ["y"])], 18)
    assert f"{REFERENCE} agrees to" in run_of(verify_model(control)).text
