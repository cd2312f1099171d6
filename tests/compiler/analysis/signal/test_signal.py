"""The signal at initialization: whole networks against laws of others.

The laws are those of He et al. (2015) for layers, of Prince, "Understanding Deep Learning" (2023), section 11.3, for
residual networks, of De and Smith (2020), Zhang et al. (2019) and Hayou et al. (2021) for the scalings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.ops import Scale
from archspec.ops.signal.moments import Moments
from archspec.spec.zoo import zoo_specs
from compiler.analysis.signal.signal import Signal, predict_signal
from compiler.graph import Graph
from tests.support.documents import graph_from


def chain(*network: Any, width: int = 100, **document: Any) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [width]}, "network": list(network), **document})


def block_moments(signal: Signal) -> list[float]:
    return [signal[id].second_moment or 0.0 for id in signal.blocks.values()]


def residual_chain(scaling: str = "none", blocks: int = 16, body: Sequence[Any] = ("relu", {"linear": 100})) -> Signal:
    """Pre-activation blocks (figure 11.5b) on values with the second moment 1."""
    block = {"residual": {"body": list(body), "scaling": scaling}}
    return predict_signal(chain({"repeat": {"n": blocks, "body": [block]}}))


def test_plain_pre_activation_doubles_with_each_block() -> None:
    signal = residual_chain()
    assert block_moments(signal) == pytest.approx([2.0**n for n in range(1, 17)])
    (growth,) = signal.growth
    assert (growth.law, growth.blocks) == ("exponential", 16)
    assert growth.rate == pytest.approx(2)
    assert all({*node.doubts, *node.gradient_doubts} <= {"narrow"} for node in signal.nodes)
    gradients = [signal[id].gradient_second_moment for id in signal.blocks.values()]
    assert gradients == pytest.approx([2.0 ** (16 - n) for n in range(1, 17)])


def test_sums_times_the_root_of_a_half_stay() -> None:
    signal = residual_chain("sqrt_half")
    assert block_moments(signal) == pytest.approx([1.0] * 16)
    assert signal.growth[0].law == "steady"


def test_stable_resnet_grows_to_e() -> None:
    assert block_moments(residual_chain("stable")) == pytest.approx([(1 + 1 / 16) ** n for n in range(1, 17)])
    assert block_moments(residual_chain("stable", 1000))[-1] == pytest.approx(math.e, rel=1e-3)


@pytest.mark.parametrize("scaling", ["skip_init", "fixup"])
def test_skip_init_and_fixup_start_as_the_identity(scaling: str) -> None:
    signal = residual_chain(scaling, body=["relu", {"linear": 100}, "relu", {"linear": 100}])
    assert block_moments(signal) == [1.0] * 16
    assert {signal[id].gradient_second_moment for id in signal.blocks.values()} == {1.0}


def test_fixup_starts_the_layers_before_the_last_small() -> None:
    """Zhang et al., 2019: of m layers each but the last is scaled by L^(-1 / (2m - 2)), here 1/4."""
    signal = residual_chain("fixup", body=["relu", {"linear": 100}, "relu", {"linear": 100}])
    assert signal["repeat_0.i3.residual_0.body.linear_0"].second_moment == pytest.approx(1 / 16)
    assert signal["repeat_0.i3.residual_0.body.linear_1"].second_moment == 0


def test_blocks_of_nf_resnets_add_the_square_of_their_scale() -> None:
    """Brock et al., 2021: x + α f(x / β), where β is the deviation that is expected of x."""
    alpha, blocks = 0.2, 6
    bodies = [
        {"residual": {"body": [{"scale": (1 + n * alpha**2) ** -0.5}, "relu", {"linear": 100}], "scale": alpha}}
        for n in range(blocks)
    ]
    moments = block_moments(predict_signal(chain(*bodies)))
    assert moments == pytest.approx([1 + n * alpha**2 for n in range(1, blocks + 1)])


def test_a_normalization_in_each_body_adds_one_with_each_block() -> None:
    signal = residual_chain(body=["batch_norm", "relu", {"linear": 100}])
    assert block_moments(signal) == pytest.approx([1.0 + n for n in range(1, 17)], rel=1e-4)
    (growth,) = signal.growth
    assert growth.law == "linear"
    assert growth.rate == pytest.approx(1, rel=1e-4)


def test_a_transition_starts_again() -> None:
    """Pre-activation ResNet-110: each stage begins with a projection of normalized values (1) and a body (1); borders
    take a few percent."""
    signal = predict_signal(elaborate(load("preresnet110", {"blocks": 4})))
    moments = block_moments(signal)
    for stage in range(3):
        first, *others = moments[4 * stage : 4 * stage + 4]
        assert first == pytest.approx(2 if stage else 1.5, rel=0.06)
        assert [b - a for a, b in zip([first, *others], others, strict=False)] == pytest.approx([1] * 3, rel=0.1)


def test_he_keeps_what_torchs_own_rule_divides_by_six() -> None:
    for init, gain in (("he", 1.0), ("torch", 1 / 6)):
        layers = {"repeat": {"n": 5, "body": ["relu", {"linear": {"out": 100, "init": init, "bias": False}}]}}
        last = predict_signal(chain({"linear": {"out": 100, "gain": math.sqrt(0.5)}}, layers)).nodes[-1]
        assert last.second_moment == pytest.approx(gain**5)
        assert last.doubts == ("narrow",)


@pytest.mark.parametrize("body", [["batch_norm", "relu"], ["relu", "batch_norm"]])
def test_gradients_grow_by_1_21_a_layer_with_batch_norm(body: list[str]) -> None:
    """Problem 11.13 of the book: √(π / (π - 1)) = 1.2112 for the root of the second moment."""
    graph = chain({"repeat": {"n": 20, "body": [{"linear": 100}, *body]}}, {"linear": 100})
    signal = predict_signal(graph)
    layers = [node.gradient_second_moment or 0 for node in signal.nodes if node.kind == "linear"]
    ratios = [math.sqrt(a / b) for a, b in pairwise(layers[1:-1])]
    assert ratios == pytest.approx([math.sqrt(math.pi / (math.pi - 1))] * len(ratios), rel=1e-4)
    assert ratios[0] == pytest.approx(1.2112, abs=1e-4)


def test_relu_of_a_normal_value() -> None:
    """Mean √(q / 2π), second moment q / 2, and Cho and Saul's arc-cosine kernel: 1 / 2π for independent values."""
    relu = predict_signal(chain("relu")).nodes[-1]
    assert relu.mean == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert (relu.second_moment, relu.common) == pytest.approx((0.5, 1 / (2 * math.pi)))


def test_what_samples_have_in_common_takes_over_without_normalization() -> None:
    """Schoenholz et al., 2017: a deep ReLU network maps all inputs to nearly the same direction."""
    graph = chain({"repeat": {"n": 50, "body": [{"linear": 100}, "relu"]}}, {"linear": 100})
    last = predict_signal(graph).nodes[-1]
    assert last.common is not None
    assert last.second_moment is not None
    assert 0.97 < last.common / last.second_moment < 1


def test_fp16_overflows_at_a_named_block() -> None:
    """Six standard deviations of 2^(n/2) pass 65,504 at n = 27: 6 · 2^13.5 = 69,511. The gradient, 2^(40 - n), is twice
    as large in a body as around it."""
    signal = residual_chain(blocks=40)
    assert signal.overflow is not None
    assert signal.overflow.block == "repeat_0.i26.residual_0"
    assert signal.overflow.second_moment == pytest.approx(2.0**27)
    assert signal.underflow is None
    assert residual_chain(blocks=26).overflow is None
    assert signal.gradient_overflow is not None
    assert signal.gradient_overflow.block == "repeat_0.i13.residual_0"


def test_fp16_vanishes_where_weights_are_small() -> None:
    layers = {"repeat": {"n": 40, "body": [{"linear": {"out": 100, "gain": 0.1}}, "relu"]}}
    signal = predict_signal(chain(layers))
    assert signal.underflow is not None
    assert signal.overflow is None
    assert 0 < signal.underflow.second_moment < 2.0**-48
    before = signal.nodes[[node.id for node in signal.nodes].index(signal.underflow.node) - 1]
    assert (before.second_moment or 0) >= 2.0**-48


def test_beyond_a_float_nothing_is_said() -> None:
    signal = residual_chain(blocks=2000)
    unknown = [node for node in signal.nodes if node.second_moment is None]
    assert unknown
    assert all(node.estimate for node in unknown)
    assert json.loads(json.dumps(signal.to_dict(), allow_nan=False)) == signal.to_dict()
    assert signal.overflow is not None


def test_an_operation_without_a_law_is_unknown_and_so_is_what_follows() -> None:
    class Riddle(Scale):
        def moments(self, x: Moments) -> Any:
            return None

        def gradients(self, *args: Any, **kwargs: Any) -> tuple[()]:
            return ()

    graph = chain("relu", {"scale": 1.0}, {"linear": 100})
    nodes = [replace(node, op=Riddle()) if node.op.kind == "scale" else node for node in graph]
    signal = predict_signal(graph.with_nodes(nodes))
    assert [node.second_moment is None for node in signal.nodes] == [False, False, True, True]
    assert [node.gradient_second_moment is None for node in signal.nodes] == [True, True, True, False]


def test_branches_that_share_values_are_estimates() -> None:
    """A body of a ReLU alone says the same as its input; a fresh linear map makes them unrelated."""
    fresh = predict_signal(chain({"linear": 100}, {"residual": {"body": ["relu", {"linear": 100}]}}))
    shared = predict_signal(chain({"linear": 100}, {"residual": {"body": ["relu"]}}))
    assert not fresh.nodes[-1].estimate
    assert shared.nodes[-1].estimate


def test_a_value_added_to_itself_is_doubled() -> None:
    twice = predict_signal(chain({"add": [[], []]})).nodes[-1]
    assert twice.second_moment == pytest.approx(4)


def test_projections_are_unrelated_whichever_comes_first() -> None:
    body, shortcut = [{"linear": 50}, "batch_norm", "relu", {"linear": 50}], [{"linear": 50}]
    node = predict_signal(chain({"residual": {"body": body, "shortcut": shortcut}})).nodes[-1]
    assert node.second_moment == pytest.approx(3, rel=1e-4)
    assert not node.estimate


def test_borders_are_exact_in_a_chain_of_convolutions() -> None:
    """Three padded convolutions on ten positions against the sums themselves, written out."""
    graph = graph_from(
        {
            "archspec": 1,
            "inputs": {"x": [8, 10]},
            "network": [{"repeat": {"n": 3, "body": [{"conv": 8}, "relu"]}}],
        }
    )
    values = [1.0] * 10
    for _ in range(3):
        values = [sum(values[max(0, i - 1) : i + 2]) / 3 for i in range(10)]
    node = predict_signal(graph).nodes[-1]
    assert node.second_moment == pytest.approx(sum(values) / 10)
    assert node.doubts == ("narrow",)


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet_40_12", "resnet110_fixup", "highway10", "unet_bilinear", "se_net", "vgg11"]
)
def test_known_everywhere(name: str) -> None:
    check_is_known(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_spec_of_the_zoo_is_known_everywhere(name: str) -> None:
    check_is_known(name)


def check_is_known(name: str) -> None:
    graph = elaborate(load(name))
    signal = predict_signal(graph)
    assert [node.id for node in signal.nodes] == list(graph.nodes)
    for node in signal.nodes:
        assert node.second_moment is not None
        assert node.mean is not None
        assert node.second_moment >= node.mean**2 * (1 - 1e-9), node
        assert node.gradient_second_moment is not None
    json.dumps([signal.to_dict(), signal.summarize()], allow_nan=False)
