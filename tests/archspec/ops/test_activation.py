"""What single activations say beside their curve: slopes, bounds, stored slopes and shares."""

from __future__ import annotations

from math import inf

import pytest
import torch
from torch.nn import functional

from archspec.ops import Bounds, Elu, Gelu, LeakyRelu, Prelu, Relu, Relu6, Shape, Silu
from archspec.ops.activation import Rectifier
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved


@pytest.mark.parametrize(
    ("op", "given", "expected"),
    [
        (Relu(), Bounds(-3.0, 2.0), (0, 2)),
        (Relu(), Bounds(-3.0, -1.0), (0, 0)),
        (Relu(), Bounds(1.0, 2.0), (1, 2)),
        (LeakyRelu(slope=0.5), Bounds(-3.0, 2.0), (-1.5, 2)),
        (LeakyRelu(slope=0.5), Bounds(), (-inf, inf)),
        (LeakyRelu(slope=-0.5), Bounds(-3.0, 2.0), (0, inf)),
        (Prelu(), Bounds(-3.0, 2.0), (-inf, inf)),
        (Prelu(), Bounds(0.0, 2.0), (0, 2)),
        (Elu(alpha=2.0), Bounds(), (-2, inf)),
        (Elu(alpha=-2.0), Bounds(), (0, inf)),
        (Relu6(), Bounds(-3.0, 4.0), (0, 4)),
        (Silu(), Bounds(0.0, 4.0), (0, 4)),
    ],
    ids=str,
)
def test_bounds(op: Rectifier, given: Bounds, expected: tuple[float, float]) -> None:
    assert op.bound(given) == expected


def test_the_least_numbers_are_below_those_of_torch() -> None:
    x = torch.linspace(-10, 10, 100_001)
    for op, function in ((Gelu(), functional.gelu), (Silu(), functional.silu)):
        assert op.image.low <= function(x).min() < op.image.low + 0.02


def test_a_prelu_by_channel_has_the_digest_from_before_per() -> None:
    assert Prelu().identity == {"start": 0.25}
    assert Prelu(per="network").identity == {"start": 0.25, "per": "network"}


def test_prelu_stores_a_slope_for_each_channel() -> None:
    weight = Prelu(start=0.1).weights(Shape(8, 5, 5))["weight"]
    assert weight.shape == tuple(torch.nn.PReLU(8).weight.shape)
    assert weight.init == 0.1
    assert Prelu().saved_for_backward(Shape(8, 5, 5), batch=4, needs=(True,)) == Saved((0,), kernels=8)


@pytest.mark.parametrize("op", [Relu(), LeakyRelu(slope=0.3)], ids=str)
def test_rectifiers_halve_what_goes_back(op: Rectifier) -> None:
    torch.manual_seed(0)
    x = torch.randn(200_000, requires_grad=True)
    functional.leaky_relu(x, op.below).backward(torch.randn(200_000))
    assert x.grad is not None
    (gradient,) = op.gradients(unit_gradient(Shape(8)), standard(Shape(8)))
    assert gradient.second == pytest.approx(float((x.grad**2).mean()), rel=0.02)
