"""The batches of a training: which images a step sees, and how they are varied, a pure function of (seed, epoch, step).

Nothing here has a state, so a run can be repeated, or taken up at any step, and sees the same images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from archspec.extras import extra

with extra("train"):
    import torch
    from torch import Tensor


def mix_seed(*numbers: int) -> int:
    """Make one seed from several numbers, such that neighbours have nothing in common (numpy's SeedSequence).

    Their count goes in too: numpy takes (1, 2) and (1, 2, 0) for the same.
    """
    return int(np.random.SeedSequence([len(numbers), *numbers]).generate_state(1, np.uint64)[0]) >> 1


def count_steps(samples: int, batch: int) -> int:
    """Count the steps of an epoch: ceil(samples / batch)."""
    return -(-samples // batch)


def iterate_batches(samples: int, batch: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the indices (N,) of every sample once, in the epoch's order, in batches whose sizes differ by at most one.

    Equal batches, so that no short last one makes a noisy step, or one of a single image that BatchNorm refuses.
    """
    generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
    yield from torch.tensor_split(torch.randperm(samples, generator=generator), count_steps(samples, batch))


def shift_images(images: Tensor, most: int, blank: Sequence[float], seed: int) -> Tensor:
    """Move each image of (N, C, H, W) by up to `most` pixels along both axes; `blank` (C values) fills what appears."""
    if not most:
        return images
    count, channels, height, width = images.shape
    canvas = images.new_tensor(blank).view(1, channels, 1, 1).repeat(count, 1, height + 2 * most, width + 2 * most)
    canvas[:, :, most:-most, most:-most] = images
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 2 * most + 1, (2, count), generator=generator).to(images.device)
    rows = corners[0][:, None] + torch.arange(height, device=images.device)
    columns = corners[1][:, None] + torch.arange(width, device=images.device)
    each = torch.arange(count, device=images.device)
    moved = canvas[each[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    # Copied into new strides, not made `.contiguous()`: of one channel it counts as that already, and also as
    # channels_last, with which torch 2.13 trains kernels of few channels into foreign memory on CPUs without AVX-512.
    return torch.empty(images.shape, dtype=images.dtype, device=images.device).copy_(moved)
