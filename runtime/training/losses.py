"""The losses of training, each as a sum over what is asked and the weight that the sum is divided by.

The weight follows from the targets alone. So the loss of a step is the same however its images are divided among
micro-batches and processes, also where parts have different numbers of asked pixels or joints: the sums are divided by
the weight of all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.extras import extra
from runtime.tasks.task import Loss

with extra("train"):
    import torch
    from torch import Tensor
    from torch.nn import functional as F

NOT_A_CLASS = -100
"""The class that torch passes over, where none is passed over."""

DICE_SMOOTHING = 1e-5
"""What is added to both sides of a Dice ratio, in pixels: MONAI's and nnU-Net's default."""


@dataclass(frozen=True, slots=True, eq=False)
class LossSettings:
    """The choices of a loss over classes: their number, a weight for each, label smoothing, focal's gamma, and the
    class that is not asked (None: all are)."""

    classes: int
    weights: Tensor | None = None
    smoothing: float = 0.0
    gamma: float = 2.0
    ignored: int | None = None


class LossTerm(ABC):
    """One sum over what is asked in an output (N, C, *extents). Targets are classes (N, *extents), shares of classes
    (N, C), or numbers of the output's own shape."""

    smooths, weighs = False, False

    def __init__(self, settings: LossSettings) -> None:
        self.settings = settings

    @abstractmethod
    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        """Compute the sum, a scalar in float32."""

    @abstractmethod
    def weigh(self, targets: Tensor) -> Tensor:
        """Compute the weight of the targets, a scalar in float32; 0 where nothing is asked."""

    def find_asked(self, targets: Tensor) -> Tensor:
        """Find the mask of the classes (N, *extents) that are asked."""
        ignored = self.settings.ignored
        return torch.ones_like(targets, dtype=torch.bool) if ignored is None else targets != ignored

    def find_logits(self, output: Tensor) -> Tensor:
        """Give the classes' logits in float32: one channel alone is the second's of two, against 0."""
        logits = output.float()
        if self.settings.classes == 2 and logits.shape[1] == 1:
            return torch.cat([torch.zeros_like(logits), logits], 1)
        return logits

    def weigh_classes(self, device: torch.device) -> Tensor:
        """Give the weight of each class, (C,)."""
        weights = self.settings.weights
        return torch.ones(self.settings.classes, device=device) if weights is None else weights.to(device)


class CrossEntropyTerm(LossTerm):
    """torch's cross-entropy, with its label smoothing (Szegedy et al., 2016, section 7). The weight is the sum of the
    weights of the true classes, as torch has it."""

    smooths, weighs = True, True

    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        given = self.settings
        return F.cross_entropy(
            self.find_logits(output),
            targets.float() if targets.is_floating_point() else targets.long(),
            None if given.weights is None else given.weights.to(output.device),
            ignore_index=NOT_A_CLASS if given.ignored is None else given.ignored,
            reduction="sum",
            label_smoothing=given.smoothing,
        )

    def weigh(self, targets: Tensor) -> Tensor:
        weights = self.weigh_classes(targets.device)
        if targets.is_floating_point():
            return (targets.float() @ weights).sum()
        asked = self.find_asked(targets)
        if self.settings.weights is None:
            return asked.sum().float()
        return (weights[targets.long().where(asked, 0)] * asked).sum()


class FocalTerm(CrossEntropyTerm):
    """The focal loss -(1 - p)^gamma log p of the true class's probability p, by softmax (Lin et al., 2017, equations 4
    and 5; of one channel alone it is theirs by sigmoid). Class weights are their alpha; smoothed and mixed labels are
    sums over the classes. It is divided as cross-entropy is, which it equals with gamma 0."""

    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        logs = F.log_softmax(self.find_logits(output), 1)
        weights = self.weigh_classes(output.device)
        if not self.settings.smoothing and not targets.is_floating_point():
            asked = self.find_asked(targets)
            numbers = targets.long().where(asked, 0)
            return (self._focus(logs.gather(1, numbers[:, None])[:, 0]) * weights[numbers] * asked).sum()
        shares = self._find_shares(targets, logs.shape[1])
        return (self._focus(logs) * shares * weights.view(1, -1, *[1] * (logs.dim() - 2))).sum()

    def _focus(self, logs: Tensor) -> Tensor:
        """The loss of a true class, from the logarithm of its probability."""
        # the probability of all other classes; bounded, since the slope of its power is infinite at 0
        others = (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).tiny)
        return -(others**self.settings.gamma) * logs

    def _find_shares(self, targets: Tensor, classes: int) -> Tensor:
        smoothing = self.settings.smoothing
        if targets.is_floating_point():
            return (1 - smoothing) * targets.float() + smoothing / classes
        numbers = torch.arange(classes, device=targets.device)
        places = targets[:, None] == numbers.view(1, -1, *[1] * (targets.dim() - 1))
        return (1 - smoothing) * places + smoothing / classes * self.find_asked(targets)[:, None]


