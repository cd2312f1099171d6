"""A training that is taken up from its state ends as one that was never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from archspec.errors import ArchspecError, ModelError
from compiler.torch_target.modes import limited_to
from runtime.recipes.optimization import AdamW
from runtime.training.checkpoint import Snapshot
from runtime.training.ema import MovingAverage
from runtime.training.manifest import EMA, OPTIMIZER, WEIGHTS
from runtime.training.optimizer import build_optimizer
from runtime.training.state import TrainState, copy_weights
from tests.support.training import QUICK, change, make_net


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the recipe says: equal weights need an equal number of threads."""
    with limited_to(QUICK.threads):
        yield


def make_state(seed: int = 0) -> TrainState:
    module = make_net(seed)
    recipe = change(QUICK, optimizer=AdamW(name="adamw"))
    return TrainState(module, build_optimizer(module, recipe), MovingAverage(module, 0.9))


def take_steps(state: TrainState, steps: int) -> None:
    for _ in range(steps):
        torch.manual_seed(state.step)
        state.optimizer.zero_grad()
        state.module(torch.randn(8, 1, 4, 4)).square().sum().backward()
        state.optimizer.step()
        assert state.average is not None
        state.average.update()
        state.step += 1


def store(snapshot: Snapshot) -> Snapshot:
    """As a file would keep it."""
    tensors = {name: {key: value.clone() for key, value in part.items()} for name, part in snapshot.tensors.items()}
    return Snapshot(snapshot.step, tensors, json.loads(json.dumps(snapshot.state)))


def flatten(state: TrainState) -> dict[str, Tensor]:
    snapshot = state.take_snapshot({})
    return {f"{name} {key}": value for name, part in snapshot.tensors.items() for key, value in part.items()}


def test_a_state_that_is_taken_up_goes_on_as_if_it_had_never_stopped() -> None:
    """Weights, running statistics, average and momenta are equal, bit for bit; without the momenta they are not."""
    expected, first = make_state(), make_state()
    take_steps(expected, 7)
    take_steps(first, 4)
    saved = store(first.take_snapshot({"more": 1}))
    assert (saved.step, saved.state["more"]) == (4, 1)
    assert set(saved.tensors) == {WEIGHTS, EMA, OPTIMIZER}
    found = make_state(seed=1)
    found.restore(saved)
    take_steps(found, 3)
    wanted = flatten(expected)
    assert list(flatten(found)) == list(wanted)
    assert "optimizer.safetensors state.0.weight.exp_avg" in wanted
    assert all(torch.equal(value, wanted[name]) for name, value in flatten(found).items())
    control = make_state(seed=1)
    control.restore(saved)
    control.optimizer.state.clear()
    take_steps(control, 3)
    assert not torch.equal(flatten(control)["weights.safetensors 0.weight"], wanted["weights.safetensors 0.weight"])


def test_a_snapshot_of_another_training_is_refused() -> None:
    snapshot = make_state().take_snapshot({})
    other = make_net(classes=4)
    with pytest.raises(ModelError, match="the checkpoint of step 0 is of another training"):
        TrainState(other, build_optimizer(other, QUICK)).restore(snapshot)
    with pytest.raises(ModelError, match="of another training"):
        make_state().restore(Snapshot(0, snapshot.tensors, {}))


def test_momenta_lie_as_their_weights_do() -> None:
    module = nn.Conv2d(4, 4, 3)
    module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    state = TrainState(module, build_optimizer(module, QUICK))
    state.module(torch.randn(2, 4, 5, 5)).sum().backward()
    state.optimizer.step()
    saved = state.take_snapshot({})
    flat = {name: {k: v.contiguous() for k, v in part.items()} for name, part in saved.tensors.items()}
    state.restore(Snapshot(0, flat, saved.state))
    (momentum,) = (kept["momentum_buffer"] for weight, kept in state.optimizer.state.items() if weight.ndim == 4)
    assert momentum.stride() == module.weight.stride() != momentum.contiguous().stride()


def test_weights_are_copied_where_they_are_finite() -> None:
    net = make_net()
    copied = copy_weights(net.state_dict())
    assert list(copied) == list(net.state_dict())
    state = net.state_dict()
    state["0.weight"].fill_(1)
    assert not torch.equal(copied["0.weight"], state["0.weight"])
    state["5.bias"][0] = float("inf")
    with pytest.raises(ArchspecError, match=r"'5\.bias' is no longer finite after training"):
        copy_weights(net.state_dict())
