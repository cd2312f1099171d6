"""Laws of extents: against the operations' own shape rules, far beyond where these were looked at."""

from __future__ import annotations

from fractions import Fraction

import pytest

from archspec.ops import AvgPool, Conv, ConvTranspose, MaxPool, Op, OpError, Shape, Upsample
from compiler.sizes.laws import (
    ConstantLaw,
    ExtremeLaw,
    LayerLaw,
    MultipleLaw,
    ProductLaw,
    ShapeLaw,
    SizeLaw,
    SumLaw,
    replace_extent,
)

OPS: list[Op] = [
    Conv(out=2, kernel=5, stride=3, padding=0),
    MaxPool(kernel=3, stride=2, ceil=True),
    AvgPool(),
    Upsample(scale=3),
    ConvTranspose(out=2, kernel=4, stride=2, padding=1),
]


@pytest.mark.parametrize("op", OPS, ids=str)
def test_extents_far_away_follow_from_the_pace(op: Op) -> None:
    law = LayerLaw(op, Shape(2, 24), 1, op.stride_fraction(0))
    assert law.follows_stride()
    assert law.stride_fraction is not None
    for extent in (1001, 1002, 5000):
        near = 24 + (extent - 24) % law.stride_fraction.numerator
        turns = (extent - near) // law.stride_fraction.numerator
        assert op.infer(Shape(2, extent))[1] == (law(near) or 0) + turns * law.stride_fraction.denominator
    assert not LayerLaw(op, Shape(2, 24), 1, law.stride_fraction + 1).follows_stride()  # the control


def test_what_has_no_result_refuses() -> None:
    conv = Conv(out=2, kernel=5, padding=0)
    law = LayerLaw(conv, Shape(2, 24), 1, Fraction(1))
    with pytest.raises(OpError):
        conv.infer(Shape(2, 4))
    assert (law(4), law(5), law.refuses) == (None, 1, True)
    assert not LayerLaw(Conv(out=2), Shape(2, 24), 1, Fraction(1)).refuses
    assert ShapeLaw(conv, 1)(2, 4) is None
    assert ShapeLaw(conv, 1)(2, 5) == 1


def test_equal_functions_describe_themselves_alike() -> None:
    """A window of 3 with a border and one of 1 leave every extent alike; one without a border does not."""

    def describe(op: Op) -> object:
        return LayerLaw(op, Shape(2, 24), 1, Fraction(1)).describe()

    assert describe(Conv(out=2)) == describe(Conv(out=5, kernel=1))
    assert describe(Conv(out=2)) != describe(Conv(out=2, padding=0))


def test_rates_of_growth() -> None:
    one, two = frozenset({Fraction(1)}), frozenset({Fraction(2)})
    half = LayerLaw(MaxPool(), Shape(2, 24), 1, Fraction(2))
    assert half.grow(one) == frozenset({Fraction(1, 2)})
    assert half.divisor == 2
    assert ExtremeLaw(max).grow(one, two) == one | two
    assert SumLaw(5).grow(one, two) == frozenset({Fraction(3)})
    assert ProductLaw(4).grow(one) == frozenset({Fraction(4)})
    assert ProductLaw(4).grow(one, two) is None  # it grows with the square
    assert ProductLaw(4).degree(1, 1) == 2
    assert ProductLaw(4).hold([3, 5]) == ProductLaw(60)
    assert MultipleLaw(7).divisor == 7
    assert LayerLaw(MaxPool(), Shape(2, 24), 1, None).divisor == ProductLaw(4).divisor == 1


def test_values_of_laws() -> None:
    assert (SumLaw(5)(1, 2), ProductLaw(4)(2, 3), ExtremeLaw(min)(7, 3), ConstantLaw(3)(), SizeLaw("H")(8)) == (
        8,
        24,
        3,
        3,
        8,
    )
    assert replace_extent(Shape(2, 3, 4), 1, 9) == Shape(2, 9, 4)
