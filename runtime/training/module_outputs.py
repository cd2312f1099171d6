"""The outputs of a torch module for images, by name, whether it has one or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of, evaluating
from runtime.data.dataset import Dataset, Split

with extra("train"):
    import torch
    from torch import Tensor, nn

T = TypeVar("T")

ONLY = "output"
"""The name of the output of a module that gives a tensor."""

EVALUATION_BATCH = 256
"""The number of images that are evaluated at a time."""


def name_outputs(found: Any) -> dict[str, Tensor]:
    """Give a tensor, or a dict of tensors by name, as the latter. Raises InputError for anything else."""
    outputs = {ONLY: found} if isinstance(found, Tensor) else found
    if not isinstance(outputs, dict) or not outputs:
        kind = "an empty dict" if isinstance(outputs, dict) else f"a {type(outputs).__name__}"
        raise InputError(f"training needs a network that gives a tensor, or tensors by name; this one gives {kind}")
    for name, output in outputs.items():
        if not isinstance(output, Tensor):
            raise InputError(f"the output '{name}' is a {type(output).__name__}, no tensor")
    return outputs


def run_images(module: nn.Module, images: Float32Array, data: Dataset) -> dict[str, Tensor]:
    """Compute the outputs for images (N, C, H, W), in evaluation mode and without gradients.

    Raises InputError where it does not take images of that shape.
    """
    try:
        with evaluating(module):
            found = module(torch.from_numpy(images).to(device_of(module)))
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"the network does not take {data.name}'s images of shape {data.preprocess.shape}: {error}"
        ) from error
    return name_outputs(found)


def evaluate_module(module: nn.Module, split: Split, batch: int = EVALUATION_BATCH) -> dict[str, Array]:
    """Compute the module's outputs for all images of a split, by name, (N, ...) in float32 on the CPU, in evaluation
    mode; the module's own mode is left as it was."""
    device = device_of(module)
    parts: dict[str, list[Tensor]] = {}
    with evaluating(module):
        for images in torch.split(torch.from_numpy(split.images), batch):
            for name, output in name_outputs(module(images.to(device))).items():
                parts.setdefault(name, []).append(output.float().cpu())
    return {name: torch.cat(found).numpy() for name, found in parts.items()}


def last_of(outputs: Mapping[str, T]) -> T:
    """Pick the output that counts: the last one, behind which stands the most of the network."""
    return outputs[list(outputs)[-1]]
