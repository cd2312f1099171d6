"""Normalizations: what their statistics are of, and what they make of moments, against torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.api import to_torch
from archspec.ops import (
    BatchNorm,
    BatchRenorm,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Normalization,
    OpError,
    Shape,
)
from archspec.ops.normalization import SampleNorm
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved
from tests.support.lowering import graph_of

X = Shape(8, 6, 6)
EVERY: list[Normalization] = [
    BatchNorm(),
    GhostBatchNorm(size=50),
    LayerNorm(),
    LayerNorm(over="channels"),
    GroupNorm(groups=4),
    InstanceNorm(),
]
each = pytest.mark.parametrize("op", EVERY, ids=str)


@each
def test_statistics_are_of_so_many_values(op: Normalization) -> None:
    """Values that are scaled together are normalized together: of each such part the result does not change."""
    channels, values = op.span(X)
    torch.manual_seed(0)
    x, module = torch.randn(200, *X), to_torch(graph_of(op, X)).train()
    scaled = x.clone()
    if op.by_sample:
        part = (0, slice(0, channels), *([slice(None)] * 2 if values > 1 else [0, 0]))
        assert x[part].numel() == channels * values == op.counted(X)
    else:
        part = (slice(None), 0)
    scaled[part] *= 3
    with torch.no_grad():
        assert torch.allclose(module(scaled)[part], module(x)[part], atol=1e-3)


@each
def test_the_second_moment_is_one_and_the_gradients_are_torchs(op: Normalization) -> None:
    torch.manual_seed(0)
    x = (3 * torch.randn(200, *X)).requires_grad_()
    result = to_torch(graph_of(op, X)).train()(x)
    result.backward(torch.randn(200, *X))
    given = standard(X).times(3.0, 9.0, 9.0)
    assert op.moments(given).whole.second == pytest.approx(float((result.detach() ** 2).mean()), rel=0.02)
    assert x.grad is not None
    (gradient,) = op.gradients(unit_gradient(X), given)
    assert gradient.second == pytest.approx(float((x.grad**2).mean()), rel=0.15 if "few" in gradient.doubts else 0.05)


def test_of_three_values_nothing_is_known_of_the_gradient() -> None:
    vector = Shape(6)
    assert GroupNorm(groups=2).gradients(unit_gradient(vector), standard(vector)) == ()
    assert GroupNorm(groups=1).gradients(unit_gradient(vector), standard(vector)) != ()


@pytest.mark.parametrize(
    ("op", "module"),
    [
        (BatchNorm(), nn.BatchNorm2d(8)),
        (BatchNorm(affine=False), nn.BatchNorm2d(8, affine=False)),
        (GroupNorm(groups=4), nn.GroupNorm(4, 8)),
        (InstanceNorm(), nn.InstanceNorm2d(8)),
    ],
    ids=str,
)
def test_stored_tensors_are_torchs(op: Normalization, module: nn.Module) -> None:
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items() if value.dim()}
    weights = op.weights(X)
    assert {name: weight.shape for name, weight in weights.items()} == expected
    buffers = {name for name, _ in module.named_buffers()} - {"num_batches_tracked"}
    assert {name for name, weight in weights.items() if weight.buffer} == buffers


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (GroupNorm(groups=3), X, "groups: 3 does not divide the 8 channels"),
        (InstanceNorm(), Shape(8), "instance_norm needs spatial axes"),
    ],
)
def test_refuses(op: Normalization, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


def test_statistics_of_each_sample() -> None:
    counts: dict[SampleNorm, int] = {
        LayerNorm(): 1,
        LayerNorm(over="channels"): 36,
        GroupNorm(groups=4): 4,
        InstanceNorm(): 8,
    }
    for op, count in counts.items():
        assert op.count_groups(X) == count
        kept = op.saved_for_backward(X, batch=3, needs=(True,))
        assert kept == (Saved((0,), full=6 * count) if op.affine else Saved((0,), values=6 * count))


def test_a_last_part_of_one_value_joins_the_one_before() -> None:
    op, vector = GhostBatchNorm(size=4), Shape(8)
    assert op.saved_for_backward(vector, batch=8, needs=(True,)) == Saved((0,), full=2 * 8 * 2)
    assert op.saved_for_backward(vector, batch=9, needs=(True,)) == Saved((0,), values=5 * 8, full=2 * 8 * 2)


def test_at_inference_all_of_a_batch_are_one() -> None:
    for op in (GhostBatchNorm(size=4, eps=1e-3), BatchRenorm(eps=1e-3, momentum=0.1)):
        assert op.at_inference() == BatchNorm(eps=1e-3)
    assert LayerNorm().at_inference() == LayerNorm()


def test_renormalization_starts_within_its_bounds() -> None:
    """Far from the running statistics, r and d are cut off: a mean of 20 leaves more than d_max takes away."""
    near, far = standard(X), standard(X).times(1.0, 1e6, 1.0)
    assert BatchRenorm().moments(near).whole.second == pytest.approx(1.0, rel=1e-3)
    assert BatchRenorm().moments(far).whole.second == pytest.approx(9.0, rel=1e-2)
