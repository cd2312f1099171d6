"""Everything that a step of training changes, as one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from archspec.errors import ModelError
from archspec.extras import extra
from runtime.training.checkpoint import Snapshot
from runtime.training.ema import MovingAverage
from runtime.training.manifest import EMA, OPTIMIZER, WEIGHTS
from runtime.training.nonfinite import DivergedError
from runtime.training.tensor_tree import join_tree, split_tree
from runtime.training.weight_storage import WeightStorage

with extra("train"):
    import torch
    from torch import Tensor, nn


@dataclass(slots=True)
class TrainState:
    """The network with its weights, their moving average if there is one, the optimizer with its momenta, the scale of
    float16's gradients, how many steps are done, and how the weights lie in the processes.

    What a step sees beside these is a function of (seed, epoch, step), so training that is taken up from a snapshot
    ends as if it had never stopped.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None = None
    scaler: torch.amp.GradScaler | None = None
    step: int = 0
    storage: WeightStorage = field(default_factory=WeightStorage)

    @property
    def learning_rate(self) -> float:
        """The rate of the step that was taken last."""
        return float(self.optimizer.param_groups[0]["lr"])

    def take_snapshot(self, more: Mapping[str, Any]) -> Snapshot:
        """Give the state as a checkpoint holds it, with `more` JSON. The tensors are those of the module, no copies.
        Where weights are shared out, all processes call this, and the main one gets whole tensors."""
        weights = self.module.state_dict()  # first: what a step that broke off has gathered is let go of here
        optimizer, tensors = split_tree(_name_weights(self.optimizer.state_dict(), _list_names(self)))
        parts = {WEIGHTS: weights, OPTIMIZER: tensors}
        if self.average is not None:
            parts[EMA] = self.average.average
        found = {
            "optimizer": optimizer,
            "scaler": self.scaler and self.scaler.state_dict(),
            "average_updates": self.average and self.average.updates,
        }
        whole = {name: self.storage.collect(tensors) for name, tensors in parts.items()}
        return Snapshot(self.step, whole, {**found, **more})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot that was taken of a module and an optimizer of the same build. Raises ModelError where
        it was taken of others."""
        tensors, state = snapshot.tensors, snapshot.state
        try:
            self.module.load_state_dict(self._lay(tensors[WEIGHTS]))
            found = join_tree(state["optimizer"], tensors[OPTIMIZER])
            self.optimizer.load_state_dict(_number_weights(found, _list_names(self)))
            if self.average is not None:
                self.average.load(self._lay(tensors[EMA]), state["average_updates"])
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"the checkpoint of step {snapshot.step} is of another training: {error}") from error
        for weight, kept in self.optimizer.state.items():  # loaded tensors lie as their files have them
            kept.update({key: self._lay_like(weight, value) for key, value in kept.items()})
        self.step = snapshot.step

    def computing(self, weights: Mapping[str, Tensor] | None = None) -> AbstractContextManager[nn.Module]:
        """Give a whole module that computes with the weights, or with others by the same names."""
        return self.storage.computing(self.module, weights)

    def _lay(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Lay whole weights out as the module's lie."""
        own = self.module.state_dict()
        return {name: self._lay_like(own.get(name), value) for name, value in weights.items()}

    def _lay_like(self, weight: Tensor | None, value: Any) -> Any:
        """Lay a tensor of a weight's shape out as the weight lies."""
        if weight is None or not isinstance(value, Tensor) or value.shape != weight.shape:
            return value
        return self.storage.lay(value, weight)


def copy_weights(
    weights: Mapping[str, Tensor], gather: Callable[[Tensor], Tensor] = lambda values: values
) -> dict[str, Tensor]:
    """Copy weights as they are now, by name, to the CPU; `gather` gives one whole. Raises DivergedError where one is
    not finite."""
    copied = {name: gather(value.detach()).cpu().clone() for name, value in weights.items()}
    for name, value in copied.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise DivergedError(f"'{name}' is no longer finite after training; try a smaller learning rate (--lr)")
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
