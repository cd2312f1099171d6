"""Models of diffusers that take what the zoo's specs take, for `tests.zoo.witness`; making one needs diffusers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import Tensor, nn


class Given(nn.Module):
    """Gives a value, whatever comes in."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return self.value


def unet_of_sinusoids(**config: Any) -> Any:
    """A UNet2DModel whose second input is the sinusoids of the time, which it makes of the time itself otherwise."""
    model: Any = import_module("diffusers").UNet2DModel(**config)
    run = model.forward

    def forward(image: Tensor, time: Tensor) -> Any:
        model.time_proj = Given(time.flatten(1))
        return run(image, time.new_zeros(len(image)))

    model.forward = forward
    return model


def decoder(**config: Any) -> Any:
    """An AutoencoderKL that decodes latents alone."""
    model: Any = import_module("diffusers").AutoencoderKL(**config)
    model.forward = model.decode
    return model
