"""What chance decides about, against samples of torch's modules."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Dropout, Op, Scale, ShakeDrop, Shape, StochasticDepth
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved
from tests.support.lowering import graph_of

X = Shape(6)
EVERY: list[Dropout | StochasticDepth | ShakeDrop] = [
    Dropout(rate=0.3),
    StochasticDepth(survival=0.6),
    StochasticDepth(survival=0.6, rescale=True),
    ShakeDrop(survival=0.6),
]
each = pytest.mark.parametrize("op", EVERY, ids=str)


@each
def test_moments_and_gradients_are_those_of_samples(op: Dropout | StochasticDepth | ShakeDrop) -> None:
    torch.manual_seed(0)
    x = torch.randn(60_000, 6, requires_grad=True)
    result = to_torch(graph_of(op, X)).train()(x)
    result.backward(torch.randn(60_000, 6))
    assert x.grad is not None
    assert op.moments(standard(X)).whole.second == pytest.approx(float((result.detach() ** 2).mean()), rel=0.03)
    (gradient,) = op.gradients(unit_gradient(X), standard(X))
    assert gradient.second == pytest.approx(float((x.grad**2).mean()), rel=0.03)


@each
def test_at_inference_it_is_a_factor(op: Op) -> None:
    x = torch.randn(5, 6)
    twin = op.at_inference()
    assert isinstance(twin, Scale)
    assert torch.allclose(to_torch(graph_of(op, X)).eval()(x), twin.value * x)


@pytest.mark.parametrize("op", [Dropout(rate=0), StochasticDepth(survival=1), ShakeDrop(survival=1)], ids=str)
def test_what_drops_nothing_says_so(op: Dropout | StochasticDepth | ShakeDrop) -> None:
    x = torch.randn(5, 6)
    assert op.changes_nothing(X) == "it drops nothing"
    assert torch.equal(to_torch(graph_of(op, X)).train()(x), x)
    assert op.moments(standard(X)).runs == standard(X).runs


@each
def test_the_others_do_not(op: Op) -> None:
    assert not op.changes_nothing(X)


def test_masks_are_kept_by_value_or_by_draw() -> None:
    kept = {
        Dropout(): Saved(values=4 * 6),
        Dropout(rate=0): Saved(),
        StochasticDepth(): Saved(values=4),
        StochasticDepth(draw="batch"): Saved(values=1),
        ShakeDrop(): Saved(full=4),
    }
    for op, expected in kept.items():
        assert op.saved_for_backward(X, batch=4, needs=(True,)) == expected


def test_what_changes_nothing_at_inference_is_a_view() -> None:
    assert Dropout().is_view(X, training=False)
    assert not Dropout().is_view(X, training=True)
    assert StochasticDepth(rescale=True).is_view(X, training=False)
    assert not StochasticDepth().is_view(X, training=False)
