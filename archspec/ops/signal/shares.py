"""The moments of shares: of the weights that a softmax gives to independent normal scores."""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt
from typing import NamedTuple

REACH = 8.0
"""The number of standard deviations beyond which a normal value is left out."""
POINTS = 400
"""The number of points of either quadrature."""
MAX_SPREAD = 500.0
"""The largest variance of scores that is told from one in which a single share is all."""


class Shares(NamedTuple):
    """What is expected of n shares pᵢ: Σ pᵢ², from 1 / n where all are alike to 1 where one has all; and Σ (pᵢ (gᵢ -
    Σ pⱼ gⱼ))² for independent gᵢ of variance 1, which is what a gradient leaves at the scores."""

    squares: float
    slopes: float


@lru_cache(maxsize=4096)
def share(count: int, variance: float) -> Shares:
    """The shares of exp(sᵢ) / Σ exp(sⱼ) of so many independent normal scores.

    1 / Sᵏ = ∫ tᵏ⁻¹ exp(-t S) dt / (k - 1)! turns a mean of products of shares into an integral over t = exp(u) of
    products of E yᵃ exp(-y) with y = exp(u + s), where the sum S of all has fallen apart.
    """
    import numpy as np

    deviation = sqrt(min(variance, MAX_SPREAD))
    z = np.linspace(-REACH, REACH, POINTS)
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    u, step = np.linspace(-log(count) - REACH * (1 + deviation), REACH * (1 + deviation), POINTS, retstep=True)
    y = np.exp(np.minimum(u[:, None] + deviation * z, 100.0))
    fall = np.exp(-y)
    none, two, three, four = ((y**power * fall) @ density for power in (0, 2, 3, 4))
    others = none ** (count - 1)
    square, cube, fourth = (float((part * others).sum() * step) for part in (two, three / 2, four / 6))
    pair = float((two**2 / 6 * none ** (count - 2)).sum() * step) if count > 1 else 0.0
    return Shares(count * square, count * max(0.0, square - 2 * cube + fourth + (count - 1) * pair))
