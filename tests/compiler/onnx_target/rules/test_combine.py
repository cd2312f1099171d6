"""Sums, means and products of several values, in the nodes that ONNX Runtime fuses or has a kernel for."""

from __future__ import annotations

import pytest

from archspec.ops import Add, Mean, Mul, Op, Shape
from tests.support.lowering import list_kinds

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Add(), (MAP, MAP, MAP), ["Add", "Add"]),
    (Mul(), (MAP, MAP, MAP), ["Mul", "Mul"]),
    (Mean(), (MAP, MAP, MAP), ["Sum", "Mul"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds
