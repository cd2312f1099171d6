"""Shares of a sum: along which numbers, and their moments."""

from __future__ import annotations

import pytest
import torch

from archspec.ops import OpError, Shape, Softmax
from archspec.ops.signal.moments import standard
from compiler.torch_target.modules import SharesOf


@pytest.mark.parametrize("channels", [100, 1000])
def test_shares_of_a_softmax(channels: int) -> None:
    torch.manual_seed(0)
    shares = torch.randn(5_000, channels).softmax(1)
    found = Softmax().moments(standard(Shape(channels))).whole
    assert found.mean == pytest.approx(float(shares.mean()), rel=1e-3)
    assert found.second == pytest.approx(float((shares**2).mean()), rel=0.12)
    assert Softmax().elementwise(Shape(channels, 2)) == 3 * 2 * channels


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (Softmax(over="positions"), Shape(8), "softmax over positions needs a map, found the vector 8"),
        (Softmax(branches=3), Shape(8, 2), "branches: 3 does not divide the 8 channels of 8×2"),
        (Softmax(over="positions", branches=2), Shape(8, 2), "branches are of channels; leave out"),
    ],
)
def test_refuses(op: Softmax, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


def test_branches_stand_one_behind_the_other() -> None:
    x = torch.randn(2, 6, 3, 4)
    one, other = x.chunk(2, 1)
    assert torch.allclose(SharesOf(2)(x)[:, :3], (one - other).sigmoid())
    assert torch.allclose(SharesOf(2)(x)[:, 3:], (other - one).sigmoid())
    assert not torch.allclose(SharesOf(3)(x), SharesOf(2)(x), atol=0.1)
    assert torch.allclose(SharesOf(None)(x).sum((2, 3)), torch.ones(2, 6))


def test_the_usual_softmax_has_its_old_digest() -> None:
    assert Softmax().identity == {}
    assert Softmax(branches=2).identity == {"branches": 2}
