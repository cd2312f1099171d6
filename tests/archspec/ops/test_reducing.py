"""Reductions over channels or positions."""

from __future__ import annotations

from math import inf

import pytest

from archspec.ops import Bounds, OpError, Reduce, Shape


def test_what_it_is_taken_over_stays_with_one() -> None:
    assert Reduce().infer(Shape(4, 3, 5)) == (1, 3, 5)
    assert Reduce().infer(Shape(4)) == (1,)
    assert Reduce(over="positions").infer(Shape(4, 3, 5)) == (4, 1, 1)
    with pytest.raises(OpError, match="reduce over positions needs a map, found the vector 4"):
        Reduce(over="positions").infer(Shape(4))


def test_a_sum_is_bounded_by_its_sign_alone() -> None:
    assert Reduce(by="sum").bound(Bounds(0.0, 2.0)) == (0, inf)
    assert Reduce(by="sum").bound(Bounds(-1.0, 2.0)) == (-inf, inf)
    assert Reduce(by="max").bound(Bounds(-1.0, 2.0)) == (-1, 2)


def test_a_position_reads_its_own_channels_or_the_whole_map() -> None:
    (own,) = Reduce().input_span(0, (2, 3), Shape(4, 5))
    assert own is not None
    assert [*own] == [range(2, 4)]
    assert Reduce(over="positions").input_span(0, (0, 0), Shape(4, 5)) == (None,)
