"""Matrix products and normalizations, in the nodes that opset 17 has."""

from __future__ import annotations

import pytest

from archspec.ops import GroupNorm, InstanceNorm, LayerNorm, Linear, Op, Shape
from tests.support.lowering import list_kinds

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Linear(out=3), (Shape(5),), ["Gemm"]),
    (InstanceNorm(), (MAP,), ["InstanceNormalization"]),
    (LayerNorm(over="channels"), (MAP,), ["Transpose", "LayerNormalization", "Transpose"]),
    (GroupNorm(groups=2, affine=False), (MAP,), ["Reshape", "InstanceNormalization", "Shape", "Reshape"]),
    (GroupNorm(groups=2), (MAP,), ["Reshape", "InstanceNormalization", "Shape", "Reshape", "Mul", "Add"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds
