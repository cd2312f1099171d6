"""The type that a network computes in while it learns; its weights stay in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager

from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of
from runtime.recipes.recipe import Recipe
from runtime.session.machine import read_instructions

with extra("train"):
    import torch
    from torch import Tensor, nn

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""torch's types by the words of a recipe."""

LEAST_SCALE = 2.0**-14
"""The scale of the loss below which gradients in float16 are not too large any more, but infinite."""


class Precision:
    """The autocast context of a recipe's `precision` on a device. float16 needs a scaler beside it, for its small
    gradients (Micikevicius et al., "Mixed precision training", 2018).

    Raises InputError where the precision is to be found yet.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        if recipe.precision == "auto":
            raise InputError("precision: auto is found by archspec.train; write one here")
        self.dtype, self.device = TYPES.get(recipe.precision), device

    def computing(self) -> AbstractContextManager[None]:
        """The context in which outputs are computed."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)


FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""torch's formats with channels last, by the number of axes."""


def lay_out(module: nn.Module, recipe: Recipe) -> None:
    """Lay a module's kernels out in memory as a recipe's `memory_format` says. Raises InputError where that is to be
    found yet, or not safe on this machine."""
    if recipe.memory_format == "auto":
        raise InputError("memory_format: auto is found by archspec.train; write one here")
    if recipe.memory_format == "channels_last":
        check_channels_last(device_of(module))
    for weight in module.parameters():
        weight.data = lay_images(weight.data, recipe)


def check_channels_last(device: torch.device) -> None:
    """Raises InputError where channels cannot safely lie last: on CPUs without AVX-512 torch 2.13 writes beyond its
    memory when it trains kernels of few channels so, and the process ends somewhere later."""
    if device.type == "cpu" and "avx512" not in read_instructions():
        raise InputError(
            "memory_format: channels_last is not for this CPU: without AVX-512 torch writes beyond its memory with it; "
            "leave it out"
        )


def lay_images(images: Tensor, recipe: Recipe) -> Tensor:
    """Lay images (N, C, *extents) out in memory as a recipe says. Those of one channel stay: they count as laid out
    either way, and torch 2.13 takes them for what they are not."""
    if recipe.memory_format != "channels_last" or images.ndim not in FORMATS or images.shape[1] == 1:
        return images
    return images.contiguous(memory_format=FORMATS[images.ndim])
