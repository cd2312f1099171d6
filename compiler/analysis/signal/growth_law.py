"""The law by which second moments grow from block to block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp, log
from typing import Any

from archspec.ops import Shape
from archspec.ops.signal.moments import Doubt

STEADY = 0.01
"""The growth of a block, relative to the size, below which there is none to speak of."""
MIN_SECOND_MOMENT = 1e-100
"""The smallest second moment that a law is fitted to: relative errors of smaller ones leave what a float holds."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of the second moment along a run of blocks whose results have one shape.

    `law` is `exponential` (times `rate` with each block), `linear` (plus `rate`) or `steady`; whichever lies nearer
    to the values, in the largest relative `error`.
    """

    first: str
    last: str
    blocks: int
    law: str
    rate: float
    error: float
    doubts: tuple[Doubt, ...] = ()
    """The reasons why the second moments that the law was fitted to are estimates, where one of them is."""

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"doubts": [*self.doubts]}


def fit_growth(results: Iterable[tuple[Shape, str, float | None, Iterable[Doubt]]]) -> tuple[Growth, ...]:
    """Fit a law to each run of at least three blocks with results of one shape, given as (shape, node, second moment,
    doubts about it)."""
    fitted = []
    for _, run in groupby(results, key=lambda result: result[0]):
        known = [(id, second, doubts) for _, id, second, doubts in run if second and second >= MIN_SECOND_MOMENT]
        if len(known) > 2:
            law, rate, error = _fit([second for _, second, _ in known])
            doubts = tuple(sorted({doubt for *_, found in known for doubt in found}))
            fitted.append(Growth(known[0][0], known[-1][0], len(known), law, rate, error, doubts))
    return tuple(fitted)


def _fit(values: Sequence[float]) -> tuple[str, float, float]:
    """Find law, rate and the largest relative error of the better of two straight lines, one through the logarithms."""
    start, step = _line(values)
    first, rate = _line([log(value) for value in values])
    linear = max(abs((start + step * i) / value - 1) for i, value in enumerate(values))
    exponential = max(abs(exp(first + rate * i) / value - 1) for i, value in enumerate(values))
    if abs(rate) < STEADY:
        return "steady", exp(rate), exponential
    return ("linear", step, linear) if linear < exponential else ("exponential", exp(rate), exponential)


def _line(values: Sequence[float]) -> tuple[float, float]:
    """Start and slope of the line through equally spaced values with the least squared error."""
    n, mean = len(values), sum(values) / len(values)
    middle = (n - 1) / 2
    slope = sum((i - middle) * value for i, value in enumerate(values)) / (n * (n**2 - 1) / 12)
    return mean - slope * middle, slope
