"""Everything that a step of training changes, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError
from archspec.extras import extra

with extra("train"):
    import torch
    from torch import Tensor, nn


@dataclass(slots=True)
class TrainState:
    """The network with its weights, the optimizer with its momenta, and how many steps and whole epochs are done.

    What a step sees beside these is a function of (seed, epoch, step), so training that is taken up from a `state_dict`
    between two epochs ends as if it had never stopped.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0

    @property
    def learning_rate(self) -> float:
        """The rate of the step that was taken last."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """Take one step of the optimizer down the gradient of a loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """The state as tensors and numbers, by the names that torch gives them; tensors are those of the module, no
        copies."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave for a module and an optimizer of the same build."""
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]


def copy_weights(module: nn.Module) -> dict[str, Tensor]:
    """Copy the weights as they are now, by name, to the CPU. Raises InputError where one is not finite."""
    weights = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"'{name}' is no longer finite after training; try a smaller learning rate (--lr)")
    return weights
