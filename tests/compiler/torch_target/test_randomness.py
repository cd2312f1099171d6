"""Modules that draw while they train."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Dropout, Shape, StochasticDepth
from tests.support.lowering import graph_of


def test_stochastic_depth_drops_whole_samples_and_keeps_the_mean() -> None:
    module = to_torch(graph_of(StochasticDepth(survival=0.7), Shape(4, 3, 3)))
    x = torch.ones(4000, 4, 3, 3)
    torch.manual_seed(0)
    kept = module.train()(x)
    alive = kept.amax((1, 2, 3))
    assert set(alive.tolist()) == {0.0, 1.0}
    assert torch.equal(kept.amin((1, 2, 3)), alive)
    assert float(alive.mean()) == pytest.approx(0.7, abs=0.03)
    assert torch.equal(module.eval()(x), x * 0.7)


def test_dropout_is_nothing_at_inference() -> None:
    module = to_torch(graph_of(Dropout(rate=0.5), Shape(1000)))
    x = torch.ones(8, 1000)
    torch.manual_seed(0)
    assert set(module.train()(x).unique().tolist()) == {0.0, 2.0}
    assert torch.equal(module.eval()(x), x)
