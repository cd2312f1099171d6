"""Whatever a session is given, it answers rightly or says what it wanted."""

from __future__ import annotations

import decimal
import fractions
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from runtime.session.session import Session
from tests.support.models import build_double, build_model, save

GOOD = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(save(build_double((2, 3, "W")), tmp_path / "m.onnx"), providers="cpu")


def make_unaligned() -> np.ndarray:
    array = np.frombuffer(b"." + GOOD.tobytes(), np.float32, offset=1).reshape(2, 3, 4)
    assert not array.flags.aligned
    return array


class Arrayish:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return GOOD


class Broken:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise KeyError("no array today")


TAKEN: dict[str, Callable[[], Any]] = {
    "contiguous": lambda: GOOD,
    "by name": lambda: {"x": GOOD},
    "proxy": lambda: MappingProxyType({"x": GOOD}),
    "Fortran order": lambda: np.asfortranarray(GOOD),
    "strided": lambda: np.repeat(GOOD, 2, axis=2)[:, :, ::2],
    "backwards": lambda: GOOD[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "read only": lambda: np.broadcast_to(GOOD, GOOD.shape),
    "unaligned": make_unaligned,
    "tensor": lambda: torch.from_numpy(GOOD),
    "transposed tensor": lambda: torch.from_numpy(GOOD.swapaxes(0, 2).copy()).permute(2, 1, 0),
    "__array__": Arrayish,
    "no value masked": lambda: np.ma.masked_array(GOOD),
    "list of arrays": lambda: [*GOOD],
    "native byte order": lambda: GOOD.astype("=f4"),
    "lists of Python's numbers": GOOD.tolist,
    "tuples of whole numbers": lambda: tuple(tuple(map(tuple, page)) for page in GOOD.astype(int).tolist()),
    "array of float32": lambda: [[np.array(row) for row in page] for page in GOOD],
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_is_computed_rightly(session: Session, name: str) -> None:
    assert np.array_equal(session.run(TAKEN[name]())["y"], 2 * GOOD)
    binding = session.bind(np.zeros_like(GOOD))
    binding.update(TAKEN[name]())
    binding.run()
    assert np.array_equal(binding.fetch()["y"], 2 * GOOD)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, "'x' is no array of numbers but a NoneType: x: float32"),
    "None by name": (lambda: {"x": None}, "no array of numbers but a NoneType"),
    "a number": (lambda: 3, "has 0 axes, (); the model takes x: float32 (2, 3, W)"),
    "lists of numpy's numbers": (
        lambda: [[[*row] for row in page] for page in GOOD.astype(float)],
        "is float64, the model takes float32: use np.asarray(…, 'float32')",
    ),
    "a tensor of float64": (
        lambda: torch.from_numpy(GOOD).double(),
        "is float64, the model takes float32: use np.asarray(…, 'float32')",
    ),
    "a whole number between": (lambda: [[[2**24 + 1]]], "holds 16777217, a whole number that float32 has not"),
    "a float too large": (lambda: [[[1e39]]], "input 'x' holds 1e+39, which float32 cannot hold (largest"),
    "text": (lambda: "image", "'x' is <U5, the model takes float32"),
    "bytes": (lambda: b"image", "'x' is |S5, the model takes float32"),
    "numbers as text": (lambda: GOOD.astype(str), "the model takes float32"),
    "ragged": (lambda: [[1.0], [1.0, 2.0]], "is a list that numpy does not read: setting an array element"),
    "objects": (lambda: GOOD.astype(object), "no array of numbers but a ndarray"),
    "fractions": (lambda: [[fractions.Fraction(1, 2)]], "no array of numbers but a list"),
    "decimals": (lambda: [decimal.Decimal(1)], "no array of numbers but a list"),
    "generator": (lambda: (x for x in GOOD), "no array of numbers but a generator"),
    "set": (lambda: {1.0, 2.0}, "no array of numbers but a set"),
    "dates": (lambda: GOOD.astype("datetime64[s]"), "is datetime64[s], the model takes float32"),
    "records": (lambda: np.zeros(3, [("a", "f4")]), "the model takes float32"),
    "float64": (lambda: GOOD.astype(float), "is float64, the model takes float32: use .astype('float32')"),
    "float16": (lambda: GOOD.astype(np.float16), "is float16, the model takes float32"),
    "complex": (lambda: GOOD * 1j, "is complex64, the model takes float32"),
    "bool": (lambda: GOOD > 0, "is bool, the model takes float32"),
    "uint8": (lambda: GOOD.astype(np.uint8), "is uint8, the model takes float32"),
    "the other byte order": (lambda: GOOD.astype(">f4"), "is >f4, the model takes float32: use .astype('float32')"),
    "masked": (lambda: np.ma.masked_equal(GOOD, 3), "'x' has masked values"),
    "masked by name": (lambda: {"x": np.ma.masked_equal(GOOD, 3)}, "'x' has masked values"),
    "a list of masked": (lambda: [*np.ma.masked_equal(GOOD, 3)], "'x' has masked values"),
    "fewer axes": (lambda: GOOD[0], "has 2 axes, (3, 4); the model takes x: float32 (2, 3, W)"),
    "another extent": (lambda: GOOD[:1], "axis 0 is 1; the model takes 2"),
    "empty": (lambda: GOOD[:, :, :0], "axis 2 (W) is empty"),
    "a tensor to differentiate": (
        lambda: torch.from_numpy(GOOD.copy()).requires_grad_(),
        "is a Tensor that numpy does not read: Can't call numpy() on Tensor that requires grad. Use tensor.detach()",
    ),
    "bf16": (
        lambda: torch.from_numpy(GOOD).bfloat16(),
        "that numpy does not read: Got unsupported ScalarType BFloat16",
    ),
    "sparse": (
        lambda: torch.from_numpy(GOOD).to_sparse(),
        "numpy does not read: can't convert Sparse",
    ),
    "meta": (lambda: torch.empty(2, 3, 4, device="meta"), "is a Tensor that numpy does not read"),
    "conjugate": (lambda: torch.from_numpy(GOOD * 1j).conj(), "the model takes"),
    "broken": (Broken, "is a Broken that numpy does not read: 'no array today'; the model takes x: float32 (2, 3, W)"),
    "a number as name": (lambda: {1: GOOD}, "inputs are named by strings, found 1 (inputs: x: float32 (2, 3, W))"),
    "bytes as name": (lambda: {b"x": GOOD}, "inputs are named by strings, found a value of type bytes"),
    "None as name": (lambda: {None: GOOD}, "inputs are named by strings, found a value of type NoneType"),
    "another name": (lambda: {"y": GOOD}, "has no input 'y'"),
    "one name more": (lambda: {"x": GOOD, "z": GOOD}, "has no input 'z'"),
    "no names": (dict, "needs the input 'x' too"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told(session: Session, name: str) -> None:
    make, message = REFUSED[name]
    binding = session.bind(GOOD)
    calls = [session.run, session.bind, *([] if name == "no names" else [binding.update])]
    for call in calls:
        with pytest.raises(ArchspecError) as caught:
            call(make())
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    binding.run()
    assert np.array_equal(binding.fetch()["y"], 2 * GOOD)  # nothing was put there


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "bool", "complex64", "int64", ">f4"])
def test_no_number_beyond_a_callers_array_is_read(tmp_path: Path, dtype: str) -> None:
    """Three million of them: a read beyond the smaller types' memory would end the process."""
    image = np.zeros((1, 3, 1024, 1024), np.float32)
    session = Session(save(build_double((1, 3, 1024, 1024)), tmp_path / "m.onnx"), providers="cpu")
    binding = session.bind(image)
    with pytest.raises(ArchspecError, match="the model takes float32"):
        binding.update({"x": image.astype(dtype)})


TWO: Mapping[str, Any] = {"a": ["N"], "b": ["N"]}


def test_a_binding_may_be_given_some_of_its_inputs(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Sub", ["a", "b"], ["y"])], TWO, {"y": ["N"]})
    session = Session(save(model, tmp_path / "m.onnx"), providers="cpu")
    one, two = np.ones(2, np.float32), np.full(2, 2, np.float32)
    binding = session.bind({"a": one, "b": two})
    binding.update({"a": 5 * one})
    binding.run()
    assert binding.fetch()["y"].tolist() == [3, 3]
    with pytest.raises(ArchspecError, match="takes several inputs, by name: a: float32"):
        binding.update(one)
    with pytest.raises(ArchspecError, match=r"'b' was bound as \(2,\), found \(3,\): bind it again"):
        binding.update({"b": np.ones(3, np.float32)})
    with pytest.raises(ArchspecError, match="'b' is float64"):
        binding.update({"a": 7 * one, "b": np.ones(2)})
    binding.run()
    assert binding.fetch()["y"].tolist() == [3, 3]  # all of an update, or nothing


def test_a_model_without_inputs_says_so(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Identity", ["w"], ["y"])], {}, {"y": [2]}, {"w": np.ones(2, np.float32)})
    session = Session(save(model, tmp_path / "m.onnx"), providers="cpu")
    assert session.run({})["y"].tolist() == [1, 1]
    with pytest.raises(ArchspecError, match="takes inputs by name: none"):
        session.run(np.ones(2, np.float32))


def scalar(number: float) -> Any:
    """One of numpy's own numbers, which is no array; it is taken nevertheless."""
    return np.float32(number)


def test_a_scalar_stays_one(tmp_path: Path) -> None:
    session = Session(save(build_double(()), tmp_path / "m.onnx"), providers="cpu")
    assert session.run(scalar(3))["y"] == 6
    binding = session.bind(np.array(3, np.float32))
    binding.update(scalar(4))
    binding.run()
    assert binding.fetch()["y"] == 8


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (TensorProto.INT64, [1, -2], None),
        (TensorProto.INT64, [True, 2], None),
        (TensorProto.INT64, [1.0, 2.0], "'x' is float64, the model takes int64: use np.asarray(…, 'int64')"),
        (TensorProto.INT8, [127, -128], None),
        (TensorProto.INT8, [128, 0], "'x' holds 128, which int8 cannot hold (largest 127)"),
        (TensorProto.UINT8, [255, 0], None),
        (TensorProto.UINT8, [-1, 0], "'x' holds -1, which uint8 cannot hold"),
        (TensorProto.UINT64, [2**64 - 1, 2**63], None),
        (TensorProto.BOOL, [True, False], None),
        (TensorProto.BOOL, [1, 0], "'x' is int64, the model takes bool: use np.asarray(…, 'bool')"),
        (TensorProto.DOUBLE, [0.1, 1], None),
        (TensorProto.DOUBLE, [2**53 + 1, 0], "'x' holds 9007199254740993, a whole number that float64 has not"),
        (TensorProto.FLOAT, [2**53 + 1, 0], "'x' holds 9007199254740993, a whole number that float32 has not"),
        (TensorProto.FLOAT, [float("inf"), float("nan")], None),
        (TensorProto.FLOAT16, [2048, 0.5], None),
        (TensorProto.FLOAT16, [2049, 0], "'x' holds 2049, a whole number that float16 has not"),
        (TensorProto.FLOAT16, [70000, 0], "'x' holds 70000, which float16 cannot hold"),
    ],
)
def test_numbers_of_pythons_become_those_of_the_model(
    tmp_path: Path, kind: int, given: Any, message: str | None
) -> None:
    model = build_model([helper.make_node("Identity", ["x"], ["y"])], {"x": ["N"]}, {"y": ["N"]}, kind=kind)
    session = Session(save(model, tmp_path / "m.onnx"), providers="cpu")
    if message is None:
        found = session.run(given)["y"]
        assert found.dtype == helper.tensor_dtype_to_np_dtype(kind)
        assert np.array_equal(found, np.array(given, found.dtype), equal_nan=found.dtype.kind == "f")
    else:
        with pytest.raises(ArchspecError) as caught:
            session.run(given)
        assert message in str(caught.value)


def test_other_types_are_taken_as_they_are(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    for kind, dtype in {TensorProto.DOUBLE: "float64", TensorProto.BOOL: "bool", TensorProto.INT8: "int8"}.items():
        session = Session(save(build_model([node], {"x": [2]}, {"y": [2]}, kind=kind), tmp_path / "m.onnx"))
        given = np.array([0, 1], dtype)
        assert session.run(given)["y"].tolist() == given.tolist()
        with pytest.raises(ArchspecError, match=f"'x' is float32, the model takes {dtype}"):
            session.run(given.astype(np.float32))
