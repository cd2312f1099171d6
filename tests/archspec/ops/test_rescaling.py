"""What normalizations without a mean say: their weights, their bounds and where they know no gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from archspec.ops import Bounds, L2Norm, RmsNorm, Shape
from archspec.ops.signal.moments import standard, unit_gradient
from compiler.torch_target import normalization


def test_they_are_torchs() -> None:
    x = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0))
    expected = functional.rms_norm(x.movedim(1, -1), (8,), eps=1e-6).movedim(-1, 1)
    assert torch.allclose(normalization.RmsNorm(8, 1e-6, affine=False)(x), expected, atol=1e-6)
    assert not torch.allclose(normalization.RmsNorm(8, 0.1, affine=False)(x), expected, atol=1e-3)
    assert torch.allclose(normalization.L2Norm(1e-12)(x).square().sum(1), torch.ones(2, 5))


def test_a_scale_alone_is_learned() -> None:
    weights = RmsNorm(start=0.5).weights(Shape(8, 5))
    assert {name: (weight.shape, weight.init) for name, weight in weights.items()} == {"weight": ((8,), 0.5)}
    assert RmsNorm(affine=False).weights(Shape(8)) == L2Norm().weights(Shape(8)) == {}


def test_lengths_are_one() -> None:
    assert L2Norm().bound(Bounds(-5.0, 2.0)) == (-1, 1)
    assert L2Norm().bound(Bounds(0.0, 2.0)) == (0, 1)
    assert L2Norm().moments(standard(Shape(64))).whole.second == pytest.approx(1 / 64)


def test_of_two_channels_no_gradient_is_expected() -> None:
    for channels, count in ((2, 0), (3, 1)):
        found = RmsNorm().gradients(unit_gradient(Shape(channels)), standard(Shape(channels)))
        assert len(found) == count
