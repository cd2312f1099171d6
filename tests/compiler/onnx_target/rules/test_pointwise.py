"""Functions of one value, in the patterns that ONNX Runtime fuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.api import to_onnx
from archspec.ops import Gelu, Log, Op, Relu, Relu6, Shape, Silu, Sqrt
from compiler.onnx_target.options import ExportOptions
from tests.support.documents import graph_from
from tests.support.lowering import graph_of, list_kinds, run_onnx

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Relu(), (MAP,), ["Relu"]),
    (Relu6(), (MAP,), ["Clip"]),
    (Sqrt(), (MAP,), ["Clip", "Sqrt"]),
    (Silu(), (MAP,), ["Sigmoid", "Mul"]),
    (Gelu(), (MAP,), ["Div", "Erf", "Add", "Mul", "Mul"]),
    (Gelu(approximate="tanh"), (MAP,), ["Pow", "Mul", "Add", "Mul", "Tanh", "Add", "Mul", "Mul"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds


@pytest.mark.parametrize("op", [Sqrt(eps=1e-12), Log(eps=1e-12), Sqrt(), Log()], ids=str)
def test_what_is_below_all_half_numbers_counts_as_eps(op: Sqrt | Log, tmp_path: Path) -> None:
    """Both where `eps` is a number of half precision and where it would be zero, whose logarithm is no number."""
    path = tmp_path / "op.onnx"
    to_onnx(graph_of(op, Shape(4)), {}, path, options=ExportOptions(precision="fp16"))
    found = run_onnx(path, {"x0": np.array([[-3.0, 0.0, 6e-8, 4.0]], np.float16)})["y"]
    expected = [op.curve(x) for x in (-3.0, 0.0, float(np.float16(6e-8)), 4.0)]
    np.testing.assert_allclose(found[0], np.array(expected), rtol=0.04)  # the least numbers have few digits
    assert abs(op.curve(0.0)) < np.finfo(np.float16).max


@pytest.mark.parametrize("network", [["flatten", "glu"], ["flatten", "glu", "glu"]], ids=str)
def test_the_halves_of_a_vector_follow_its_length(network: list[object], tmp_path: Path) -> None:
    """The proof of the export compares several sizes."""
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, "L"]}, "sizes": {"L": 8}, "network": network})
    done = to_onnx(graph, {}, tmp_path / "m.onnx")
    assert done.proof
    assert len({case.inputs["x"][2] for case in done.proof.cases}) > 1
