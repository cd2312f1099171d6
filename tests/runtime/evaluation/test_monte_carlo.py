"""Statistics of mini-batches are exact, and predictions by several of them are what scikit-learn says they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import Tensor, nn

from archspec.api import to_torch
from archspec.errors import ArchspecError
from runtime.data.dataset import Dataset
from runtime.evaluation.monte_carlo import (
    draw_batch,
    find_layers,
    measure_monte_carlo,
    predict_states,
    sample_states,
)
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.training.module_outputs import evaluate_module
from runtime.training.train import train
from tests.support.documents import graph_from
from tests.support.models import arrays_of, make_data

NORMS: dict[str, dict[str, Any]] = {
    "batch": {"kind": "batch"},
    "ghost_batch": {"kind": "ghost_batch", "size": 4},
    "batch_renorm": {"kind": "batch_renorm"},
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def make_net(norm: dict[str, Any]) -> nn.Module:
    """Two normalizations in a row of layers, with dropout between."""
    network = [{"conv": 6}, "norm", "relu", {"dropout": 0.5}, {"conv": 5}, "norm", "relu", "flatten", {"linear": 3}]
    document = {"archspec": 1, "inputs": {"x": [1, 4, 4]}, "defaults": {"norm": norm}, "network": network}
    return to_torch(graph_from(document), seed=3)


class Stacked(nn.Module):
    """torch's own batch normalization, before and behind a convolution, so that the second depends on the first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.conv, self.second = nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.last = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.second(torch.relu(self.conv(self.first(x)))).flatten(1))
        return found


def test_a_state_gives_its_mini_batch_what_training_mode_gives(data: Dataset) -> None:
    """The witness is torch's own training mode; another mini-batch's state is the control."""
    net = Stacked()
    states = sample_states(net, data, 2, 16, seed=5)
    for number, state in enumerate(states):
        images = torch.from_numpy(data.training.images[draw_batch(64, 16, 5, number)])
        witness = Stacked().train()(images)
        other = Stacked()
        other.load_state_dict(state)
        assert torch.allclose(other.eval()(images), witness, atol=1e-5)
        other.load_state_dict(states[1 - number])
        assert not torch.allclose(other.eval()(images), witness, atol=1e-2)


