"""The learning rate range test: a short training whose rate grows from step to step.

It is Smith's ("Cyclical learning rates for training neural networks", 2017, section 3.3), in the form of fastai's
`lr_find`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.errors import InputError

FIRST_RATE, LAST_RATE = 1e-7, 10.0
"""The rates of the first and of the last step."""

STEPS = 100
"""The number of steps, of which none is taken any more when the loss has grown by DIVERGED."""

SMOOTHING = 0.98
"""The decay of the moving average of the loss."""

DIVERGED = 4.0
"""The multiple of its least value beyond which the loss is taken to have no way back."""

LEFT_OUT = 5
"""The number of points at both ends that nothing is read from."""


@dataclass(frozen=True, slots=True)
class RangeTest:
    """The `rates` of the steps taken, with the smoothed loss after each, and what follows: the rate at which the loss
    falls most steeply, over the logarithm of the rate, and that at which it is `lowest`."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    steepest: float
    lowest: float

    @property
    def tenth(self) -> float:
        """A tenth of the rate at which the loss is lowest."""
        return self.lowest / 10

    @property
    def has_risen(self) -> bool:
        """True where a rate was too large: the loss is lost before the last, or not lowest there."""
        return len(self.rates) < STEPS or self.lowest != self.rates[-1]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rates": list(self.rates),
            "losses": list(self.losses),
            "steepest": self.steepest,
            "minimum_tenth": self.tenth,
        }


class RangeTestMeter:
    """The smoothed loss of a range test, and whether it is over."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._mean = 0.0

    def add(self, rate: float, loss: float) -> bool:
        """Take in the loss of a step, and tell whether to go on: the mean is that of Adam, without its bias towards
        zero."""
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smooth = self._mean / (1 - SMOOTHING ** (len(self.losses) + 1))
        if not math.isfinite(smooth) or (self.losses and smooth > DIVERGED * min(self.losses)):
            return False
        self.rates.append(rate)
        self.losses.append(smooth)
        return True

    def finish(self) -> RangeTest:
        """Read the rates off the curve. Raises InputError where it is too short, or never falls."""
        if len(self.losses) <= 2 * LEFT_OUT:
            last = f", at a rate of {self.rates[-1]:g}" if self.rates else ""
            raise InputError(
                f"the loss was lost after {len(self.losses)} steps{last}: no rate can be read off that; look at the "
                "data, or at the network (`archspec report`)"
            )
        inner = slice(LEFT_OUT, -LEFT_OUT)
        slopes = np.gradient(np.array(self.losses), np.log(self.rates))[inner]
        if slopes.min() >= 0:
            raise InputError("the loss falls at no rate: look at the data, or at the network (`archspec report`)")
        steepest = self.rates[inner][int(slopes.argmin())]
        lowest = self.rates[int(np.argmin(self.losses))]
        return RangeTest(tuple(self.rates), tuple(self.losses), steepest, lowest)


def rate_of(step: int) -> float:
    """Give the rate of a step, from 0 on, of the test's STEPS: all are as many times the one before."""
    return float(FIRST_RATE * (LAST_RATE / FIRST_RATE) ** (step / (STEPS - 1)))
