"""Files in integers of another maker are judged within steps of eight bits, and a wrong one is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

from archspec.api import elaborate, load, to_onnx, to_torch, verify_model
from archspec.arrays import Array
from runtime.session.session import Session
from runtime.verification.differences import compare
from runtime.verification.model.inside import FULL_OPERANDS, ModelInside
from runtime.verification.report import Verification
from runtime.verification.witness.witness import Witness
from tests.support.lowering import stir


class Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, factor: float) -> None:
        random = np.random.default_rng(0)
        shape = (4, 1, 8, 8)
        images = [{"image": factor * random.standard_normal(shape).astype(np.float32)} for _ in range(3)]
        self.images: Iterator[dict[str, Array]] = iter(images)

    def get_next(self) -> dict[str, Array] | None:
        return next(self.images, None)


def quantize(folder: Path, form: str, factor: float = 1.0) -> Path:
    graph = elaborate(load("resnet_digits"))
    plain, path = folder / "float.onnx", folder / "int8.onnx"
    to_onnx(graph, stir(to_torch(graph)).state_dict(), plain, verify=False)
    model = onnx.load(plain)
    del model.metadata_props[:]  # what another maker knows nothing of
    onnx.save(model, plain)
    if form == "dynamic":
        quantize_dynamic(plain, path)
    else:
        quantize_static(plain, path, Images(factor), quant_format=QuantFormat[form])
    return path


def verify(path: Path) -> Verification:
    return verify_model(path, batches=[2], sizes={"H": 8, "W": 9})


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_integers_of_another_maker_are_verified(form: str, tmp_path: Path) -> None:
    found = verify(quantize(tmp_path, form))
    assert found.passed, found.checks
    assert found.facts is not None
    assert found.facts.precision == "int8"
    assert {check.name: check.status for check in found.checks}["batch"] == "passed"


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_scale_that_is_wrong_is_no_step(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run reads a file in which the last weight's scale is three times too large."""
    path = quantize(tmp_path, form)
    model = onnx.load(path)
    scale = next(item for item in model.graph.initializer if "linear_0.weight" in item.name and "scale" in item.name)
    scale.CopyFrom(numpy_helper.from_array(3 * numpy_helper.to_array(scale), scale.name))
    (tmp_path / "wrong").mkdir()
    onnx.save(model, tmp_path / "wrong" / "int8.onnx")
    monkeypatch.setattr("runtime.verification.runs.runs.open_runnable", lambda *_: open_other(tmp_path / "wrong"))
    assert not verify(path).passed


def open_other(folder: Path) -> Session:
    """What a session reads, in another's place."""
    return Session(folder / "int8.onnx", providers=["cpu"], settings="default", as_written=True)


@pytest.mark.parametrize(("factor", "status"), [(1.0, "passed"), (1e4, "noted")])
def test_the_range_of_its_inputs_is_told(factor: float, status: str, tmp_path: Path) -> None:
    found = verify(quantize(tmp_path, "QDQ", factor))
    ranges = next(check for check in found.checks if check.name == "ranges")
    assert (ranges.status, found.passed) == (status, True)


FLOAT, INT4, UINT4, INT8 = TensorProto.FLOAT, TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8
BLOCKS, COLUMNS = {"axis": 0, "block_size": 16}, {"axis": 1}


def save_small_weights(folder: Path, kind: int, layout: dict[str, Any], shape: tuple[int, ...], op: str) -> Path:
    """y = x · d, where d are the numbers w times their scales, of a shape."""
    random = np.random.default_rng(0)
    low = 0 if kind == UINT4 else -8
    numbers, scales = random.integers(low, low + 16, (64, 65)), random.uniform(0.02, 0.1, shape).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], **layout),
        helper.make_node(op, ["x", "d"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, FLOAT, ["N", extent]) for name, extent in (("x", 64), ("y", 65))]
    stored = [helper.make_tensor("w", kind, [64, 65], numbers.ravel().tolist()), numpy_helper.from_array(scales, "s")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], stored),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    onnx.save(model, folder / "small.onnx")
    return folder / "small.onnx"


@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
@pytest.mark.parametrize(
    ("kind", "layout", "shape"),
    [
        (INT4, BLOCKS, (4, 65)),
        (UINT4, BLOCKS, (4, 65)),
        (INT4, COLUMNS, (65,)),
        (INT4, {}, ()),
        (INT8, BLOCKS, (4, 65)),
    ],
    ids=["int4", "uint4", "by column", "one scale", "int8"],
)
def test_weights_of_few_bits_are_right_though_the_runtime_rounds(
    kind: int, layout: dict[str, Any], shape: tuple[int, ...], op: str, tmp_path: Path
) -> None:
    path = save_small_weights(tmp_path, kind, layout, shape, op)
    options = ort.SessionOptions()
    options.add_session_config_entry(*next(iter(FULL_OPERANDS.items())))
    by_itself, full = (
        ort.InferenceSession(path, given, providers=["CPUExecutionProvider"]) for given in (None, options)
    )
    x = np.random.default_rng(0).standard_normal((3, 64), dtype=np.float32)
    rounded, exact, right = by_itself.run(None, {"x": x})[0], full.run(None, {"x": x})[0], multiply(path, x)
    assert compare(right, exact) < 1e-5
    assert compare(right, rounded) > 1e-3  # else the runtime rounds no more, and the row passes as any other
    found = verify_model(path)
    row = next(check for check in found.checks if check.name == "x 3 × 64")
    assert (found.passed, row.status) == (True, "noted")
    assert "where what meets d (DequantizeLinear) is kept in float32 (session.qdq_matmulnbits_accuracy" in row.text
    assert "by itself ONNX Runtime rounds it to eight bits, and is off by" in row.text
    assert not verify_model(path, tolerance=1e-4).passed


def multiply(path: Path, x: Array) -> Array:
    """By numpy alone."""
    stored = {item.name: numpy_helper.to_array(item).astype(np.float64) for item in onnx.load(path).graph.initializer}
    scales = stored["s"]
    product: Array = x @ (stored["w"] * (np.repeat(scales, 16, axis=0) if scales.ndim == 2 else scales))
    return product


@pytest.mark.parametrize("name", ["x 1 × 64", "x 3 × 64"])
@pytest.mark.parametrize("spoiled", ["witness", "session"])
def test_weights_of_few_bits_that_are_wrong_fail(
    spoiled: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scale is ten times too large in one of the runs."""
    path = save_small_weights(tmp_path, INT4, BLOCKS, (4, 65), "MatMul")
    (tmp_path / "wrong").mkdir()
    wrong = save_small_weights(tmp_path / "wrong", INT4, BLOCKS, (4, 65), "MatMul")
    model = onnx.load(wrong)
    scales = numpy_helper.to_array(model.graph.initializer[1]).copy()
    scales[0, 0] *= 10
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(scales, "s"))
    onnx.save(model, tmp_path / "wrong" / "int8.onnx")
    if spoiled == "session":
        monkeypatch.setattr("runtime.verification.runs.runs.open_runnable", lambda *_: open_other(tmp_path / "wrong"))
    else:
        witness = Witness(ModelInside(tmp_path / "wrong" / "int8.onnx"))
        monkeypatch.setattr("runtime.verification.runs.runs.Witness", lambda inside: witness)
    found = verify_model(path)
    assert next(check for check in found.checks if check.name == name).status == "failed"
