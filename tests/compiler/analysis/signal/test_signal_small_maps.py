"""The predicted signal where maps or samples are few: what windows really see, and what is normal no more."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.analysis.signal.signal import NodeSignal, predict_signal
from compiler.graph import Graph
from runtime.experiments.signal import measure_signal
from tests.support.documents import graph_from


def network(shape: list[int], *nodes: Any) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": shape}, "network": list(nodes)})


def last(graph: Graph) -> NodeSignal:
    return predict_signal(graph).nodes[-1]


@pytest.mark.parametrize(("size", "normal"), [(2, False), (32, True)])
def test_a_normalization_of_few_values_makes_no_normal_ones(size: int, normal: bool) -> None:
    """Of two values it makes 1 and -1, whose positive parts have the mean 1/2, and not 1 / √2π = 0.399."""
    graph = network([64], {"ghost_batch_norm": size}, "relu")
    found, measured = last(graph), measure_signal(graph, batch=128).nodes[-1].mean
    assert found.estimate is not normal
    assert found.mean is not None
    assert (abs(found.mean / measured - 1) < 0.03) is normal
    if size == 2:
        assert measured == pytest.approx(0.5, rel=0.01)


def test_the_largest_of_a_window_that_hangs_over_the_border() -> None:
    """A window over the padding and the only position sees that position alone."""
    found = last(network([64, 1], {"max_pool": {"kernel": 2, "padding": 1}}))
    assert found.mean == pytest.approx(0, abs=1e-9)
    assert found.second_moment == pytest.approx(1)


@pytest.mark.parametrize("shape", [[64, 1], [64, 3], [64, 2, 3]])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_linear_upsampling_of_small_maps(shape: list[int], scale: int) -> None:
    """At the ends results are copies, which vary as much as what they copy."""
    graph = network(shape, {"upsample": {"scale": scale, "mode": "linear"}})
    predicted, measured = predict_signal(graph).nodes, measure_signal(graph, batch=256).nodes
    assert predicted[1].second_moment == pytest.approx(measured[1].second_moment, rel=0.02)
    # the sum over the copies of one value, of independent gradients
    assert predicted[0].gradient_second_moment == pytest.approx(measured[0].gradient_second_moment, rel=0.03)


def test_products_of_many_factors() -> None:
    """The gradient at each is the product of the others' squares, by channel."""
    branches = [[{"scale": 1 + i / 8}] for i in range(8)]
    signal = predict_signal(network([4, 3], {"mul": branches}))
    whole = 1.0
    for i in range(8):
        whole *= (1 + i / 8) ** 2
    for i in range(8):
        assert signal[f"mul_0.branch{i}.scale_0"].gradient_second_moment == pytest.approx(whole / (1 + i / 8) ** 2)
