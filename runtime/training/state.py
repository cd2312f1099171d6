"""Everything that a step of training changes, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError, ModelError
from archspec.extras import extra
from runtime.training.checkpoint import Snapshot
from runtime.training.ema import MovingAverage
from runtime.training.manifest import EMA, OPTIMIZER, WEIGHTS
from runtime.training.tensor_tree import join_tree, split_tree

with extra("train"):
    import torch
    from torch import Tensor, nn


@dataclass(slots=True)
class TrainState:
    """The network with its weights, their moving average if there is one, the optimizer with its momenta, the scale of
    float16's gradients, and how many steps are done.

    What a step sees beside these is a function of (seed, epoch, step), so training that is taken up from a snapshot
    ends as if it had never stopped.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None = None
    scaler: torch.amp.GradScaler | None = None
    step: int = 0

    @property
    def learning_rate(self) -> float:
        """The rate of the step that was taken last."""
        return float(self.optimizer.param_groups[0]["lr"])

    def take_snapshot(self, more: Mapping[str, Any]) -> Snapshot:
        """Give the state as a checkpoint holds it, with `more` JSON. The tensors are those of the module, no copies."""
        optimizer, tensors = split_tree(_name_weights(self.optimizer.state_dict(), _list_names(self)))
        parts = {WEIGHTS: self.module.state_dict(), OPTIMIZER: tensors}
        if self.average is not None:
            parts[EMA] = self.average.average
        found = {
            "optimizer": optimizer,
            "scaler": self.scaler and self.scaler.state_dict(),
            "average_updates": self.average and self.average.updates,
        }
        return Snapshot(self.step, parts, {**found, **more})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot that was taken of a module and an optimizer of the same build. Raises ModelError where
        it was taken of others."""
        tensors, state = snapshot.tensors, snapshot.state
        try:
            self.module.load_state_dict(tensors[WEIGHTS])
            found = join_tree(state["optimizer"], tensors[OPTIMIZER])
            self.optimizer.load_state_dict(_number_weights(found, _list_names(self)))
            if self.average is not None:
                self.average.load(tensors[EMA], state["average_updates"])
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"the checkpoint of step {snapshot.step} is of another training: {error}") from error
        for weight, kept in self.optimizer.state.items():  # loaded tensors lie as their files have them
            kept.update({key: _lay_like(weight, value) for key, value in kept.items()})
        self.step = snapshot.step


def copy_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy weights as they are now, by name, to the CPU. Raises InputError where one is not finite."""
    copied = {name: value.detach().cpu().clone() for name, value in weights.items()}
    for name, value in copied.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"'{name}' is no longer finite after training; try a smaller learning rate (--lr)")
    return copied


def _list_names(state: TrainState) -> list[str]:
    """The names of the optimizer's weights, in the order in which it numbers them."""
    names = {weight: name for name, weight in state.module.named_parameters()}
    return [names[weight] for group in state.optimizer.param_groups for weight in group["params"]]


def _name_weights(state: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Put names for the numbers of weights in an optimizer's state."""
    groups = [{**group, "params": [names[number] for number in group["params"]]} for group in state["param_groups"]]
    return {"state": {names[number]: value for number, value in state["state"].items()}, "param_groups": groups}


def _number_weights(state: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Undo `_name_weights`."""
    numbers = {name: number for number, name in enumerate(names)}
    groups = [{**group, "params": [numbers[name] for name in group["params"]]} for group in state["param_groups"]]
    return {"state": {numbers[name]: value for name, value in state["state"].items()}, "param_groups": groups}


def _lay_like(weight: Tensor, value: Any) -> Any:
    """Lay a tensor of a weight's shape out in memory as the weight is."""
    if not isinstance(value, Tensor) or value.shape != weight.shape:
        return value
    return torch.empty_like(weight, dtype=value.dtype).copy_(value)
