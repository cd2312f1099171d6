"""The optimizer is torch's, and decays what it should alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from runtime.data.dataset import Dataset
from runtime.training.loop import train
from runtime.training.optimizer import build_optimizer
from runtime.training.recipe import Recipe
from tests.support.models import make_data
from tests.support.training import QUICK


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def test_weight_decay_spares_biases_and_normalization(data: Dataset) -> None:
    """With no gradient but decay, only kernels and matrices shrink."""

    class Mute(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix, self.bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 3) + 0 * self.matrix.sum() + 0 * self.bias.sum()

    state = train(Mute(), data, replace(QUICK, weight_decay=0.1)).state
    assert torch.all(state["matrix"] < 1)
    assert torch.all(state["bias"] == 1)


def test_a_step_is_what_the_papers_formula_gives() -> None:
    """Nesterov's momentum with decay (Sutskever et al., 2013), written out; without the momentum is the control."""
    weight, gradient = torch.full((2, 2), 3.0), torch.full((2, 2), 0.5)
    for momentum in (0.9, 0.0):
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data.copy_(weight)
        optimizer = build_optimizer(layer, Recipe(learning_rate=0.1, weight_decay=0.01, momentum=momentum))
        layer.weight.grad = gradient.clone()
        optimizer.step()
        slope = gradient + 0.01 * weight
        velocity = slope
        assert torch.allclose(layer.weight.data, weight - 0.1 * (slope + momentum * velocity))
        assert not torch.allclose(layer.weight.data, weight - 0.1 * (slope + (0.9 - momentum) * velocity))


def test_frozen_weights_are_left_out() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0].requires_grad_(False)
    optimizer = build_optimizer(net, Recipe())
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert held == {id(weight) for weight in net[1].parameters()}
