"""Convolutions and poolings that pad in a step of their own, against sums that are written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from archspec.ops import AvgPool, Conv, MaxPool, Shape
from compiler.torch_target.rules import RULES
from compiler.torch_target.windows import PaddedConvolution, PaddedPool, Padding


def pad_as_timm(x: torch.Tensor, kernel: int, stride: int, dilation: int, value: float = 0.0) -> torch.Tensor:
    """TensorFlow's SAME, as timm's Conv2dSame computes it from the extents of x."""
    for axis in (2, 3):
        size = x.shape[axis]
        missing = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
        ends = [0, 0, 0, 0]
        ends[2 * (3 - axis) : 2 * (3 - axis) + 2] = [missing // 2, missing - missing // 2]
        x = functional.pad(x, ends, value=value)
    return x


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (2, 1, 1), (5, 3, 2), (1, 2, 1)])
@pytest.mark.parametrize("size", [7, 8, 11])
def test_same_end_is_that_of_tensorflow_at_every_size(kernel: int, stride: int, dilation: int, size: int) -> None:
    """The module is made for one size, and follows that of what comes; the control pads alike at both ends."""
    op = Conv(out=4, kernel=kernel, stride=stride, dilation=dilation, padding="same_end")
    module = RULES[Conv](op, Shape(3, 8, 9))
    assert isinstance(module, PaddedConvolution)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x, fields = torch.randn(2, 3, size, size + 1), {"stride": stride, "dilation": dilation}
    found, padded = module(x), pad_as_timm(x, kernel, stride, dilation)
    assert torch.equal(found, functional.conv2d(padded, module.weight, module.bias, **fields))
    even = functional.conv2d(x, module.weight, module.bias, padding=dilation * (kernel - 1) // 2, **fields)
    assert kernel == 1 or even.shape != found.shape or not torch.allclose(even, found, atol=1e-3)


def test_a_causal_convolution_looks_at_nothing_behind() -> None:
    module = RULES[Conv](Conv(out=4, padding="causal", dilation=2), Shape(3, 9))
    assert isinstance(module, PaddedConvolution)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 3, 9)
    later = x.clone()
    later[..., 5:] += 1
    assert torch.equal(module(x)[..., :5], module(later)[..., :5])
    assert not torch.allclose(module(x)[..., 5:], module(later)[..., 5:])


def test_pools_pad_what_never_wins_and_count_what_is_inside() -> None:
    x = torch.randn(2, 3, 8, 7) - 5  # negative, so that zeros would win
    largest = RULES[MaxPool](MaxPool(kernel=3, stride=2, padding="same_end"), Shape(3, 8, 7))
    assert isinstance(largest, PaddedPool)
    assert torch.equal(largest(x), functional.max_pool2d(pad_as_timm(x, 3, 2, 1, -torch.inf), 3, 2))
    inside = RULES[AvgPool](AvgPool(kernel=3, stride=2, padding="same_end", count="inside"), Shape(3, 8, 7))
    sums, counts = (functional.avg_pool2d(pad_as_timm(y, 3, 2, 1), 3, 2) for y in (x, torch.ones_like(x)))
    assert torch.allclose(inside(x), sums / counts)
    assert not torch.allclose(inside(x), sums)


def test_nothing_to_pad_is_no_copy() -> None:
    x = torch.zeros(1, 1, 8)
    assert Padding([(2, 2, "same_end", 1)])(x) is x