@pytest.mark.parametrize("kind", NORMS)
def test_every_kind_of_batch_normalization_takes_the_same_statistics(data: Dataset, kind: str) -> None:
    """They differ in how they train; a mini-batch's statistics are the same for all."""
    net = make_net(NORMS[kind])
    assert list(find_layers(net)) == ["norm_0", "norm_1"]
    (state,) = sample_states(net, data, 1, 24, seed=0)
    images = torch.from_numpy(data.training.images[draw_batch(64, 24, 0, 0)])
    with torch.no_grad():
        first = net.get_submodule("conv_0")(images)
    assert torch.allclose(state["norm_0.running_mean"], first.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(state["norm_0.running_var"], first.var((0, 2, 3), correction=0), atol=1e-5)
    witness = sample_states(make_net(NORMS["batch"]), data, 1, 24, seed=0)[0]
    assert all(torch.allclose(state[name], witness[name], atol=1e-5) for name in witness)


def test_the_module_stays_as_it_was_and_states_are_repeated(data: Dataset) -> None:
    net = make_net(NORMS["batch"]).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    states = sample_states(net, data, 3, 8, seed=1)
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(part._forward_pre_hooks for part in net.modules())
    again = sample_states(net, data, 3, 8, seed=1)
    for state, other in zip(states, again, strict=True):
        assert list(state) == list(before)
        assert all(torch.equal(state[name], other[name]) for name in state)
        assert all(torch.equal(state[name], before[name]) for name in state if "running" not in name)
        assert not any(torch.equal(state[name], before[name]) for name in state if "running" in name)
    assert not torch.equal(states[0]["norm_0.running_mean"], states[1]["norm_0.running_mean"])
    assert not torch.equal(
        states[0]["norm_0.running_mean"], sample_states(net, data, 1, 8, seed=2)[0]["norm_0.running_mean"]
    )


def test_predictions_are_the_mean_over_the_states(data: Dataset) -> None:
    net = make_net(NORMS["batch"])
    states = sample_states(net, data, 3, 8, seed=0)
    rows = []
    for state in states:
        other = make_net(NORMS["batch"])
        other.load_state_dict(state)
        logits = torch.from_numpy(evaluate_module(other, data.held_out)["output"]).double()
        rows.append(torch.softmax(logits, 1).numpy())
    mean, deviation = predict_states(net, data.held_out, states)
    assert np.allclose(mean, np.mean(rows, 0), atol=1e-6)
    assert np.allclose(deviation, np.std(rows, 0), atol=1e-6)
    assert deviation.max() > 0.01


def test_the_comparison_is_scikit_learns(data: Dataset) -> None:
    net = make_net(NORMS["batch"])
    train(net, data, Recipe(epochs=1, batch=8, threads=1))
    found = measure_monte_carlo(net, data, OutputGrid((), ()), passes=4, batch=8)
    states = sample_states(net, data, 4, 8, seed=0)
    for accuracy, likelihood, chosen in (
        (found.accuracy_plain, found.log_likelihood_plain, [net.state_dict()]),
        (found.accuracy, found.log_likelihood, states),
    ):
        rows, _ = predict_states(net, data.held_out, chosen)
        assert accuracy == accuracy_score(data.held_out.labels, rows.argmax(1))
        assert likelihood == pytest.approx(-log_loss(data.held_out.labels, rows), rel=1e-9)
    assert found.log_likelihood != found.log_likelihood_plain
    rows, deviation = predict_states(net, data.held_out, states)
    assert found.entropy == pytest.approx(float(-(rows * np.log(rows)).sum(1).mean()), rel=1e-9)
    assert found.deviation == pytest.approx(
        float(np.mean([d[p.argmax()] for d, p in zip(deviation, rows, strict=True)]))
    )


def test_maps_are_compared_by_pixel_without_those_that_are_not_asked(data: Dataset) -> None:
    network = [{"conv": 4}, "norm", "relu", {"conv": {"out": 1, "kernel": 1}}]
    net = to_torch(graph_from({"archspec": 1, "inputs": {"x": [1, 4, 4]}, "network": network}))
    maps = np.random.default_rng(0).integers(0, 2, (32, 4, 4))
    maps[:, 0] = 255
    train = replace(arrays_of(data.train), targets=np.concatenate([maps, maps]))
    test = replace(arrays_of(data.test), targets=maps)
    found = measure_monte_carlo(
        net, replace(data, task="maps", train=train, test=test), OutputGrid((4, 4), (4, 4)), 2, 8
    )
    logits = evaluate_module(net, data.held_out)["output"][:, 0]
    asked = maps != 255
    assert found.accuracy_plain == ((logits > 0) == maps)[asked].mean()
    probabilities = 1 / (1 + np.exp(-logits[asked].astype(np.float64)))
    assert found.log_likelihood_plain == pytest.approx(-log_loss(maps[asked], probabilities), rel=1e-6)


@pytest.mark.parametrize(
    ("passes", "batch", "message"),
    [
        (0, 8, "needs at least 1 pass, found 0"),
        (1, 1, "a mini-batch for statistics has 2 to 64 images, found 1"),
        (1, 65, "2 to 64 images, found 65"),
    ],
)
def test_nonsense_is_refused(data: Dataset, passes: int, batch: int, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        sample_states(make_net(NORMS["batch"]), data, passes, batch, seed=0)


def test_networks_that_have_no_batch_statistics_are_refused(data: Dataset) -> None:
    for norm in ({"kind": "layer"}, {"kind": "none"}, {"kind": "weight"}):
        with pytest.raises(ArchspecError, match="the network has no batch normalization"):
            sample_states(make_net(norm), data, 1, 8, seed=0)
    with pytest.raises(ArchspecError, match=r"does not take rows's images of shape \(1, 4, 4\)"):
        sample_states(nn.Sequential(nn.BatchNorm2d(3)), data, 1, 8, seed=0)
    with pytest.raises(ArchspecError, match="averages probabilities, and heatmaps of joints are none"):
        measure_monte_carlo(make_net(NORMS["batch"]), replace(data, task="joints"), OutputGrid((), ()), 1, 8)


def test_statistics_that_are_not_finite_are_refused(data: Dataset) -> None:
    net = make_net(NORMS["batch"])
    with torch.no_grad():
        net.get_parameter("conv_0.weight").fill_(float("inf"))
    with pytest.raises(ArchspecError, match=r"'norm_0\.running_(mean|var)' holds infinite numbers or NaN"):
        sample_states(net, data, 1, 8, seed=0)
    assert bool(torch.isfinite(net.get_buffer("norm_0.running_mean")).all())
