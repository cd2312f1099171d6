"""The learning rate as a function of the step: a linear warm-up, then half a cosine (Loshchilov and Hutter, "SGDR",
2017)."""

from __future__ import annotations

import math


def learning_rate_at(step: int, steps: int, peak: float, warmup: float) -> float:
    """Give the learning rate of a step, counted from 0: a straight line up to `peak` over the fraction `warmup` of all
    `steps`, then half a cosine down to nearly nothing."""
    warm = warmup * steps
    if step < warm:
        return peak * (step + 1) / (warm + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
