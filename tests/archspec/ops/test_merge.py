"""Merges: shapes that fit, what training keeps of them, shares of weights and gradients."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Add, Concat, Input, Mean, Merge, Mul, OpError, Shake, Shape, Vote
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved
from tests.support.lowering import graph_of

X, GATE = Shape(4, 6, 6), Shape(4, 1, 1)


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (Add(), (X, GATE), "add needs equal shapes, found 4×6×6 and 4×1×1; `fit: repeat` repeats extents of 1"),
        (Add(), (X, Shape(5, 6, 6)), "add needs equal shapes, found 4×6×6 and 5×6×6$"),
        (Mul(), (X, Shape(4)), "mul needs equal shapes or extents of 1"),
        (Mul(), (X, Shape(4, 6, 3)), "mul needs equal shapes or extents of 1"),
        (Concat(), (X, GATE), "concat needs equal spatial sizes, .*; `fit: repeat` repeats extents of 1"),
        (Vote(), (X, GATE), "vote needs equal shapes"),
    ],
)
def test_refuses(op: Merge, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(*shapes)


def test_a_product_repeats_extents_of_one_as_torch_does() -> None:
    shapes = (GATE, X, Shape(1, 6, 1))
    assert Mul().infer(*shapes) == torch.broadcast_shapes(*shapes)


def test_a_product_keeps_the_other_factors() -> None:
    op = Mul()
    assert op.saved_for_backward(X, X, batch=2, needs=(True, False)) == Saved((1,))
    assert op.saved_for_backward(X, X, batch=2, needs=(True, True)) == Saved((0, 1))
    third = op.saved_for_backward(X, X, X, batch=2, needs=(True, True, True))
    assert third == Saved((0, 1, 2), products=((2, 2 * X.elements),))


@pytest.mark.parametrize("op", [Add(), Mul(), Mean(), Concat()], ids=str)
def test_of_one_operand_it_is_that_operand(op: Merge) -> None:
    x = torch.randn(2, *X)
    assert op.changes_nothing(X) == "it has one operand"
    assert not op.changes_nothing(X, X)
    assert torch.equal(to_torch(graph_of(op, X))(x), x)


@pytest.mark.parametrize("count", [2, 3])
def test_drawn_weights_are_uniform_on_the_simplex(count: int) -> None:
    torch.manual_seed(0)
    vector = Shape(4)
    xs = [torch.randn(40_000, 4, requires_grad=True) for _ in range(count)]
    result = to_torch(graph_of(Shake(), *[vector] * count)).train()(*xs)
    result.backward(torch.randn(40_000, 4))
    found = Shake().moments(*[standard(vector)] * count)
    assert found.whole.second == pytest.approx(float((result.detach() ** 2).mean()), rel=0.03)
    gradients = Shake().gradients(unit_gradient(vector), *[standard(vector)] * count)
    for gradient, x in zip(gradients, xs, strict=True):
        assert x.grad is not None
        assert gradient.second == pytest.approx(float((x.grad**2).mean()), rel=0.04)


def test_at_inference_each_weighs_the_same() -> None:
    assert Shake().at_inference() == Mean()
    assert Add().at_inference() == Add()


def test_channels_get_their_own_gradients() -> None:
    gradient = unit_gradient(Shape(7)).by([(3, 1.0), (4, 5.0)])
    first, second = Concat().gradients(gradient, standard(Shape(3)), standard(Shape(4)))
    assert (first.second, second.second) == (1, 5)


def test_shares_of_a_vote_add_up_to_one() -> None:
    found = Vote().moments(standard(Shape(5)), standard(Shape(5)), standard(Shape(5)))
    assert 5 * found.whole.mean == pytest.approx(1)
    assert found.whole.common == pytest.approx(found.whole.mean**2)
    assert not Vote.differentiable


def test_an_input_takes_its_sizes() -> None:
    assert Input(dims=(3, "H", 8)).infer(H=5) == (3, 5, 8)
    assert Input(dims=(3, "H")).moments(H=5).shape == (3, 5)
