"""Functions of one value, in the patterns that ONNX Runtime fuses."""

from __future__ import annotations

import pytest

from archspec.ops import Gelu, Op, Relu, Relu6, Shape, Silu
from tests.support.lowering import list_kinds

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Relu(), (MAP,), ["Relu"]),
    (Relu6(), (MAP,), ["Clip"]),
    (Silu(), (MAP,), ["Sigmoid", "Mul"]),
    (Gelu(), (MAP,), ["Div", "Erf", "Add", "Mul", "Mul"]),
    (Gelu(approximate="tanh"), (MAP,), ["Pow", "Mul", "Add", "Mul", "Tanh", "Add", "Mul", "Mul"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds
