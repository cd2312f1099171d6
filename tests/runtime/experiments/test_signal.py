"""The signal as torch has it: against plain loops of the book's problems, and against the prediction for networks.

Finite layers differ from the law for wide ones: with each batch normalization gradients grow a few percent more than
predicted, and a sum of branches varies from draw to draw. Where a ReLU follows each sum, what passes one passes the
next more likely than not, which the prediction leaves out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.analysis.signal.signal import predict_signal
from runtime.experiments.signal import measure_signal
from tests.support.documents import graph_from

WIDTH, BLOCKS = 100, 50


def run_problem_11_5(factor: float, seed: int) -> tuple[list[float], list[float]]:
    """Problem 11.5 of Prince, "Understanding Deep Learning", 2023: a linear layer, 50 blocks x + W relu(x), a linear
    layer to one number, He initialization, least squares. The second moments after each block, of values and gradients;
    with `factor` √½, problem 11.6."""
    random = torch.Generator().manual_seed(seed)

    def draw(rows: int) -> Tensor:
        return torch.randn(rows, WIDTH, generator=random) * math.sqrt(2 / WIDTH)

    x, targets = torch.randn(256, WIDTH, generator=random), torch.randn(256, 1, generator=random)
    value, values = x @ draw(WIDTH).T, []
    value.requires_grad_()
    for _ in range(BLOCKS):
        value = factor * (value + torch.relu(value) @ draw(WIDTH).T)
        value.retain_grad()
        values.append(value)
    (value @ draw(1).T - targets).square().mean().backward()
    gradients = [v.grad.square().mean().item() for v in values if v.grad is not None]
    return [v.square().mean().item() for v in values], gradients


def growth_of(moments: list[float]) -> float:
    """The mean factor from block to block."""
    return float((moments[-1] / moments[0]) ** (1 / (len(moments) - 1)))


@pytest.mark.parametrize(("scaling", "factor", "growth"), [("none", 1.0, 2.0), ("sqrt_half", math.sqrt(0.5), 1.0)])
def test_problems_11_5_and_11_6(scaling: str, factor: float, growth: float) -> None:
    """The prediction is within four percent a block of a plain run, forward and back; a block that does not add its
    input is not."""
    block = {"residual": {"body": ["relu", {"linear": WIDTH}], "scaling": scaling}}
    network: list[Any] = [{"linear": WIDTH}, {"repeat": {"n": BLOCKS, "body": [block]}}, {"linear": 1}]
    signal = predict_signal(graph_from({"archspec": 1, "inputs": {"x": [WIDTH]}, "network": network}))
    steps = [signal[id] for id in signal.blocks.values()]
    assert growth_of([step.second_moment or 0 for step in steps]) == pytest.approx(growth)
    runs = [run_problem_11_5(factor, seed) for seed in range(6)]
    values = [sum(column) / len(runs) for column in zip(*(run[0] for run in runs), strict=True)]
    gradients = [sum(column) / len(runs) for column in zip(*(run[1] for run in runs), strict=True)]
    assert growth_of(values) == pytest.approx(growth, rel=0.04)
    assert growth_of(values) != pytest.approx(growth / 2, rel=0.04)
    assert 1 / growth_of(gradients) == pytest.approx(growth, rel=0.04)
    assert values[0] == pytest.approx(steps[0].second_moment, rel=0.15)


def test_gradients_grow_by_1_21_with_batch_norm_after_each_relu() -> None:
    """Problem 11.13, by a plain loop: 1.201 to 1.207 where √(π / (π - 1)) = 1.2112 is the law."""
    random, width, layers = torch.Generator().manual_seed(0), 500, 12
    value, values = torch.randn(512, width, generator=random).requires_grad_(), []
    for _ in range(layers):
        value = value @ (torch.randn(width, width, generator=random) * math.sqrt(2 / width)).T
        value.retain_grad()
        values.append(value)
        value = torch.nn.functional.batch_norm(torch.relu(value), None, None, training=True)
    value.backward(torch.randn(512, width, generator=random))
    gradients = [v.grad.square().mean().item() for v in values if v.grad is not None]
    assert math.sqrt(1 / growth_of(gradients)) == pytest.approx(1.2112, rel=0.015)
    network = [{"repeat": {"n": layers, "body": [{"linear": width}, "relu", "batch_norm"]}}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [width]}, "network": network})
    measured = measure_signal(graph, batch=512, repeats=1)
    found = [measured[node.id].gradient_second_moment for node in graph if node.op.kind == "linear"]
    assert math.sqrt(1 / growth_of(found)) == pytest.approx(1.2112, rel=0.015)


SMALL: Mapping[str, int] = {"H": 64, "W": 64}
QUICK: list[tuple[str, Mapping[str, Any], Mapping[str, int], int, float, float]] = [
    ("residual_mlp", {}, {}, 256, 1.3, 1.3),
    ("residual_mlp_a", {}, {}, 256, 1.4, 1.5),
    ("residual_mlp_c", {}, {}, 256, 1.4, 1.4),
    ("highway10", {}, {}, 256, 1.4, 3.0),
    ("resnet_digits", {}, {}, 64, 1.5, 2.0),
    ("preresnet110", {"blocks": 2}, {"H": 16, "W": 16}, 64, 1.4, 1.6),
]
SLOW: list[tuple[str, Mapping[str, Any], Mapping[str, int], int, float, float]] = [
    ("resnet20", {}, {}, 32, 1.4, 1.8),
    ("resnet110_sqrt_half", {"blocks": 3}, {}, 32, 2.5, 5.0),
    ("resnet110_stable", {"blocks": 3}, {}, 32, 2.5, 5.0),
    ("wide_resnet16_4", {}, {}, 16, 1.4, 1.5),
    ("densenet_40_12", {}, {}, 16, 1.3, 1.4),
    ("resnet50", {}, SMALL, 8, 1.4, 2.0),
    ("convnext_tiny", {}, SMALL, 8, 1.6, 1.6),
    ("unet_bn", {}, SMALL, 4, 1.3, 5.0),
    ("vgg11", {}, SMALL, 16, 2.0, 1.5),
]


def compare(row: tuple[str, Mapping[str, Any], Mapping[str, int], int, float, float], repeats: int) -> None:
    """Every second moment is within a stated factor of the measured one, forward and back; of outputs, of which there
    are few numbers, within three."""
    name, params, sizes, batch, forward, back = row
    graph = elaborate(load(name, params), sizes)
    signal, measured = predict_signal(graph), measure_signal(graph, batch=batch, repeats=repeats)
    ends = set(graph.outputs.values())
    for node, found in zip(signal.nodes, measured.nodes, strict=True):
        assert node.second_moment is not None
        assert node.gradient_second_moment is not None
        factor = 3.0 if node.id in ends else forward
        assert 1 / factor <= node.second_moment / found.second_moment <= factor, node.id
        assert 1 / back <= node.gradient_second_moment / found.gradient_second_moment <= back, node.id


@pytest.mark.parametrize("row", QUICK, ids=[row[0] for row in QUICK])
def test_whole_networks_are_near_the_prediction(row: Any) -> None:
    compare(row, 4)


@pytest.mark.slow
@pytest.mark.parametrize("row", SLOW, ids=[row[0] for row in SLOW])
def test_larger_networks_are_near_the_prediction(row: Any) -> None:
    compare(row, 2)


def test_another_initialization_is_not_near_the_prediction() -> None:
    """The control: weights as torch draws them have a sixth of the variance."""
    body = {"repeat": {"n": 4, "body": [{"linear": 100}, "relu"]}}
    he, other = (
        graph_from({"archspec": 1, "inputs": {"x": [100]}, "defaults": {"linear": {"init": init}}, "network": [body]})
        for init in ("he", "torch")
    )
    found = measure_signal(other, batch=64, repeats=2).nodes[-1].second_moment
    assert predict_signal(other).nodes[-1].second_moment == pytest.approx(found, rel=0.3)
    assert predict_signal(he).nodes[-1].second_moment != pytest.approx(found, rel=0.9)


def test_a_network_that_starts_at_zero_is_measured_too() -> None:
    graph = elaborate(load("resnet110_fixup", {"blocks": 1}), {"H": 8, "W": 8})
    signal, measured = predict_signal(graph), measure_signal(graph, batch=4, repeats=1)
    for node, found in zip(signal.nodes, measured.nodes, strict=True):
        if node.second_moment == 0:
            assert found.second_moment == 0, node.id
        if node.gradient_second_moment == 0:
            assert found.gradient_second_moment == 0, node.id
    assert measured.nodes[-1].second_moment == 0


def test_the_seed_decides_and_torchs_own_state_stays() -> None:
    graph = elaborate(load("residual_mlp"))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = measure_signal(graph, seed=1, batch=8, repeats=2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.to_dict() == measure_signal(graph, seed=1, batch=8, repeats=2).to_dict()
    assert one.to_dict() != measure_signal(graph, seed=2, batch=8, repeats=2).to_dict()
    assert one.nodes[-1].spread["second_moment"] > 0
    json.dumps(one.to_dict(), allow_nan=False)


def test_what_leaves_fp32_is_null_in_json() -> None:
    network = [{"repeat": {"n": 12, "body": [{"linear": {"out": 20, "gain": 1e4}}]}}]
    measured = measure_signal(graph_from({"archspec": 1, "inputs": {"x": [20]}, "network": network}), batch=2)
    rows = json.loads(json.dumps(measured.to_dict(), allow_nan=False))["nodes"]
    assert rows[0]["second_moment"] is not None
    assert rows[-1]["second_moment"] is None


@pytest.mark.parametrize(("options", "words"), [({"batch": 1}, "at least 2"), ({"repeats": 0}, "at least 1")])
def test_too_little_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchspecError, match=words):
        measure_signal(elaborate(load("residual_mlp")), **options)


def test_too_much_memory_is_refused() -> None:
    graph = elaborate(load("unet_any"), {"H": 4096, "W": 4096})
    with pytest.raises(ArchspecError, match=r"choose smaller sizes, as in --size H=64"):
        measure_signal(graph)
