"""What gives other extents: fixed where they are, else computed from the operands."""

from __future__ import annotations

import pytest

from archspec.ops import Concat, Flatten, Op, PadChannels, Shape
from tests.support.lowering import list_kinds

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Concat(), (MAP, MAP), ["Concat"]),
    (Flatten(), (MAP,), ["Flatten"]),
    (PadChannels(out=6), (MAP,), ["Pad"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds
