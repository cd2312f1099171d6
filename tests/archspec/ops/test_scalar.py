"""Activations as functions of one number, against torch's values and gradients."""

from __future__ import annotations

from math import inf

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Bounds, Shape
from archspec.ops.scalar import Scalar
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Chance, standard
from tests.support.lowering import graph_of
from tests.support.op_examples import EXAMPLES

EVERY = list({op.kind: op for op, _ in reversed(EXAMPLES) if isinstance(op, Scalar)}.values())
"""Of each kind the first example."""
POINTS = torch.linspace(-7.3, 7.3, 41, dtype=torch.float64)
each = pytest.mark.parametrize("op", EVERY, ids=lambda op: op.kind)


@each
def test_values_and_slopes_are_torchs(op: Scalar) -> None:
    x = POINTS.clone().requires_grad_()
    result = to_torch(graph_of(op, Shape(41))).double()(x[None])
    result.sum().backward()
    assert x.grad is not None
    assert result[0].tolist() == pytest.approx([op.curve(value) for value in POINTS.tolist()], abs=1e-6)
    assert x.grad.tolist() == pytest.approx([op.derivative(value) for value in POINTS.tolist()], abs=1e-6)


@each
def test_what_rises_never_falls(op: Scalar) -> None:
    values = [op.curve(value) for value in POINTS.tolist()]
    assert (values == sorted(values)) or not op.rises


def test_some_fall() -> None:
    falling = {op.kind for op in EVERY if (v := [op.curve(x) for x in POINTS.tolist()]) != sorted(v)}
    assert falling == {"gelu", "silu", "hard_swish", "mish", "abs"}


@each
def test_bounds_end_where_the_function_does(op: Scalar) -> None:
    assert op.bound(Bounds(-inf, inf)).holds(Bounds(*sorted((op.curve(-40.0), op.curve(40.0)))))


def test_of_what_chance_drops_the_value_at_zero_is_given() -> None:
    """Half of the values are zero: the mean of sigmoid is half of that at zero, and half of the mean of the rest."""
    sigmoid = next(op for op in EVERY if op.kind == "sigmoid")
    dropped = Chance(0.5, 0.25, whole=False).spread(ChannelMoments(0.0, 1.0, 0.0))
    found = sigmoid.apply(dropped, Chance(0.5, 0.25, whole=False)).part
    kept = sigmoid.passed(ChannelMoments(0.0, 1.0, 0.0)).part
    assert found.mean == pytest.approx((kept.mean + 0.5) / 2)
    assert found.second == pytest.approx((kept.second + 0.25) / 2)
    assert sigmoid.apply(dropped, None).part != found


def test_doubts_say_that_a_value_is_not_normal() -> None:
    relu = next(op for op in EVERY if op.kind == "relu")
    normal = standard(Shape(8))
    assert relu.doubt(normal) == frozenset()
    assert "shape" in relu.doubt(relu.moments(normal))
