"""The larger of two normal values (Clark, 1961)."""

from __future__ import annotations

from functools import lru_cache
from math import exp, sqrt

from archspec.ops.signal.gaussian import ChannelMoments, Passed, rectify


@lru_cache(maxsize=4096)
def pass_larger(sign: float, x: ChannelMoments, y: ChannelMoments) -> Passed:
    """The moments of the larger of two independent normal values, and as its gain the probability that it is x; with a
    sign of -1, of the smaller one.

    It is y + max(0, d) with d = x - y. What it has in common for two samples is the mean square of what is expected of
    it where the shared parts of x and y are given.
    """
    mean, spread = sign * (x.mean - y.mean), sqrt(x.deviation**2 + y.deviation**2)
    first, second, active = rectify(mean, spread)
    tilt = y.deviation**2 * active  # E (y - m) max(0, d) = -cov(y, y) P(d > 0), by Stein's lemma
    part = sign * y.mean * first - tilt
    common = _find_common(sign, x, y)
    found = ChannelMoments(sign * (sign * y.mean + first), y.second + 2 * part + second, common)
    return Passed(found, active)


def _find_common(sign: float, x: ChannelMoments, y: ChannelMoments) -> float:
    """The expected product of two samples: by quadrature over the shared part of d."""
    shared_x, shared_y = max(0.0, x.common - x.mean**2), max(0.0, y.common - y.mean**2)
    own = sqrt(max(0.0, x.second - x.common) + max(0.0, y.second - y.common))
    spread = sqrt(shared_x + shared_y)
    slope = -shared_y / spread**2 if spread else 0.0
    total = 0.0
    points = [i / 8 for i in range(-48, 49)] if spread else [0.0]
    weights = [exp(-(point**2) / 2) for point in points]
    for point, weight in zip(points, weights, strict=True):
        moved = spread * point
        given = sign * y.mean + slope * moved + rectify(sign * (x.mean - y.mean) + moved, own)[0]
        total += weight * given**2
    rest = shared_y + slope * shared_y  # of the shared part of y, what d does not say
    return total / sum(weights) + max(0.0, rest)
