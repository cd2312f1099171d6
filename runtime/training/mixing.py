"""Two images in one, with the labels of both: mixup and cutmix, of a batch on its device.

What is mixed with what, and by how much, is a pure function of a seed. Partners are of the same batch, so it is mixed
as it is passed on: a micro-batch, and a process's part, within itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.extras import extra
from runtime.recipes.objective import MixSection

with extra("train"):
    import torch
    from torch import Tensor
    from torch.nn import functional as F


@dataclass(frozen=True, eq=False, slots=True)
class Mix:
    """A way to mix a batch: image i keeps the share `own`, and has the rest of image `partners[i]`: everywhere (mixup),
    or all of it in a box of pixels, given along each axis (cutmix)."""

    own: float
    partners: npt.NDArray[np.int64]
    box: tuple[slice, ...] | None = None


def draw_mix(settings: MixSection, count: int, extents: Sequence[int], seed: int) -> Mix | None:
    """Draw how `count` images of these extents are mixed; None where a recipe mixes none. Where it has both ways, each
    is as likely.

    The share is Beta(alpha, alpha) (Zhang et al., "mixup", 2018). A box has 1 - share of the pixels and any centre, is
    cut at the border, and the share is then what it leaves (Yun et al., "CutMix", 2019, with d axes for 2).
    """
    generator = np.random.default_rng(seed)
    cuts = bool(settings.cutmix) and (not settings.mixup or generator.random() < 0.5)
    alpha = settings.cutmix if cuts else settings.mixup
    if not alpha:
        return None
    own, partners = float(generator.beta(alpha, alpha)), generator.permutation(count)
    if not cuts:
        return Mix(own, partners)
    half = 0.5 * (1 - own) ** (1 / len(extents))
    box = []
    for extent in extents:
        centre, reach = int(generator.integers(extent)), int(half * extent)
        box.append(slice(max(centre - reach, 0), min(centre + reach, extent)))
    pixels = int(np.prod([part.stop - part.start for part in box]))
    return Mix(1 - pixels / int(np.prod(extents)), partners, tuple(box))


def apply_mix(mix: Mix, images: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mix images (N, C, *extents) and their labels, classes (N,): into new images, and the shares of the classes
    (N, classes)."""
    partners = torch.from_numpy(mix.partners)
    others, shares = images[partners.to(images.device)], F.one_hot(labels.long(), classes).float()
    if mix.box is None:
        mixed = mix.own * images + (1 - mix.own) * others
    else:
        where = (slice(None), slice(None), *mix.box)
        mixed = images.clone()
        mixed[where] = others[where]
    return mixed, mix.own * shares + (1 - mix.own) * shares[partners.to(shares.device)]


def mix_batch(images: Tensor, labels: Tensor, classes: int, settings: MixSection, seed: int) -> tuple[Tensor, Tensor]:
    """Mix a batch as a recipe says, by a seed. Images and labels come back as they are where it says nothing."""
    mix = draw_mix(settings, len(images), images.shape[2:], seed)
    return (images, labels) if mix is None else apply_mix(mix, images, labels, classes)
