"""Bounds hold for what torch computes, and are as near as a rule needs."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
import torch

from archspec.ops import Bounds, HardSwish, Op, Relu, Relu6, Silu
from compiler.torch_target.module import to_torch
from compiler.value_bounds import find_bounds, is_idle
from tests.support.documents import graph_from
from tests.support.lowering import stir

POSITIVE = ["sigmoid"]
CASES: list[tuple[list[Any], tuple[float, float]]] = [
    (["relu"], (0, inf)),
    (["relu6"], (0, 6)),
    (["tanh", "relu6"], (0, 1)),
    (["tanh", {"leaky_relu": 0.5}], (-0.5, 1)),
    (["tanh", {"leaky_relu": -1}], (0, inf)),
    (["tanh", {"elu": 2.0}], (-1.27, 1)),
    ([{"elu": 2.0}], (-2, inf)),
    ([{"elu": -2.0}], (0, inf)),
    (["prelu"], (-inf, inf)),
    ([*POSITIVE, "prelu"], (0.0, 1.0)),
    (["gelu"], (-0.18, inf)),
    (["silu"], (-0.28, inf)),
    (["hard_swish"], (-0.376, inf)),
    (["relu6", "silu"], (0, 6)),
    (["softplus"], (0, inf)),
    ([{"conv": 4}, "softmax"], (0, 1)),
    ([*POSITIVE, {"avg_pool": {"kernel": 3, "padding": 1}}, {"shift": -1}], (-1, 0)),
    ([*POSITIVE, {"shift": 1}, {"avg_pool": 2}], (1, 2)),
    ([*POSITIVE, {"shift": 1}, {"avg_pool": {"kernel": 3, "padding": 1}}], (0, 2)),
    ([*POSITIVE, {"shift": 1}, {"pad_channels": 5}], (0, 2)),
    (["tanh", {"scale": -2}], (-2, 2)),
    (["tanh", {"mul": [[], []]}], (0, 1)),
    (["tanh", {"mul": [[], [], []]}], (-1, 1)),
    (["tanh", {"add": [[], ["sigmoid"]]}], (-0.731, 1.731)),
    (["tanh", {"concat": [[], ["sigmoid"]]}], (-1, 1)),
    ([*POSITIVE, {"dropout": 0.5}], (0, 2)),
    ([*POSITIVE, {"stochastic_depth": 0.5}], (0, 1)),
    ([*POSITIVE, {"stochastic_depth": {"survival": 0.5, "rescale": True}}], (0, 2)),
    ([*POSITIVE, {"shake_drop": 0.5}], (-1, 1)),
    ([*POSITIVE, {"shake": [[], ["relu"]]}], (0, 1)),
    ([*POSITIVE, {"scale": {"value": 1, "trainable": True}}], (-inf, inf)),
    ([*POSITIVE, "batch_norm"], (-inf, inf)),
    ([*POSITIVE, {"conv": 2}], (-inf, inf)),
]


@pytest.mark.parametrize(("network", "expected"), CASES, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_no_value_lies_outside(network: list[Any], expected: tuple[float, float], training: bool) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [3, 6, 6]}, "network": network})
    (end,) = graph.outputs.values()
    found = find_bounds(graph)[end]
    assert found == pytest.approx(Bounds(*expected), abs=0.01)
    module = stir(to_torch(graph, seed=0)).train(training)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, 30.0):
        with torch.no_grad():
            values = module(scale * torch.randn(16, 3, 6, 6, generator=generator))
        assert found.low - 1e-6 <= values.min()
        assert values.max() <= found.high + 1e-6


@pytest.mark.parametrize(
    ("op", "bounds", "idle"),
    [
        (Relu(), (0, inf), True),
        (Relu(), (-1, inf), False),
        (Relu6(), (0, 6), True),
        (Relu6(), (0, 7), False),
        (Silu(), (0, 1), False),
        (HardSwish(), (3, 4), False),
    ],
)
def test_what_is_idle(op: Op, bounds: tuple[float, float], idle: bool) -> None:
    assert is_idle(op, Bounds(*bounds)) is idle
