"""The predicted signal where values are zero with certainty, on whole channels or positions, or by chance, and where
one value stands in a sum more than once; against torch."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.ops.signal.axis import Axis
from compiler.analysis.signal.signal import predict_signal
from runtime.experiments.signal import measure_signal
from tests.support.documents import graph_from

MAP, VECTOR = [64, 10, 10], [64]
HOLES = {"conv_transpose": {"out": 64, "kernel": 1, "stride": 2}}
TWICE: dict[str, Any] = {"add": [[], []]}

NETWORKS: dict[str, tuple[list[int], list[Any]]] = {
    "padded channels, groups": (MAP, [{"pad_channels": 128}, {"group_norm": 32}, "relu"]),
    "padded channels in some groups": (MAP, [{"pad_channels": 100}, {"group_norm": 10}, "relu"]),
    "padded channels, layer": (MAP, [{"pad_channels": 128}, "layer_norm", "relu"]),
    "padded channels, depthwise": (MAP, [{"pad_channels": 128}, {"conv": {"out": 128, "groups": 128}}, "relu"]),
    "dead channels, batch": (MAP, [{"pad_channels": 128}, {"conv": {"out": 128, "groups": 128}}, "batch_norm"]),
    "grouped from two kinds": (MAP, [{"pad_channels": 96}, {"conv": {"out": 60, "groups": 6}}, "batch_norm", "relu"]),
    "a kernel of 1 in a padding": (MAP, [{"conv": {"out": 64, "kernel": 1, "padding": 1}}, "relu", {"conv": 64}]),
    "a wide padding": (MAP, [{"conv": {"out": 64, "padding": 4}}, "relu", {"conv": {"out": 64, "padding": 2}}]),
    "holes": (MAP, [HOLES, "relu", {"conv": 64}, "relu"]),
    "holes, batch": (MAP, [HOLES, "batch_norm", "relu", {"conv": 64}]),
    "padded space": (MAP, [{"add": {"branches": [[{"conv": {"out": 64, "padding": 0}}], []], "fit": "pad"}}, "relu"]),
    "dropped samples": (VECTOR, [{"linear": 64}, {"stochastic_depth": 0.5}, "layer_norm"]),
    "dropped samples, leaky": (VECTOR, [{"linear": 64}, {"stochastic_depth": 0.7}, {"leaky_relu": 0.2}]),
    "dropped values": (VECTOR, [{"linear": 64}, {"dropout": 0.4}, "relu", {"linear": 64}, "relu"]),
    "dropped values, softplus": (VECTOR, [{"linear": 64}, {"dropout": 0.4}, "softplus"]),
    "x - x": (VECTOR, [{"linear": 64}, {"add": [[], [{"scale": -1}]]}]),
    "x + x": (VECTOR, [{"linear": 64}, TWICE, "relu", {"linear": 64}]),
    "x + x - 3x": (VECTOR, [{"linear": 64}, TWICE, {"add": [[], [{"scale": -1.5}]]}, "relu"]),
    "x + y + x": (VECTOR, [{"linear": 64}, {"add": [[], [{"linear": 64}], []]}]),
    "0 x + y": (MAP, [{"add": [[{"scale": 0}], [{"conv": 64}]]}, "relu"]),
}


def is_near(predicted: float | None, found: float) -> bool:
    return predicted is not None and abs(predicted - found) <= 0.12 * found + 1e-12


@pytest.mark.parametrize(("shape", "network"), NETWORKS.values(), ids=NETWORKS.keys())
def test_what_is_exactly_zero_or_the_same_is_counted_so(shape: list[int], network: list[Any]) -> None:
    """What has no doubt is near, forward and back; and a control: one and a half times as much is not."""
    graph = graph_from({"archspec": 1, "inputs": {"x": shape}, "network": network})
    signal, measured = predict_signal(graph), measure_signal(graph, batch=512 if len(shape) == 1 else 48, repeats=3)
    compared = 0
    for node, found in zip(signal.nodes, measured.nodes, strict=True):
        pairs = [(node.second_moment, found.second_moment)] if not node.estimate else []
        if not node.gradient_estimate:
            pairs.append((node.gradient_second_moment, found.gradient_second_moment))
        for predicted, number in pairs:
            assert is_near(predicted, number), node.id
            assert number == 0 or not is_near(1.5 * (predicted or 0), number)
            compared += 1
    assert compared >= len(signal.nodes)


def test_what_samples_share_goes_with_the_positions_that_hold_something() -> None:
    """Behind a padding, where 100 of 144 positions hold something: (100/144)² of what is shared, for two positions."""
    padded = graph_from(
        {"archspec": 1, "inputs": {"x": MAP}, "network": [{"conv": {"out": 64, "kernel": 1, "padding": 1}}, "relu"]}
    )
    relu, found = predict_signal(padded).nodes[-1], measure_signal(padded, batch=32).nodes[-1]
    assert relu.common == pytest.approx(found.common, rel=0.05)
    assert relu.common == pytest.approx(2 / (2 * 3.14159265) * (100 / 144) ** 2)


def test_gradients_at_dropped_samples_are_called_estimates() -> None:
    """A layer norm divides the gradient at a sample of zeros by the root of eps."""
    graph = graph_from({"archspec": 1, "inputs": {"x": VECTOR}, "network": [{"stochastic_depth": 0.5}, "layer_norm"]})
    signal, found = predict_signal(graph), measure_signal(graph)
    assert found.nodes[1].gradient_second_moment > 1e4
    assert signal.nodes[1].gradient_estimate
    assert not signal.nodes[2].estimate


def test_shares_of_one_value_may_be_of_any_size() -> None:
    """10⁻¹⁹⁰ of a value beside all of it, in either order: the square of their ratio is no float."""
    share: list[Any] = [{"scale": 1e-38}] * 5
    for branches in ([share, []], [[], share]):
        network = ["relu", {"add": branches}]
        signal = predict_signal(graph_from({"archspec": 1, "inputs": {"x": VECTOR}, "network": network}))
        assert signal.nodes[-1].second_moment == signal.nodes[1].second_moment == 0.5
        assert signal.nodes[1].gradient_second_moment == 1


def test_what_is_approximate_stays_so_where_positions_are_repeated() -> None:
    assert not Axis(2000, exact=False).repeat(2).exact
    assert Axis(2000).repeat(2).exact
