"""The moments of functions of a normal value: closed forms where there are any, else Gauss-Legendre quadrature on
panels between the points where the function bends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import acos, cos, erfc, exp, fsum, pi, sqrt
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 9.0
"""The number of standard deviations beyond which a normal value is left out: 1e-19 of its weight."""
POINTS = 48
"""The number of points of the quadrature on each panel."""
ORDERS = 40
"""The number of Hermite coefficients by which the covariance is carried; the rest of a function is put on the next."""


class ChannelMoments(NamedTuple):
    """The values of some channels at one node: their mean, their second moment, and the expected product of the values
    that one channel has for two samples at any two positions: the square of what all of them have in common."""

    mean: float
    second: float
    common: float

    @property
    def deviation(self) -> float:
        return sqrt(max(0.0, self.second - self.mean**2))


class Passed(NamedTuple):
    """The moments behind a function, and `gain`: the expected square of its derivative."""

    part: ChannelMoments
    gain: float


class Curve(Protocol):
    """A function of one number. `bends` are points between which it is smooth on the scale of their distances."""

    @property
    def bends(self) -> tuple[float, ...]: ...
    def curve(self, x: float, /) -> float: ...
    def derivative(self, x: float, /) -> float: ...


@lru_cache(maxsize=4096)
def pass_curve(op: Curve, x: ChannelMoments) -> Passed:
    """The moments of a function of a normal value, by quadrature.

    The covariance becomes Σ aₖ² ρᵏ, of the function's Hermite coefficients aₖ and the correlation ρ (Daniely et al.,
    2016).
    """
    import numpy as np

    points, weights = map(np.array, _quadrature(x, op.bends))
    inner = x.mean + x.deviation * points
    values = np.array([op.curve(value) for value in inner.tolist()])
    slopes = np.array([op.derivative(value) for value in inner.tolist()])
    second = float(weights @ values**2)
    squares = (_hermite(points) @ (weights * values)) ** 2
    rho = _correlation(x)
    rest = max(0.0, second - float(squares.sum())) * rho**ORDERS
    common = float(squares @ rho ** np.arange(ORDERS)) + rest
    return Passed(ChannelMoments(float(weights @ values), second, common), float(weights @ slopes**2))


@lru_cache(maxsize=4096)
def pass_rectifier(below: float, x: ChannelMoments) -> Passed:
    """The moments of x above zero and below · x under it, of a normal value, in closed form; the covariance by Cho and
    Saul's (2009) arc-cosine kernel where the mean is zero."""
    first, second, active = rectify(x.mean, x.deviation)
    mean = first + below * (x.mean - first)
    total = second + below**2 * (x.second - second)
    return Passed(ChannelMoments(mean, total, _rectified_common(below, x)), active + below**2 * (1 - active))


def rectify(mean: float, deviation: float) -> tuple[float, float, float]:
    """Compute mean and second moment of max(0, x), and the probability that x is positive."""
    if deviation == 0:
        return max(0.0, mean), max(0.0, mean) ** 2, float(mean > 0)
    ratio = mean / deviation
    active, density = 0.5 * erfc(-ratio / sqrt(2)), exp(-(ratio**2) / 2) / sqrt(2 * pi)
    first = mean * active + deviation * density
    return first, (mean**2 + deviation**2) * active + mean * deviation * density, active


def _rectified_common(below: float, x: ChannelMoments) -> float:
    if x.mean == 0:
        rho = _correlation(x)
        kernel = x.second / (2 * pi) * (sqrt(1 - rho**2) + rho * (pi - acos(rho)))
        return below * x.common + (1 - below) ** 2 * kernel
    own = sqrt(max(0.0, x.second - x.common))  # what a sample has for itself, around what all have in common

    def mean_given(shared: float) -> float:
        return below * shared + (1 - below) * rectify(shared, own)[0]

    shared = ChannelMoments(x.mean, x.common, 0.0)
    points, weights = _quadrature(shared, (0.0,))
    inner = (x.mean + shared.deviation * point for point in points)
    return sum(weight * mean_given(value) ** 2 for weight, value in zip(weights, inner, strict=True))


@lru_cache(maxsize=256)
def pass_largest(count: float, rectified: bool, x: ChannelMoments) -> Passed:
    """The largest of `count` normal values of one unit, independent but for what all its values have in common; with
    `rectified`, of their positive parts. Its gain is the probability that the largest is positive."""
    shared = ChannelMoments(x.mean, x.common, 0.0)
    places, weights = _quadrature(shared, (0.0,)) if shared.deviation else ([0.0], [1.0])
    points, density = _quadrature(ChannelMoments(0.0, 1.0, 0.0), (0.0,))
    below = [0.5 * erfc(-point / sqrt(2)) for point in points]
    density = _to_shares([weight * share ** (count - 1) for weight, share in zip(density, below, strict=True)])
    own = sqrt(max(0.0, x.second - x.common))
    rows = [[x.mean + shared.deviation * place + own * point for point in points] for place in places]
    active = [sum(share for share, value in zip(density, row, strict=True) if value > 0) for row in rows]
    rows = [[max(0.0, value) for value in row] for row in rows] if rectified else rows
    means = [_dot(density, row) for row in rows]
    seconds = [_dot(density, [value**2 for value in row]) for row in rows]
    part = ChannelMoments(_dot(weights, means), _dot(weights, seconds), _dot(weights, [mean**2 for mean in means]))
    return Passed(part, _dot(weights, active))


def _correlation(x: ChannelMoments) -> float:
    """Compute the correlation of the values that a unit has for two samples."""
    variance = x.second - x.mean**2
    rho = (x.common - x.mean**2) / variance if variance > 0 else 1.0
    return min(1.0, max(0.0, rho))


def _quadrature(x: ChannelMoments, bends: Sequence[float]) -> tuple[list[float], list[float]]:
    """Choose standard normal points and their weights, on panels between the bends of a function of x."""
    scale = x.deviation or 1.0
    inner = sorted({min(REACH, max(-REACH, (bend - x.mean) / scale)) for bend in bends})
    points, weights = [], []
    for low, high in pairwise((-REACH, *inner, REACH)):
        half = (high - low) / 2
        for node, weight in _legendre():
            points.append(low + half * (node + 1))
            weights.append(half * weight * exp(-(points[-1] ** 2) / 2))
    return points, _to_shares(weights)


def _to_shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return fsum(map(mul, a, b))


@lru_cache(maxsize=1)
def _legendre() -> tuple[tuple[float, float], ...]:
    """The nodes and weights of Gauss's rule on [-1, 1]; its own, since numpy takes longer to import than this does."""
    return tuple(_find_node(-cos(pi * (4 * i + 3) / (4 * POINTS + 2))) for i in range(POINTS))


def _find_node(x: float) -> tuple[float, float]:
    """The root of the Legendre polynomial near x by Newton's method, and its weight."""
    for _ in range(5):  # from so near each step doubles the digits
        before, value = 1.0, x
        for order in range(1, POINTS):
            before, value = value, ((2 * order + 1) * x * value - order * before) / (order + 1)
        slope = POINTS * (x * value - before) / (x**2 - 1)
        x -= value / slope
    return x, 2 / ((1 - x**2) * slope**2)


def _hermite(points: NDArray[Any]) -> NDArray[Any]:
    """The orthonormal Hermite polynomials of orders 0, 1, … at these points, a row each."""
    import numpy as np

    rows = [np.ones_like(points), points]
    for order in range(1, ORDERS - 1):
        rows.append((points * rows[-1] - sqrt(order) * rows[-2]) / sqrt(order + 1))
    return np.stack(rows)
