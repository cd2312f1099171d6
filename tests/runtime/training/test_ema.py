"""The moving average is that of torch's own averaged model, and a module computes with it and with its own again."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from runtime.training.ema import MovingAverage, holding
from tests.support.training import make_net

DECAY = 0.95


def move(net: nn.Module, step: int) -> None:
    """Other weights and statistics, as a step leaves them."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(1)


def average_by_torch(net: nn.Module, warm: bool) -> dict[str, torch.Tensor]:
    """The average over twenty steps, by torch's own class; without `warm` its decay is the same throughout."""
    decays: list[float] = []

    def mean(averaged: torch.Tensor, value: torch.Tensor, count: object) -> torch.Tensor:
        return decays[-1] * averaged + (1 - decays[-1]) * value

    witness = AveragedModel(copy.deepcopy(net), avg_fn=mean, use_buffers=True)
    witness.n_averaged += 1  # else the first update copies
    net = copy.deepcopy(net)
    for step in range(1, 21):
        decays.append(min(DECAY, step / (9 + step)) if warm else DECAY)
        move(net, step)
        witness.update_parameters(net)
    return witness.module.state_dict()


def test_the_average_is_torchs() -> None:
    """Of torch's AveragedModel with the same decay at each step; with a constant decay it is another one."""
    net = make_net()
    expected, other = average_by_torch(net, warm=True), average_by_torch(net, warm=False)
    average = MovingAverage(net, DECAY)
    for step in range(1, 21):
        move(net, step)
        average.update()
    found = average.average
    assert average.updates == 20
    assert "1.running_mean" in found
    floats = [name for name, value in found.items() if value.is_floating_point()]
    assert all(torch.allclose(found[name], expected[name], rtol=1e-5, atol=1e-6) for name in floats)
    assert not any(torch.allclose(found[name], other[name], rtol=1e-5, atol=1e-6) for name in floats)
    assert found["1.num_batches_tracked"] == net.state_dict()["1.num_batches_tracked"] == 20


def test_an_average_goes_on_from_where_it_was() -> None:
    net = make_net()
    whole = MovingAverage(net, 0.9)
    for step in range(1, 6):
        move(net, step)
        whole.update()
    net = make_net()
    first = MovingAverage(net, 0.9)
    for step in range(1, 4):
        move(net, step)
        first.update()
    second = MovingAverage(make_net(seed=3), 0.9)
    second.module = net
    second.load(first.average, first.updates)
    for step in (4, 5):
        move(net, step)
        second.update()
    assert all(torch.equal(second.average[name], value) for name, value in whole.average.items())


def test_a_module_has_its_own_weights_again_whatever_happens() -> None:
    net = make_net()
    own = {name: value.clone() for name, value in net.state_dict().items()}
    other = make_net(seed=1).state_dict()

    def compute() -> None:
        with holding(net, other):
            assert all(torch.equal(value, other[name]) for name, value in net.state_dict().items())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute()
    assert all(torch.equal(value, own[name]) for name, value in net.state_dict().items())
