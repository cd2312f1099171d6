"""What gives a map another number of positions, against torch's interpolation."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from archspec.ops import Bounds, OpError, Resize, Shape, Upsample
from archspec.ops.bounds import UNKNOWN
from archspec.ops.fields import MAX_SCALE_TIMES, SCALE_PARTS
from archspec.ops.resize import Resampling, read_scale
from archspec.ops.signal.moments import standard, unit_gradient

FRACTIONS = sorted({(times, parts) for times in range(1, MAX_SCALE_TIMES + 1) for parts in SCALE_PARTS})
MAP = Shape(3, 7, 9)


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (Upsample(), (Shape(3),), "upsample needs one to three spatial axes, found the shape 3"),
        (Upsample(mode="cubic"), (Shape(3, 8),), "mode: cubic needs two spatial axes, found the shape 3×8"),
        (Upsample(corners="aligned"), (MAP,), "corners: aligned is for mode: linear and cubic"),
        (Upsample(scale=0.25), (Shape(3, 3, 8),), "scale: 1/4 needs at least 4 positions along an axis, found 3"),
        (Upsample(scale=4 / 3), (Shape(3, 8, 2),), "scale: 4/3 needs at least 3 positions along an axis, found 2"),
        (Upsample(scale=(2, 3)), (Shape(3, 8),), "has 2 entries, and 3×8 has 1 spatial axis"),
        (Resize(), (MAP, Shape(3, 8)), "cannot resize 3×7×9 to the extents of 3×8: they differ in axes"),
        (Resize(), (Shape(3), Shape(3)), "resize needs one to three spatial axes"),
    ],
)
def test_refuses(op: Resampling, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(*shapes)


@pytest.mark.parametrize("scale", [0, -2, 1.1, 7 / 3, 1 / 7, 0.3333, True, "2", [2, 0.7], [1, 2, 3, 4], []])
def test_scales_are_whole_numbers_or_small_fractions(scale: Any) -> None:
    with pytest.raises(ValidationError, match="should"):
        Upsample(scale=scale)


@pytest.mark.parametrize(("times", "parts"), FRACTIONS)
def test_fractions_are_what_floating_point_makes_of_them(times: int, parts: int) -> None:
    """torch's extents, in double precision, and ONNX Runtime's, in single, are the exact ones up to some thousand; and
    a control: for other fractions they are not."""
    scale = read_scale(Upsample(scale=times / parts).scale if parts > 1 else times)  # type: ignore[arg-type]
    sizes = torch.arange(1, 5000)
    exact = sizes * scale.numerator // scale.denominator
    assert torch.equal((sizes.double() * (times / parts)).floor().long(), exact)
    assert torch.equal((sizes.float() * torch.tensor(times / parts)).floor().long(), exact)
    places = torch.arange(1, 5000)
    assert torch.equal(
        (places.float() * torch.tensor(parts / times)).floor().long(), places * scale.denominator // scale.numerator
    )


def test_other_fractions_are_rounded_to_other_extents() -> None:
    sizes = torch.arange(1, 5000)
    assert not torch.equal((sizes.float() * torch.tensor(7 / 3)).floor().long(), sizes * 7 // 3)
    assert not torch.equal((sizes.double() * (13 / 3)).floor().long(), sizes * 13 // 3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 13, 63, 64, 65])
@pytest.mark.parametrize("scale", [1, 2, 3, 0.5, 1.5, 2 / 3, 4 / 3, 5 / 6, 0.0625])
def test_extents_are_torchs(size: int, scale: float) -> None:
    if not fits(size, scale):
        return
    found = F.interpolate(torch.zeros(1, 1, size), scale_factor=scale, mode="nearest")
    assert tuple(Upsample(scale=scale).infer(Shape(1, size))) == tuple(found.shape[1:])


def fits(size: int, scale: float) -> bool:
    """Whether something is left of an axis, and something gained where it is enlarged."""
    return scale == 1 or 1 <= floor(size * scale) != size


OPTIONS: list[dict[str, Any]] = [
    {"mode": "nearest"},
    {"mode": "linear"},
    {"mode": "linear", "corners": "aligned"},
    {"mode": "cubic"},
    {"mode": "cubic", "corners": "aligned"},
]


def interpolate(x: Tensor, options: dict[str, Any], **extents: Any) -> Tensor:
    mode = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[options["mode"]]
    aligned = None if mode == "nearest" else options.get("corners") == "aligned"
    return F.interpolate(x, mode=mode, align_corners=aligned, **extents)


def compare_reading(op: Resampling, result: Tensor, x: Tensor, *shapes: Shape) -> None:
    """Each position reads those with a gradient: all of them, and within those beyond the ends no others."""
    rows = result.shape[2]
    for place in range(rows):
        (gradient,) = torch.autograd.grad(result[0, 0, place].sum(), x, retain_graph=True)
        seen = gradient[0, 0].abs().sum(1).gt(1e-5).nonzero().flatten().tolist()
        positions = op.input_span(0, (place, place), *shapes)[0]
        last = x.shape[2] - 1
        read = {min(max(i, 0), last) for part in positions for i in part} if positions else {*range(last + 1)}
        assert {*seen} <= read
        assert len(read) <= len(seen) + (0 if op.mode == "nearest" else 2 if op.mode == "cubic" else 1)
    whole = op.input_span(0, (0, rows - 1), *shapes)[0]
    alone = [op.input_span(0, (place, place), *shapes)[0] for place in range(rows)]
    if whole is not None:
        assert {i for part in whole for i in part} == {i for one in alone for part in one or () for i in part}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("scale", [2, 3, 1.5, 0.5, 0.75, 4 / 3])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_upsampled_positions_read_those_with_a_gradient(scale: float, options: dict[str, Any], size: int) -> None:
    op = Upsample(scale=scale, **options)
    if floor(size * scale) < 1 or (op.corners == "half" and not fits(size, scale)):
        return
    torch.manual_seed(0)
    x = torch.rand(1, 1, size, 4, requires_grad=True)
    compare_reading(op, interpolate(x, options, scale_factor=scale), x, Shape(1, size, 4))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("new", [1, 3, 6, 7, 20])
def test_resized_positions_read_those_with_a_gradient(new: int, options: dict[str, Any]) -> None:
    x = torch.rand(1, 1, 6, 4, requires_grad=True)
    compare_reading(Resize(**options), interpolate(x, options, size=(new, 5)), x, Shape(1, 6, 4), Shape(9, new, 5))


def test_neighbours_lie_as_far_apart_as_extents_say() -> None:
    """A scale says it unless the corners are aligned, also where a part of a position is rounded off."""
    assert Upsample(scale=1.5).pace(0, Shape(1, 5)) == 1 / read_scale(1.5)
    assert Upsample(scale=2, mode="linear", corners="aligned").pace(0, Shape(1, 5)) == Fraction(4, 9)
    assert Resize().pace(1, MAP, Shape(3, 7, 18)) == 1 / read_scale(2)


def test_cubic_means_go_beyond_their_operands() -> None:
    torch.manual_seed(0)
    corners = torch.randint(0, 2, (200, 1, 8, 8)).float()
    found = F.interpolate(corners, scale_factor=2, mode="bicubic")
    low, high = Upsample(mode="cubic").bound(Bounds(0.0, 1.0))
    assert low <= found.min() < -0.05
    assert high >= found.max() > 1.05
    assert Upsample(mode="cubic").bound(Bounds(low=0.0)) == UNKNOWN
    assert Upsample(mode="linear").bound(Bounds(low=0.0)) == Bounds(low=0.0)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("scale", [2, 3, 1.5, 0.5, 0.75])
def test_moments_are_those_of_many_values(scale: float, options: dict[str, Any]) -> None:
    op, shape = Upsample(scale=scale, **options), Shape(1, 12, 16)
    torch.manual_seed(0)
    x = torch.randn(4000, *shape, requires_grad=True)
    found = interpolate(x, options, scale_factor=scale)
    (gradient,) = torch.autograd.grad(found, x, torch.randn_like(found))
    assert op.moments(standard(shape)).whole.second == pytest.approx(float(found.detach().square().mean()), rel=0.02)
    predicted = op.gradients(unit_gradient(op.infer(shape)), standard(shape))[0]
    assert predicted.second == pytest.approx(float(gradient.square().mean()), rel=0.02)


def test_what_is_read_alone_keeps_its_spread() -> None:
    """Of a map at half the positions those between get no gradient."""
    (gradient,) = Upsample(scale=0.5).gradients(unit_gradient(Shape(2, 4)), standard(Shape(2, 8)))
    assert list(gradient.axes[0].values) == [2, 0, 2, 0, 2, 0, 2, 0]
    assert gradient.second == 0.5
