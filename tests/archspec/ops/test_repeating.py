"""What repeats a value to the extents of others."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import OpError, RepeatSpace, Shape
from tests.support.lowering import graph_of


def test_it_is_what_torch_broadcasts() -> None:
    x, row = torch.randn(2, 3, 5, 1), torch.randn(2, 4, 1, 6)
    found = to_torch(graph_of(RepeatSpace(), Shape(3, 5, 1), Shape(4, 1, 6)))(x, row)
    assert torch.equal(found, x.expand(2, 3, 5, 6))


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ((Shape(3, 2), Shape(3, 4)), "3×2 and 3×4"),
        ((Shape(3, 4), Shape(3, 1), Shape(3, 2)), "3×4, 3×1 and 3×2"),
        ((Shape(3, 4), Shape(3)), "3×4 and 3"),
    ],
)
def test_other_extents_are_refused(shapes: tuple[Shape, ...], found: str) -> None:
    with pytest.raises(OpError, match=f"^fit: repeat needs equal extents or extents of 1, found {found}$"):
        RepeatSpace().infer(*shapes)