class DiceTerm(LossTerm):
    """1 - (2 Σ p g + s) / (Σ p + Σ g + s) of each image and each class that is there, from the softmax p and the truth
    g at the asked pixels (Milletari et al., 2016, without their squares, as MONAI and nnU-Net have it).

    The mean is taken over the pairs of an image and a class in it. It is not taken over the batch as one, whose Dice is
    no sum over images. A class that is not there has a ratio of nearly 0 whatever is answered, and no slope: its
    pixels are wrong already in the class that is.
    """

    weighs = True

    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        shares = F.softmax(self.find_logits(output), 1).flatten(2)
        asked = self.find_asked(targets).flatten(1)
        numbers = targets.flatten(1).long().where(asked, 0)
        right = self._add_up(shares.gather(1, numbers[:, None])[:, 0] * asked, numbers)
        sizes = self._add_up(asked, numbers)
        answered = (shares * asked[:, None]).sum(2)
        ratios = (2 * right + DICE_SMOOTHING) / (answered + sizes + DICE_SMOOTHING)
        return ((1 - ratios) * (sizes > 0) * self.weigh_classes(output.device)).sum()

    def weigh(self, targets: Tensor) -> Tensor:
        asked = self.find_asked(targets).flatten(1)
        sizes = self._add_up(asked, targets.flatten(1).long().where(asked, 0))
        return ((sizes > 0) * self.weigh_classes(targets.device)).sum()

    def _add_up(self, values: Tensor, numbers: Tensor) -> Tensor:
        """The sums (N, C) of values (N, positions) over the positions of each class. They are added one by one, so in
        float64: a million of them have too many digits for float32."""
        sums = torch.zeros((len(values), self.settings.classes), dtype=torch.float64, device=values.device)
        return sums.scatter_add(1, numbers, values.double()).float()


class SquaredErrorTerm(LossTerm):
    """(output - target)² at each position whose target is a number: NaN is not asked."""

    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        asked = targets.isfinite()
        # the target is replaced, too: the slope of what is only masked is NaN
        return (output.float() - targets.float().where(asked, 0)).where(asked, 0).square().sum()

    def weigh(self, targets: Tensor) -> Tensor:
        return targets.isfinite().sum().float()


class OwnTerm(LossTerm):
    """The mean loss over images that a task computes itself, `Task.compute_loss`, times their number."""

    def __init__(self, settings: LossSettings, compute: Loss) -> None:
        super().__init__(settings)
        self.compute = compute

    def total(self, output: Tensor, targets: Tensor) -> Tensor:
        return self.compute(output, targets) * len(targets)

    def weigh(self, targets: Tensor) -> Tensor:
        return torch.tensor(float(len(targets)), device=targets.device)


LOSSES: Mapping[str, tuple[type[LossTerm], ...]] = MappingProxyType(
    {
        "cross_entropy": (CrossEntropyTerm,),
        "dice": (DiceTerm,),
        "dice_cross_entropy": (DiceTerm, CrossEntropyTerm),
        "focal": (FocalTerm,),
        "mse": (SquaredErrorTerm,),
    }
)
"""The losses by their names in a recipe, each the sum of its terms."""


def balance_classes(counts: Array) -> Float64Array:
    """Compute the weight (C,) of each class from how often it is asked: 1/√frequency, scaled so that the mean of what
    is asked counts 1. Where most pixels are background, the loss is else nearly blind to the rest. (Ronneberger et al.,
    2015, weigh the classes' pixels by frequency too.)"""
    weights = np.divide(1, np.sqrt(counts), out=np.zeros(len(counts)), where=counts > 0)
    return np.asarray(weights * counts.sum() / (weights @ counts))
