"""Small networks that learn the rows of `make_data`, or do not fit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from runtime.recipes.objective import LossSection
from runtime.recipes.optimization import Sgd
from runtime.recipes.recipe import Recipe
from runtime.training.metrics import Progress

QUICK = Recipe(epochs=4, batch=16, optimizer=Sgd(lr=0.1), loss=LossSection(label_smoothing=0.1), threads=1)


def change(recipe: Recipe, **fields: Any) -> Recipe:
    """The recipe with other fields, each of the right type; `lr` is its optimizer's."""
    if "lr" in fields:
        fields["optimizer"] = recipe.optimizer.model_copy(update={"lr": fields.pop("lr")})
    return recipe.model_copy(update=fields)


def stop_at(step: int) -> Callable[[Progress], None]:
    """Have Ctrl-C come for the second time at a step."""

    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return stop


def make_net(seed: int = 0, classes: int = 3) -> nn.Sequential:
    """A convolution with BatchNorm, and dropout to prove that its randomness is repeated too."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


class Wrapped(nn.Module):
    """A linear layer whose output is then spoiled in some way."""

    def __init__(self, spoil: Callable[[Tensor], Any], classes: int = 3) -> None:
        super().__init__()
        self.layer, self.spoil = nn.Linear(16, classes), spoil

    def forward(self, x: Tensor) -> Any:
        return self.spoil(self.layer(x.flatten(1)))
