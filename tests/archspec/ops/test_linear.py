"""Layers with a kernel: extents, starts and costs, against torch's own layers."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from archspec.ops import Conv, ConvTranspose, Kernel, Linear, OpError, Shape
from archspec.ops.values import Layout, Saved

X = Shape(8, 9, 7)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [*product((1, 2, 3, 5), (1, 2, 3), (0, 1, 4))])
def test_extents_are_torchs(kernel: int, stride: int, padding: int) -> None:
    value = torch.zeros(1, *X)
    for dilation in (1, 2):
        given = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        for ours, theirs in ((Conv(out=4, **given), nn.Conv2d), (ConvTranspose(out=4, **given), nn.ConvTranspose2d)):
            options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
            try:
                expected: tuple[int, ...] | None = theirs(8, 4, kernel, **options)(value).shape[1:]
            except RuntimeError:
                expected = None
            if expected is None:
                with pytest.raises(OpError, match=r"does not fit into|nothing is left"):
                    ours.infer(X)
            else:
                assert ours.infer(X) == tuple(expected)


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (Conv(out=4), Shape(8), "conv needs one to three spatial axes"),
        (Conv(out=4, kernel=2), X, "padding: same needs an odd kernel"),
        (Conv(out=4, groups=3), X, "groups: 3 does not divide the 8 input channels"),
        (Conv(out=6, groups=4), X, "groups: 4 does not divide the 6 output channels"),
        (
            Conv(out=8, standardize=True, kernel=1, groups=8),
            X,
            "standardize needs several weights for an output, and of",
        ),
        (
            Conv(out=4, eps=1e-5),
            X,
            "eps is added to the variance of a standardized kernel; say `standardize: true`, or `eps: 1e-06`",
        ),
        (ConvTranspose(out=4, output_padding=2), X, "output_padding should be smaller"),
        (ConvTranspose(out=4), Shape(8), "conv_transpose needs one to three"),
        (Linear(out=4), X, "linear needs a vector, found 8×9×7"),
    ],
)
def test_refuses(op: Kernel, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


@pytest.mark.parametrize(
    ("op", "x", "layer"),
    [
        (Conv(out=6, groups=2), X, nn.Conv2d(8, 6, 3, padding=1, groups=2)),
        (ConvTranspose(out=6, groups=2), X, nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2)),
        (Linear(out=6, bias=False), Shape(8), nn.Linear(8, 6, bias=False)),
    ],
)
def test_stored_tensors_are_torchs(op: Kernel, x: Shape, layer: nn.Module) -> None:
    found = {name: weight.shape for name, weight in op.weights(x).items()}
    assert found == {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}


@pytest.mark.parametrize("op", [Conv(out=512, init="torch"), ConvTranspose(out=512, init="torch")], ids=str)
def test_torchs_own_start_is_that_of_its_layers(op: Kernel) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 512, 3) if isinstance(op, Conv) else nn.ConvTranspose2d(8, 512, 2)
    weights = op.weights(X)
    for name, parameter in layer.named_parameters():
        assert weights[name].deviation == pytest.approx(float(parameter.detach().std()), rel=0.08), name


def test_of_a_first_layer_a_linear_one_keeps_no_kernel() -> None:
    for needed, kernels in ((True, 8 * 5), (False, 0)):
        assert Linear(out=5).saved_for_backward(Shape(8), batch=2, needs=(needed,)) == Saved((0,), kernels=kernels)


@pytest.mark.parametrize(
    ("op", "x", "sums"),
    [
        (Conv(out=4, kernel=3, padding=0), X, True),
        (Conv(out=4, kernel=3), X, False),
        (ConvTranspose(out=4, kernel=1, stride=1), X, True),
        (ConvTranspose(out=4, kernel=1, stride=2), X, False),
        (ConvTranspose(out=4, kernel=3, stride=1), X, False),
        (Linear(out=4), Shape(8), True),
    ],
)
def test_where_all_taps_are_summed_a_constant_gives_a_constant(op: Kernel, x: Shape, sums: bool) -> None:
    layer = {Conv: nn.Conv2d, ConvTranspose: nn.ConvTranspose2d}.get(type(op))
    assert op.sums_all_taps(x) is sums
    if layer:
        assert isinstance(op, Conv | ConvTranspose)
        window, _ = op.windows(x)
        given = layer(8, 4, window.kernel, stride=window.stride, padding=window.before)
        result = given(torch.ones(1, *x)).flatten(2)
        assert bool((result.amax(2) - result.amin(2)).max() < 1e-5) == sums


def test_of_volumes_with_channels_last_nothing_is_certain() -> None:
    volume = Shape(8, 4, 4, 4)
    assert Conv(out=4).is_layout_known(Layout(), volume)
    assert not Conv(out=4).is_layout_known(Layout(channels_last=True), volume)
    assert not ConvTranspose(out=4, kernel=1, stride=1).is_layout_known(Layout(), Shape(8, 4, 4, 4))
