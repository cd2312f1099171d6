"""First values: their spread, their seeds, and what torch itself would draw."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.ops import Conv, ConvTranspose, Linear, Shape
from tests.support.lowering import graph_of


def test_seed_decides_and_leaves_torchs_own_state_alone() -> None:
    graph = elaborate(load("resnet_digits"))
    before = torch.get_rng_state()
    first, again, other = to_torch(graph, seed=1), to_torch(graph, seed=1), to_torch(graph, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    name = "conv_0.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_one_more_layer_changes_no_other_layers_start() -> None:
    small = to_torch(elaborate(load("residual_mlp", {"blocks": 2}))).state_dict()
    large = to_torch(elaborate(load("residual_mlp", {"blocks": 3}))).state_dict()
    assert small.keys() < large.keys()
    assert all(torch.equal(value, large[name]) for name, value in small.items())


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("he", math.sqrt(2 / (64 * 9))),
        ("he_fan_out", math.sqrt(2 / (128 * 9))),
        ("glorot", math.sqrt(2 / ((64 + 128) * 9))),
        ("torch", math.sqrt(1 / (3 * 64 * 9))),
        ("zeros", 0.0),
    ],
)
def test_initialization_has_its_spread(init: str, expected: float) -> None:
    conv = Conv(out=128, init=init)
    weights = to_torch(graph_of(conv, Shape(64, 8, 8))).state_dict()
    assert float(weights["op.weight"].std()) == pytest.approx(expected, rel=0.02)
    bias = float(weights["op.bias"].abs().max())
    assert (bias > 0) is (init == "torch")


@pytest.mark.parametrize("init", ["he", "he_fan_out", "glorot", "torch"])
def test_gain_multiplies_the_first_kernel_alone(init: str) -> None:
    usual, small = (
        to_torch(graph_of(Conv(out=8, init=init, gain=gain), Shape(4, 8, 8))).state_dict() for gain in (1.0, 0.25)
    )
    torch.testing.assert_close(small["op.weight"], 0.25 * usual["op.weight"])
    assert torch.equal(small["op.bias"], usual["op.bias"])


@pytest.mark.parametrize("op", [Conv(out=64, init="torch"), Linear(out=64, init="torch")])
def test_torchs_own_rule_is_torchs(op: Conv | Linear) -> None:
    """Bounds of weights and biases against a layer that torch itself has just made."""
    shape = Shape(32, 9, 9) if isinstance(op, Conv) else Shape(32)
    ours = to_torch(graph_of(op, shape)).state_dict()
    theirs = (nn.Conv2d(32, 64, 3) if isinstance(op, Conv) else nn.Linear(32, 64)).state_dict()
    for name in ("weight", "bias"):
        assert float(ours[f"op.{name}"].abs().max()) == pytest.approx(float(theirs[name].abs().max()), rel=0.1)


@pytest.mark.parametrize("op", [Conv(out=256), ConvTranspose(out=256), ConvTranspose(out=256, kernel=4, padding=1)])
def test_he_keeps_the_second_moment_behind_a_relu(op: Conv | ConvTranspose) -> None:
    """With variance 2/fan-in, half the input's values zero: the output's variance is the input's (He et al., 2015)."""
    module = to_torch(graph_of(op, Shape(256, 16, 16)))
    with torch.no_grad():
        x = torch.randn(4, 256, 16, 16, generator=torch.Generator().manual_seed(0))
        y = module(x.relu())
    inner = y[:, :, 3:-3, 3:-3]
    assert float(inner.var()) == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("channels", "out", "kernel", "stride"), [(8, 6, 2, 2), (8, 4, 4, 2), (4, 32, 3, 2), (2, 2, 1, 3)]
)
def test_a_transposed_convolution_starts_within_torchs_own_bound(
    channels: int, out: int, kernel: int, stride: int, groups: int
) -> None:
    weights = ConvTranspose(out=out, kernel=kernel, stride=stride, groups=groups, init="torch").weights(
        Shape(channels, 5, 5)
    )
    peer = nn.ConvTranspose2d(channels, out, kernel, stride, groups=groups)
    fan_in, _ = nn.init._calculate_fan_in_and_fan_out(peer.weight)
    for weight in weights.values():
        assert weight.deviation * math.sqrt(3) == pytest.approx(1 / math.sqrt(fan_in))
    assert max(float(peer.weight.detach().abs().max()), float(peer.bias.detach().abs().max())) <= 1 / math.sqrt(fan_in)  # type: ignore[union-attr]


def test_the_mean_fan_in_of_a_transposed_convolution_is_not_rounded() -> None:
    """Kernels of 3 at every second position: of 4 outputs two are reached once along an axis, two twice."""
    weight = ConvTranspose(out=1, kernel=3, bias=False).weights(Shape(3, 5, 5))["weight"]
    assert weight.fan_in == Fraction(27, 4)
