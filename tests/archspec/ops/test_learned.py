"""Values that are parameters."""

from __future__ import annotations

import torch

from archspec.api import to_torch
from archspec.ops import Learned, Shape
from compiler.analysis.report import analyze
from tests.support.documents import graph_from
from tests.support.lowering import graph_of


def test_starts_normal_around_a_number() -> None:
    module = to_torch(graph_of(Learned(shape=(100, 90), start=3, std=0.5), Shape(4)))
    (value,) = module.parameters()
    assert abs(float(value.mean().detach()) - 3) < 0.05
    assert abs(float(value.std().detach()) - 0.5) < 0.05
    (constant,) = to_torch(graph_of(Learned(shape=(7,), start=1, std=0), Shape(4))).parameters()
    assert constant.equal(torch.ones(7))


def test_each_sample_gets_the_same() -> None:
    module = to_torch(graph_of(Learned(shape=(3, 2)), Shape(4, 5)))
    found = module(torch.randn(6, 4, 5))
    assert found.shape == (6, 3, 2)
    assert found[0].equal(found[5])


def test_drops_its_input() -> None:
    """A path begins at it, as one does at an input; none comes from what it drops."""
    network = [{"conv": 4}, {"concat": [[{"learned": [2, 5]}, {"conv": 4}], [{"conv": 4}]]}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [3, 5]}, "network": network})
    assert graph["concat_0.branch0.learned_0"].data_inputs == ()
    report = analyze(graph, wanted=["memory", "receptive_field"])
    assert report.paths.op.total == 2
    assert report.cost.parameters == sum(p.numel() for p in to_torch(graph).parameters())


def test_paths_that_begin_at_it_are_not_those_before() -> None:
    """Two residuals make four paths; what is learned behind them has one, and two with the residual behind it."""
    double = [{"residual": {"body": [{"conv": 4}]}}] * 2
    network = [*double, {"concat": [[], [{"learned": [4, 5]}]]}, {"conv": 4}, double[0]]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 5]}, "network": network})
    assert analyze(graph).paths.op.total == (4 + 1) * 2
    alone = graph_from({"archspec": 1, "inputs": {"x": [4, 5]}, "network": [*double, {"learned": [4, 5]}, double[0]]})
    assert analyze(alone).paths.op.total == 2
