"""BatchNorm whose statistics are of the images of all processes together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from archspec.errors import InputError
from archspec.extras import extra
from runtime.training.ranks import Ranks

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch.nn.modules.batchnorm import _BatchNorm

    from compiler.torch_target.normalization import BatchNorm

PLAIN = (BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""The normalizations whose statistics are those of the whole batch; those of others are of parts of it, or of more."""


@contextmanager
def sharing_statistics(module: nn.Module, ranks: Ranks, *, wanted: bool) -> Iterator[None]:
    """Have each BatchNorm of a module train on the statistics of all processes, while the block runs, where that is
    wanted. Raises InputError where it is wanted, and there is none, or one that cannot."""
    parts = {name: part for name, part in module.named_modules() if isinstance(part, _BatchNorm)} if wanted else {}
    if wanted and not parts:
        raise InputError("sync_batch_norm: the network has no BatchNorm: leave it out of the recipe")
    for name, part in parts.items():
        if type(part) not in PLAIN:
            raise InputError(
                f"sync_batch_norm: '{name}' is {type(part).__name__}, whose statistics are not those of a whole batch: "
                "leave it out of the recipe, or take `norm: batch` in the network"
            )
    try:
        for part in parts.values() if ranks.size > 1 else ():
            part.forward = partial(_normalize, part, ranks)  # type: ignore[method-assign]
        yield
    finally:
        for part in parts.values():
            part.__dict__.pop("forward", None)


def _normalize(part: Any, ranks: Ranks, x: Tensor) -> Tensor:
    """Normalize (N, C, ...) as torch's own does a batch of all processes' images, however many each has."""
    if not part.training:
        return cast(Tensor, type(part).forward(part, x))
    axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
    values = x.float()
    count = ranks.add_up(torch.tensor(x.numel() / x.shape[1], dtype=torch.float64))
    mean = ranks.add_up_slopes(values.sum(axes)) / float(count)
    centred = values - mean.view(shape)
    variance = ranks.add_up_slopes(centred.square().sum(axes)) / float(count)
    _move(part, mean.detach(), variance.detach(), float(count))
    scale = torch.rsqrt(variance + part.eps)
    scale = scale if part.weight is None else scale * part.weight
    normal = centred * scale.view(shape)
    shifted = normal if part.bias is None else normal + part.bias.view(shape)
    return shifted.to(x.dtype)


@torch.no_grad()
def _move(part: Any, mean: Tensor, variance: Tensor, count: float) -> None:
    """Move the running statistics as torch does, towards the unbiased variance."""
    if part.running_mean is None or part.running_var is None:
        return
    if part.num_batches_tracked is not None:
        part.num_batches_tracked.add_(1)
    share = part.momentum if part.momentum is not None else 1 / float(part.num_batches_tracked or 1)
    part.running_mean.lerp_(mean.to(part.running_mean.dtype), share)
    part.running_var.lerp_((variance * (count / (count - 1))).to(part.running_var.dtype), share)
