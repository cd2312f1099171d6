"""Functions of channels: read as torch computes them, composed, and moved past other operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archspec.api import to_torch
from archspec.errors import ArchspecError
from archspec.ops import AvgPool, BatchNorm, Flatten, MaxPool, Op, Relu, Scale, Shape, Shift, Sigmoid, Upsample
from compiler.passes.affine import Affine, is_affine, is_uniform, move_before, move_behind, read_affine
from tests.support.lowering import graph_of, stir

X = Shape(4, 6)
FUNCTIONS: list[Op] = [
    BatchNorm(),
    BatchNorm(affine=False),
    Scale(value=-0.5),
    Scale(trainable=True, per="channel"),
    Shift(value=2),
    Shift(trainable=True),
]


def by_channel(affine: Affine, x: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, *[1] * (x.dim() - 2))
    return torch.from_numpy(affine.factor.reshape(shape)) * x + torch.from_numpy(affine.term.reshape(shape))


@pytest.mark.parametrize("op", FUNCTIONS, ids=str)
def test_is_read_as_torch_computes_it(op: Op) -> None:
    graph = graph_of(op, X)
    module = stir(to_torch(graph)).double().eval()
    affine = read_affine(graph["op"], {name: value.numpy() for name, value in module.state_dict().items()})
    x = torch.randn(3, *X, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(by_channel(affine, x), module(x), atol=1e-7)
        assert not torch.allclose(x, module(x), atol=1e-3)
    assert is_affine(op)


def test_a_variance_below_zero_is_none() -> None:
    graph = graph_of(BatchNorm(affine=False), Shape(2))
    weights = {"op.running_mean": np.zeros(2), "op.running_var": np.array([1.0, -1.0])}
    with pytest.raises(ArchspecError, match=r"op\.running_var holds -1, and no variance is below zero"):
        read_affine(graph["op"], weights)


def draw(seed: int, channels: int = 4) -> Affine:
    rng = np.random.default_rng(seed)
    return Affine(rng.uniform(0.5, 2, channels), rng.uniform(-1, 1, channels))


def test_composed_they_are_one_after_the_other() -> None:
    one, other = draw(0), draw(1)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    assert torch.allclose(by_channel(one.then(other), x), by_channel(other, by_channel(one, x)))
    assert not torch.allclose(by_channel(other.then(one), x), by_channel(other, by_channel(one, x)))


def test_what_it_says_of_itself() -> None:
    nothing = Affine(np.ones(3), np.zeros(3))
    assert nothing.changes_nothing
    assert nothing.scales
    assert nothing.uniform
    assert not Affine(np.ones(3), np.ones(3)).scales
    assert not is_uniform(np.array([1.0, 2.0]))
    part = draw(0).part(1, 2)
    assert part.factor.tolist() == draw(0).factor[1:3].tolist()


@pytest.mark.parametrize(
    ("op", "moves"),
    [(AvgPool(), True), (MaxPool(), True), (Upsample(), True), (Flatten(), True), (Sigmoid(), False), (Relu(), False)],
    ids=str,
)
def test_moved_behind_it_does_the_same(op: Op, moves: bool) -> None:
    affine, module = draw(2), to_torch(graph_of(op, X)).double()
    behind = move_behind(op, affine, X)
    assert (behind is not None) == moves
    x = torch.randn(3, *X, dtype=torch.float64)
    if behind is not None:
        assert torch.allclose(module(by_channel(affine, x)), by_channel(behind, module(x)))
    else:
        assert not torch.allclose(module(by_channel(affine, x)), by_channel(affine, module(x)))


def test_moved_before_a_flattening_it_is_the_same_at_all_positions() -> None:
    even = Affine(np.repeat(draw(3).factor, 6), np.repeat(draw(3).term, 6))
    before = move_before(Flatten(), even, X)
    assert before is not None
    assert before.factor.tolist() == draw(3).factor.tolist()
    assert move_before(Flatten(), draw(4, 24), X) is None


def test_of_a_maximum_no_factor_is_negative() -> None:
    turned = Affine(-draw(0).factor, draw(0).term)
    assert move_behind(MaxPool(), turned, X) is None
    assert move_before(MaxPool(), turned, X) is None
    assert move_behind(AvgPool(), turned, X) is turned
