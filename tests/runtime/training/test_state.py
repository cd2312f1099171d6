"""A training that is taken up from its state ends as one that was never stopped."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from archspec.errors import ArchspecError
from compiler.torch_target.modes import limited_to
from runtime.training.drop_ramp import DropRamp
from runtime.training.grids import find_grids
from runtime.training.loop import TrainingLoop, make_objective, train
from runtime.training.metrics import Progress
from runtime.training.optimizer import build_optimizer
from runtime.training.state import TrainState, copy_weights
from tests.support.models import make_data
from tests.support.training import QUICK, make_net

DATA = make_data()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the recipe says: equal weights need an equal number of threads."""
    with limited_to(QUICK.threads):
        yield


def start(seed: int = 0) -> TrainingLoop:
    module = make_net(seed)
    objective = make_objective(DATA, find_grids(module, DATA), QUICK)
    state = TrainState(module, build_optimizer(module, QUICK))
    return TrainingLoop(state, DATA, objective, QUICK, DropRamp(module, False), lambda progress: None)


def finish(loop: TrainingLoop) -> dict[str, Tensor]:
    while loop.state.epoch < QUICK.epochs:
        loop.train_epoch()
    return copy_weights(loop.state.module)


def test_a_training_that_is_taken_up_is_the_uninterrupted_one() -> None:
    """Weights and running statistics are equal, bit for bit; without the optimizer's momenta they are not."""
    expected = train(make_net(), DATA, QUICK).state
    first = start()
    first.train_epoch()
    first.train_epoch()
    saved = copy.deepcopy(first.state.state_dict())
    assert (saved["epoch"], saved["step"]) == (2, 8)
    loop = start(seed=1)
    loop.state.load_state_dict(saved)
    found = finish(loop)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    control = start(seed=1)
    control.state.load_state_dict(saved | {"optimizer": start().state.optimizer.state_dict()})
    assert not torch.equal(finish(control)["0.weight"], expected["0.weight"])


def test_what_is_left_to_do_is_counted_from_where_it_was_taken_up() -> None:
    first = start()
    first.train_epoch()
    progress: list[Progress] = []
    loop = start()
    loop.state.load_state_dict(first.state.state_dict())
    loop.on_step = progress.append
    finish(loop)
    assert [item.step for item in progress] == list(range(5, 17))
    assert progress[-1].seconds_left == 0
    assert all(item.seconds_left < 60 for item in progress)


def test_a_step_goes_down_the_gradient_at_its_own_rate() -> None:
    """Plain gradient descent, written out; another rate is the control."""
    layer = nn.Linear(2, 1, bias=False)
    before = layer.weight.detach().clone()
    state = TrainState(layer, torch.optim.SGD(layer.parameters(), lr=100.0))
    x = torch.tensor([[1.0, 2.0]])
    state.update(layer(x).sum(), 0.25)
    assert torch.allclose(layer.weight, before - 0.25 * x)
    assert not torch.allclose(layer.weight, before - 0.3 * x)
    assert (state.learning_rate, state.step, state.epoch) == (0.25, 1, 0)


def test_weights_are_copied_where_they_are_finite() -> None:
    net = make_net()
    copied = copy_weights(net)
    assert list(copied) == list(net.state_dict())
    state = net.state_dict()
    state["0.weight"].fill_(1)
    assert not torch.equal(copied["0.weight"], state["0.weight"])
    state["5.bias"][0] = float("inf")
    with pytest.raises(ArchspecError, match=r"'5\.bias' is no longer finite after training"):
        copy_weights(net)
