"""The optimizer of a recipe: SGD with a momentum."""

from __future__ import annotations

from archspec.extras import extra
from runtime.training.recipe import Recipe

with extra("train"):
    import torch
    from torch import nn


def build_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build SGD over the module's trainable weights, with weight decay on kernels and matrices alone: on biases and
    normalization it only hurts."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    # `nesterov` asks for a momentum
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
