"""What the further functions say beside their curve: bounds, what they refuse, and the two halves of a gated unit."""

from __future__ import annotations

from math import inf

import pytest
import torch
from torch.nn import functional

from archspec.ops import Abs, Bounds, Clip, Exp, Glu, HardTanh, Log, Mish, Op, OpError, Prelu, Selu, Shape, Sqrt
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.values import Saved


@pytest.mark.parametrize(
    ("op", "given", "expected"),
    [
        (Abs(), Bounds(-3.0, 2.0), (0, 3)),
        (Abs(), Bounds(-3.0, -1.0), (1, 3)),
        (Abs(), Bounds(), (0, inf)),
        (Exp(), Bounds(), (0, inf)),
        (Exp(), Bounds(-inf, 0.0), (0, 1)),
        (Sqrt(eps=0.25), Bounds(-3.0, 4.0), (0.5, 2)),
        (Sqrt(eps=0.25), Bounds(), (0.5, inf)),
        (Log(eps=1.0), Bounds(-inf, 1.0), (0, 0)),
        (HardTanh(), Bounds(-0.5, 4.0), (-0.5, 1)),
        (Clip(low=0.5), Bounds(), (0.5, inf)),
        (Clip(low=-1, high=0.5), Bounds(-3.0, 0.0), (-1, 0)),
        (Mish(), Bounds(0.0, 4.0), (0, 4)),
        (Glu(), Bounds(-3.0, 2.0), (-3, 2)),
        (Glu(), Bounds(1.0, 2.0), (0, 2)),
    ],
    ids=str,
)
def test_bounds(op: Op, given: Bounds, expected: tuple[float, float]) -> None:
    assert op.bound(given) == expected


def test_the_least_numbers_are_those_of_torch() -> None:
    x = torch.linspace(-50, 10, 100_001)
    assert Mish.image.low <= functional.mish(x).min() < Mish.image.low + 0.02
    assert Selu.image.low == pytest.approx(float(functional.selu(x).min()))


@pytest.mark.parametrize(
    ("op", "shape", "reason"),
    [
        (Clip(), Shape(4), "clip needs `low`, `high` or both"),
        (Clip(low=1, high=0.5), Shape(4), "low: 1 is larger than high: 0.5"),
        (Glu(), Shape(5, 3), "glu needs an even number of channels, found 5"),
    ],
    ids=str,
)
def test_what_is_refused(op: Op, shape: Shape, reason: str) -> None:
    with pytest.raises(OpError, match=f"^{reason}$"):
        op.infer(shape)


def test_a_single_slope_is_torchs() -> None:
    weight = Prelu(per="network").weights(Shape(8, 5))["weight"]
    assert weight.shape == tuple(torch.nn.PReLU().weight.shape)
    assert weight.init == torch.nn.PReLU().weight.item()
    assert Prelu(per="network").saved_for_backward(Shape(8, 5), batch=4, needs=(True,)) == Saved((0,), kernels=1)


def test_the_moments_of_an_exponential_are_those_of_a_lognormal_value() -> None:
    """Of what two samples share too: half of the variance."""
    torch.manual_seed(0)
    shared, *own = torch.randn(3, 400_000)
    one, other = ((0.3 + 0.5 * (shared + each)).exp() for each in own)
    found = Exp().passed(ChannelMoments(0.3, 0.09 + 0.5, 0.09 + 0.25)).part
    assert list(found) == pytest.approx([float(x.mean()) for x in (one, one.square(), one * other)], rel=0.02)
    assert Exp().curve(1e9) < inf


@pytest.mark.parametrize("op", [Sqrt(), Log(), Sqrt(eps=1e-12)], ids=str)
def test_the_slope_of_a_function_of_positive_numbers_is_finite(op: Sqrt | Log) -> None:
    """Everywhere, and zero up to `eps`; the control is torch's own function."""
    own = torch.tensor([-1.0, 0.0, op.eps / 2, 2 * op.eps, 4.0], dtype=torch.double, requires_grad=True)
    plain = torch.zeros(1, requires_grad=True)
    function = torch.sqrt if isinstance(op, Sqrt) else torch.log
    (slopes,) = torch.autograd.grad(function(own.clamp(min=op.eps)).sum(), own)
    (steep,) = torch.autograd.grad(function(plain).sum(), plain)
    assert slopes.tolist() == pytest.approx([op.derivative(x) for x in own.tolist()], rel=1e-9)
    assert slopes.isfinite().all()
    assert steep.isinf().all()
