"""Pooling: extents by torch, what each window takes, what goes back."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch.nn import functional

from archspec.ops import AvgPool, Bounds, GlobalAvgPool, GlobalMaxPool, MaxPool, OpError, Shape
from archspec.ops.pooling import GlobalPool
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved


@pytest.mark.parametrize("ceil", [False, True])
def test_extents_are_torchs(ceil: bool) -> None:
    for kernel, stride, padding, size in product((1, 2, 3, 4), (None, 1, 2, 3), (0, 1, 2), (4, 5, 7)):
        if 2 * padding <= kernel:
            op = MaxPool(kernel=kernel, stride=stride, padding=padding, ceil=ceil)
            expected = functional.max_pool2d(torch.zeros(1, 3, size, 6), kernel, stride, padding, ceil_mode=ceil)
            assert tuple(op.infer(Shape(3, size, 6))) == tuple(expected.shape[1:])


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (MaxPool(), Shape(3), "max_pool needs one to three spatial axes"),
        (AvgPool(padding=2), Shape(3, 8), "padding should be at most half the kernel"),
        (AvgPool(kernel=9), Shape(3, 8), "a window of 9 does not fit into 3×8"),
        (GlobalAvgPool(), Shape(3), "global_avg_pool needs spatial axes"),
    ],
)
def test_refuses(op: MaxPool | AvgPool | GlobalPool, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


def test_zeros_of_the_padding_count_in_a_mean_alone() -> None:
    given = Bounds(1.0, 2.0)
    padded = {"kernel": 3, "padding": 1}
    assert AvgPool(**padded).bound(given) == (0, 2)
    assert MaxPool(**padded).bound(given) == given
    assert functional.avg_pool1d(torch.ones(1, 1, 4), 3, 1, 1).min() < 1
    assert functional.max_pool1d(torch.ones(1, 1, 4), 3, 1, 1).min() == 1


def test_a_window_of_one_position_changes_nothing() -> None:
    assert MaxPool(kernel=1).changes_nothing(Shape(3, 8))
    assert not MaxPool(kernel=1, stride=2).changes_nothing(Shape(3, 8))


def test_a_maximum_keeps_its_places() -> None:
    assert MaxPool().saved_for_backward(Shape(3, 8, 8), batch=2, needs=(True,)) == Saved((0,), indices=2 * 3 * 16)
    assert GlobalMaxPool().saved_for_backward(Shape(3, 8), batch=2, needs=(True,)) == Saved((0,), indices=6)
    assert AvgPool().saved_for_backward(Shape(3, 8), batch=2, needs=(True,)) == Saved((0,))


def average_as_torch(op: AvgPool, x: torch.Tensor) -> torch.Tensor:
    fields: dict[str, Any] = {"padding": op.padding, "count_include_pad": op.count == "all"}
    return functional.avg_pool2d(x, op.kernel, **fields)


MEANS = [AvgPool(), AvgPool(kernel=3, padding=1), AvgPool(kernel=(3, 2), padding=(1, 0), count="inside")]


@pytest.mark.parametrize("op", [*MEANS, GlobalAvgPool(), MaxPool()], ids=str)
def test_moments_are_those_of_samples(op: AvgPool | GlobalAvgPool | MaxPool) -> None:
    torch.manual_seed(0)
    x = torch.randn(3000, 4, 6, 6)
    pooled = {
        "avg_pool": lambda: average_as_torch(op, x) if isinstance(op, AvgPool) else x,
        "max_pool": lambda: functional.max_pool2d(x, 2),
        "global_avg_pool": lambda: x.mean((2, 3)),
    }[op.kind]()
    found = op.moments(standard(Shape(4, 6, 6)))
    assert found.whole.mean == pytest.approx(float(pooled.mean()), abs=0.02)
    assert found.whole.second == pytest.approx(float((pooled**2).mean()), rel=0.05)


def test_a_mean_divides_what_goes_back() -> None:
    x = torch.zeros(1, 4, 6, requires_grad=True)
    torch.manual_seed(0)
    sent = torch.randn(1, 4, 3)
    functional.avg_pool1d(x, 2).backward(sent)
    assert x.grad is not None
    (found,) = AvgPool().gradients(unit_gradient(Shape(4, 3)), standard(Shape(4, 6)))
    assert found.second == pytest.approx(float((x.grad**2).mean() / (sent**2).mean()))
