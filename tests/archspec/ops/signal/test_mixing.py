"""Sums with random weights, against torch's layers over many draws."""

from __future__ import annotations

import pytest
import torch

from archspec.ops import Conv, Linear, Shape
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.mixing import mix, take_mean_off, unmix
from archspec.ops.signal.moments import Moments, standard, unit_gradient

DRAWS = 300


@pytest.mark.parametrize("groups", [1, 4])
def test_a_layer_of_samples(groups: int) -> None:
    op = Conv(out=16, kernel=1, groups=groups, init="torch")
    drawn = op.draw(Shape(32, 1), groups)
    found = mix(drawn, standard(Shape(32)), [], 1.0)
    torch.manual_seed(0)
    layers = [torch.nn.Conv1d(32, 16, 1, groups=groups) for _ in range(DRAWS)]
    with torch.no_grad():
        results = torch.stack([layer(torch.randn(8, 32, 1)) for layer in layers])
    assert found.channels == 16
    assert found.whole.second == pytest.approx(float((results**2).mean()), rel=0.05)
    pairs = (results[:, :1] * results[:, 1:]).mean()
    assert found.whole.common == pytest.approx(float(pairs), abs=0.01)  # of two samples the bias is the same


def test_a_gradient_of_samples() -> None:
    op = Linear(out=16, init="glorot")
    torch.manual_seed(0)
    weights = torch.randn(DRAWS, 16, 32) * (2 / 48) ** 0.5
    sent = torch.einsum("doi,do->di", weights, torch.randn(DRAWS, 16))
    found = unmix(op.draw(Shape(32)), unit_gradient(Shape(16)), standard(Shape(32)), [])
    assert found.second == pytest.approx(float((sent**2).mean()), rel=0.05)
    assert found.runs[0][0] == 32


def test_he_keeps_the_second_moment_of_what_a_relu_halved() -> None:
    drawn = Linear(out=8, bias=False).draw(Shape(100))
    assert mix(drawn, standard(Shape(100)), [], 1.0).whole.second == pytest.approx(2.0)
    assert mix(
        drawn._replace(variance=drawn.variance / 2), standard(Shape(100)), [], 1.0
    ).whole.second == pytest.approx(1.0)


def test_under_weight_normalization_the_length_is_given() -> None:
    plain, normed = (Linear(out=8, weight_norm=normed).draw(Shape(100)) for normed in (False, True))
    assert normed.variance == pytest.approx(plain.variance)
    assert Linear(out=8, gain=0, weight_norm=True).draw(Shape(100)).variance == 0


def test_weights_of_sum_zero_see_no_mean() -> None:
    """Behind a ReLU, against torch's layers: what all values have in common is gone."""
    torch.manual_seed(0)
    x = torch.randn(DRAWS, 64, 6, 6).relu()
    kernel = torch.randn(DRAWS, 8, 64, 3, 3)
    kernel -= kernel.mean((2, 3, 4), keepdim=True)
    kernel /= kernel.square().mean((2, 3, 4), keepdim=True).sqrt()
    results = torch.stack([torch.conv2d(*pair) for pair in zip(x, kernel, strict=True)])
    mean = (2 * torch.pi) ** -0.5
    rectified = Moments(((64, ChannelMoments(mean, 0.5, mean**2)),), standard(Shape(64, 6, 6)).axes)
    seen = take_mean_off(rectified, 64, 64 * 9, whole=True)
    assert 64 * 9 * seen.whole.second == pytest.approx(float(results.square().mean()), rel=0.03)
    assert 64 * 9 * rectified.whole.second > 1.3 * float(results.square().mean())
    assert not seen.doubts
    assert "border" in take_mean_off(rectified, 64, 64 * 9, whole=False).doubts
