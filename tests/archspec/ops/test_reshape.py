"""What moves values: where they come to lie, against torch's slices and paddings."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from archspec.ops import Bounds, Crop, Flatten, OpError, PadChannels, PadSpace, Shape
from archspec.ops.reshape import Centred
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Layout


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (Crop(), (Shape(3, 8), Shape(3, 8, 8)), "they differ in axes"),
        (Crop(), (Shape(3, 8), Shape(3, 5)), "an odd number of pixels would be left over"),
        (PadSpace(), (Shape(3, 8), Shape(3)), "they differ in axes"),
        (PadChannels(out=2), (Shape(3, 8),), "cannot pad 3 channels to 2"),
    ],
)
def test_refuses(op: Centred | PadChannels, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(*shapes)


def test_extents_follow_all_operands() -> None:
    shapes = Shape(3, 8, 9), Shape(1, 6, 11), Shape(2, 10, 9)
    assert Crop().infer(*shapes) == (3, 6, 9)
    assert PadSpace().infer(*shapes) == (3, 10, 11)


@pytest.mark.parametrize(("op", "size"), [(Crop(), 4), (PadSpace(), 13)])
def test_the_centre_is_read(op: Centred, size: int) -> None:
    """An odd position more goes to the end."""
    value, more = torch.arange(1.0, 9.0)[None], size - 8
    moved = functional.pad(value, (more // 2, more - more // 2))[0] if more > 0 else value[0, 2:6]
    for place, number in enumerate(moved.tolist()):
        positions, *rest = op.input_span(0, (place, place), Shape(1, 8), Shape(1, size))
        assert positions is not None
        ((found,),) = positions
        assert value[0, found] == number if 0 <= found < 8 else number == 0
        assert rest == [None]


def test_a_cut_leaves_gaps_where_torch_sees_them() -> None:
    for shape, other, batch in (
        (Shape(3, 8, 6), Shape(3, 4, 6), 1),
        (Shape(1, 8, 6), Shape(1, 4, 6), 1),
        (Shape(1, 8, 6), Shape(1, 4, 6), 2),
        (Shape(1, 8, 6), Shape(1, 8, 4), 1),
    ):
        tops = [(old - new) // 2 for old, new in zip(shape.space, other.space, strict=True)]
        cut = torch.empty(batch, *shape)[..., tops[0] : tops[0] + other.space[0], tops[1] : tops[1] + other.space[1]]
        found = Crop().lay([Layout(), Layout()], shape, other, batch=batch)
        assert found.dense == cut[0].is_contiguous()
        assert found.whole == cut.is_contiguous()


def test_flattened_channels_have_their_positions_in_a_row() -> None:
    x = standard(Shape(3, 4)).times(1.0, 2.0, 1.0)
    assert Flatten().moments(x).channels == 12
    (gradient,) = Flatten().gradients(unit_gradient(Shape(12)), x)
    assert [axis.size for axis in gradient.axes] == [4]
    assert Flatten().changes_nothing(Shape(3))
    assert not Flatten().changes_nothing(Shape(3, 1))


def test_padded_channels_are_zeros() -> None:
    found = PadChannels(out=5).moments(standard(Shape(3, 4)))
    assert [(count, part.second) for count, part in found.runs] == [(3, 1.0), (2, 0.0)]
    assert PadChannels(out=5).bound(Bounds(1.0, 2.0)) == (0, 2)


def test_what_pads_space_spreads_the_moments() -> None:
    found = PadSpace().moments(standard(Shape(3, 4)), standard(Shape(3, 8)))
    assert found.whole.second == 0.5
    assert found.axes[0].values == (0, 0, 2, 2, 2, 2, 0, 0)
