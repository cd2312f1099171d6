"""What moves numbers: its form in the file, which holds at every size."""

from __future__ import annotations

import pytest

from archspec.ops import Op, Roll, Shape, Slice
from tests.support.lowering import list_kinds

FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Slice(stop=2), (Shape(4, 8, 8),), ["Slice"]),
    (Roll(shift=(0, 2)), (Shape(4, 8, 8),), ["Slice", "Slice", "Concat"]),
    (Slice(axis=1, step=2), (Shape(4, 8),), ["Slice"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[repr(op) for op, _, _ in FORMS])
def test_the_form_is_short(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds
