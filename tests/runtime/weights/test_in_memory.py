"""What is taken for weights: tensors and arrays of any float type, as torch converts them; and what is refused."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import archspec
from archspec.errors import ArchspecError
from runtime.weights.in_memory import take_weights
from tests.support.lowering import run_onnx

LINEAR = "archspec: 1\nname: line\ninputs: {x: [2]}\nnetwork: [linear: 3]\n"


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("line.yaml").write_text(LINEAR, encoding="utf-8")
    return archspec.elaborate(archspec.load("line.yaml"))


STATE = {"linear_0.weight": torch.tensor([[1.5, -2.0], [0.1, 3e-5], [0.0, 700.0]]), "linear_0.bias": torch.ones(3)}

TAKEN: dict[str, Callable[[torch.Tensor], Any]] = {
    "parameter": lambda value: torch.nn.Parameter(value.clone()),
    "float16": lambda value: value.half(),
    "bfloat16": lambda value: value.bfloat16(),
    "float64": lambda value: value.double(),
    "negated": lambda value: torch._neg_view(-value),
    "strided": lambda value: torch.stack((value, value), -1)[..., 0],
    "array": lambda value: value.numpy(),
    "big-endian": lambda value: value.numpy().astype(">f4"),
    "big-endian float64": lambda value: value.numpy().astype(">f8"),
    "Fortran's order": lambda value: np.asfortranarray(value.numpy()),
    "read-only": lambda value: np.frombuffer(value.numpy().tobytes(), np.float32).reshape(value.shape),
    "numpy's bfloat16": lambda value: value.numpy().astype(ml_dtypes.bfloat16),
    "lists": lambda value: value.tolist(),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_every_float_type_is_taken_as_torch_converts_it(kind: str, graph: Any) -> None:
    """Of the file the answers are those of the numbers as torch has them in float32, to the bit."""
    given = {name: TAKEN[kind](value) for name, value in STATE.items()}
    archspec.to_onnx(graph, given, "line.onnx")
    exact = {
        name: torch.tensor(np.asarray(value).tolist() if not isinstance(value, torch.Tensor) else value.tolist())
        for name, value in given.items()
    }
    x = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    found = run_onnx(Path("line.onnx"), {"x": x})["output"]
    expected = (torch.from_numpy(x) @ exact["linear_0.weight"].T + exact["linear_0.bias"]).numpy()
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, 2 * expected)
    assert archspec.verify_model("line.onnx", (graph, given)).passed


@pytest.mark.parametrize("special", [2**-133, -(2.0**-126), 3.3895e38, -0.0])
def test_bfloat16_becomes_float32_exactly(special: float) -> None:
    tensor = torch.tensor([special, 1.0078125]).bfloat16()
    (array,) = take_weights({"w": tensor}).values()
    assert array.dtype == np.float32
    assert array.tobytes() == tensor.float().numpy().tobytes()


def test_counters_of_batches_are_left_out() -> None:
    assert list(take_weights(torch.nn.BatchNorm1d(2).state_dict())) == ["weight", "bias", "running_mean", "running_var"]


def make_quantized(value: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


def cast(kind: torch.dtype) -> Callable[[torch.Tensor], Any]:
    return lambda value: value.to(kind)


QUANTIZED = "quantized checkpoints hold such, and without their scales they are other numbers"
REFUSED: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    **{
        f"torch {kind}": (cast(kind), f"is of type {word}, .*{QUANTIZED}")
        for kind, word in (
            (torch.int8, "int8"),
            (torch.uint8, "uint8"),
            (torch.int64, "int64"),
            (torch.bool, "bool"),
            (torch.float8_e4m3fn, "float8_e4m3fn"),
        )
    },
    "int8": (lambda value: value.numpy().astype(np.int8), f"is of type int8, .*{QUANTIZED}"),
    "numpy's float8": (
        lambda value: value.numpy().astype(ml_dtypes.float8_e5m2),
        f"is of type float8_e5m2, .*{QUANTIZED}",
    ),
    "complex": (
        lambda value: value.numpy().astype(np.complex64),
        "is of type complex64, and weights are of [a-z0-9, ]*$",
    ),
    "torch complex": (lambda value: value.to(torch.complex64), "is of type complex64"),
    "wide": (lambda value: value.numpy().astype(np.longdouble), "is of type (float128|longdouble)"),
    "objects": (lambda value: value.numpy().astype(object), "is of type object"),
    "strings": (lambda value: value.numpy().astype(str), "is of type str"),
    "masked": (lambda value: np.ma.masked_less(value.numpy(), 1), "is a masked array"),
    "ragged": (lambda value: [[1.0], [1.0, 2.0]], "has no numbers to read, being a value of type list"),
    "meta": (lambda value: value.to("meta"), "is on the meta device, without numbers"),
    "sparse": (lambda value: value.to_sparse(), "is sparse or quantized"),
    "sparse rows": (lambda value: value.reshape(1, -1).to_sparse_csr(), "is sparse or quantized"),
    "quantized": (make_quantized, "is sparse or quantized"),
    "none": (lambda value: None, "is of type object"),
    "dates": (lambda value: np.zeros(3, "M8[s]"), "is of type datetime64"),
}


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_holds_no_weights_is_refused_by_name(kind: str, graph: Any) -> None:
    make, message = REFUSED[kind]
    given = {**STATE, "linear_0.weight": make(STATE["linear_0.weight"])}
    for verify in (True, False):
        with pytest.raises(ArchspecError, match=f"the weight 'linear_0.weight' {message}"):
            archspec.to_onnx(graph, given, "line.onnx", verify=verify)
    with pytest.raises(ArchspecError, match=r"the weight 'linear_0\.weight'"):
        archspec.verify_model("line.onnx", (graph, given))
    assert not Path("line.onnx").exists()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.nn.Linear(2, 3), r"found a Linear: give its state_dict\(\)"),
        ("w.safetensors", "the name of a file: `weights, facts = archspec.read_weights"),
        (Path("w.safetensors"), "the name of a file: `weights, facts = archspec.read_weights"),
        (({"a": torch.ones(3)}, {}), "of what archspec.read_weights gives, the first are the weights"),
        (None, "found a value of type NoneType"),
        ([torch.ones(3)], "found a value of type list"),
        ({3: torch.ones(3)}, "the name 3 is no string"),
        (OrderedDict({("a", "b"): torch.ones(3)}), "the name a value of type tuple is no string"),
    ],
)
def test_what_is_no_state_dict_is_refused(weights: Any, message: str, graph: Any) -> None:
    with pytest.raises(ArchspecError, match=message):
        archspec.to_onnx(graph, weights, "line.onnx")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("verify", [True, False])
def test_weights_that_are_not_finite_are_refused_by_name(value: float, verify: bool, graph: Any) -> None:
    given = {**STATE, "linear_0.bias": torch.tensor([0.0, value, 0.0])}
    with pytest.raises(ArchspecError, match=r"'linear_0\.bias' holds infinite numbers or NaN"):
        archspec.to_onnx(graph, given, "line.onnx", verify=verify)


@pytest.mark.parametrize("verify", [True, False])
def test_doubles_beyond_float32_are_refused_by_name(verify: bool, graph: Any) -> None:
    given = {**STATE, "linear_0.bias": torch.tensor([0.0, 1e39, 0.0], dtype=torch.float64)}
    with pytest.raises(ArchspecError, match=r"'linear_0\.bias' holds 1e\+39, which is infinite in float32"):
        archspec.to_onnx(graph, given, "line.onnx", verify=verify)


def test_doubles_are_rounded_aloud(graph: Any, caplog: pytest.LogCaptureFixture) -> None:
    archspec.to_onnx(graph, {name: value.double() for name, value in STATE.items()}, "line.onnx", verify=False)
    assert caplog.messages == []  # float32 holds these
    given = {**STATE, "linear_0.bias": np.array([0.1, 0.2, 0.3])}
    archspec.to_onnx(graph, given, "line.onnx", verify=False)
    assert caplog.messages == ["weights of 64 bits are rounded to float32: linear_0.bias"]
    found = run_onnx(Path("line.onnx"), {"x": np.zeros((1, 2), np.float32)})["output"][0]
    np.testing.assert_array_equal(found, np.array([0.1, 0.2, 0.3]).astype(np.float32))
