"""The moments of sums, products and concatenations, and what their gradients leave at each operand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from typing import NamedTuple, TypeVar

from archspec.ops.signal.axis import Axis, blend
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import (
    COUPLED,
    DROPPED,
    KINDS,
    NONE,
    PRODUCT,
    Flow,
    Gradient,
    Moments,
    doubt_all,
    join_doubts,
)
from archspec.ops.signal.runs import MAX_RUNS, ChannelRuns, align, average, join

V = TypeVar("V", Moments, Gradient)


class Ties(NamedTuple):
    """The dependence of the terms of a sum: for each, which value it is a multiple of, and what multiple. `related`
    says that two of these values are not known to be independent but for their means."""

    sources: tuple[Hashable, ...]
    factors: tuple[float, ...]
    related: bool

    @classmethod
    def none(cls, terms: int) -> Ties:
        """The ties of independent values."""
        return cls(tuple(range(terms)), (1.0,) * terms, related=False)

    def group(self) -> list[list[int]]:
        """The terms that are multiples of one value, by their places."""
        groups: dict[Hashable, list[int]] = {}
        for place, source in enumerate(self.sources):
            groups.setdefault(source, []).append(place)
        return list(groups.values())

    def leader(self, group: Sequence[int]) -> tuple[int, float]:
        """The place of the term with the largest factor, of which all others are shares, and that factor; 1 where all
        are zero."""
        place = max(group, key=lambda place: abs(self.factors[place]))
        return place, self.factors[place] or 1.0


def add_up(
    operands: Sequence[Moments],
    ties: Ties,
    mean: float,
    square: float,
    cross: float,
    shared: tuple[float, float] | None = None,
) -> Moments:
    """A sum with weights, given or drawn: `mean` is what is expected of one, `square` of its square and `cross` of the
    product of two; `shared` are the last two in two samples, where they differ there.

    Two terms share nothing but their means, unless they are multiples of one value.
    """
    groups = ties.group()
    leaders = [ties.leader(group) for group in groups]
    distinct = [operands[place] for place, _ in leaders]
    rows = zip(groups, leaders, strict=True)
    shares = [[ties.factors[place] / factor for place in group] for group, (_, factor) in rows]
    one = distinct[0].sample
    chance = one if len(distinct) == 1 or (ties.related and all(x.sample == one for x in distinct)) else None
    sums = [(sum(row), sum([share**2 for share in row])) for row in shares]

    def add_parts(parts: Sequence[ChannelMoments]) -> ChannelMoments:
        return ChannelMoments(
            mean * sum([whole * part.mean for (whole, _), part in zip(sums, parts, strict=True)]),
            _quadratic(sums, [(part.mean, part.second) for part in parts], square, cross),
            _quadratic(sums, [(part.mean, part.common) for part in parts], *(shared or (square, cross))),
        )

    return Moments(
        join([(n, add_parts(parts)) for n, parts in align(*[operand.runs for operand in distinct])]),
        _blend_axes(distinct, lambda place: sums[place][0] ** 2 * distinct[place].whole.second),
        doubts=join_doubts(distinct, (COUPLED if ties.related else NONE) | (NONE if chance else doubt_all(distinct))),
        normal=all(operand.normal and not operand.chance for operand in distinct),
        chance=chance,
        hollow=all(operand.hollow for operand in distinct),
        least=max(operand.least for operand in distinct),
        drawn=weigh_narrow([(operand.whole.second, operand.drawn) for operand in distinct]),
        uneven=weigh_narrow([(operand.whole.second, operand.uneven) for operand in distinct]),
        narrow=weigh_narrow([(operand.whole.second, operand.narrow) for operand in distinct]),
    )


def _quadratic(
    sums: Sequence[tuple[float, float]], parts: Sequence[tuple[float, float]], square: float, cross: float
) -> float:
    """Compute E (Σ wᵢ xᵢ)² where xᵢ stands there several times, with factors of this sum and this sum of squares, and
    has this mean and second moment."""
    own = sum([(square * two + cross * (one**2 - two)) * part[1] for (one, two), part in zip(sums, parts, strict=True)])
    means = [one * mean for (one, _), (mean, _) in zip(sums, parts, strict=True)]
    return own + cross * (sum(means) ** 2 - sum([mean**2 for mean in means]))


def weigh_narrow(terms: Sequence[tuple[float, float]]) -> float:
    """The narrowness of a sum, of the second moments of its terms and their own."""
    total = sum([second for second, _ in terms])
    return sum([second * narrow for second, narrow in terms]) / total if total else 0.0


def concatenate(operands: Sequence[Moments]) -> Moments:
    """The channels of all, in order."""
    few = sum([len(operand.runs) for operand in operands]) <= MAX_RUNS
    return Moments(
        join([run for operand in operands for run in operand.runs]),
        _blend_axes(operands, lambda place: operands[place].channels * operands[place].whole.second),
        doubts=join_doubts(operands, doubt_all(operands) | (NONE if few else KINDS)),
        normal=all(operand.normal and not operand.chance for operand in operands),
        hollow=all(operand.hollow for operand in operands),
        narrow=max(operand.narrow for operand in operands),
        least=max(operand.least for operand in operands),
        drawn=max(operand.drawn for operand in operands),
        uneven=max(operand.uneven for operand in operands),
    )


def multiply(operands: Sequence[Moments]) -> Moments:
    """The product of independent values."""
    runs = join(
        (n, ChannelMoments(*(prod(part[i] for part in parts) for i in range(3))))
        for n, parts in align(*(operand.runs for operand in operands))
    )
    largest = max(operands, key=lambda operand: operand.positions)
    sizes = [max(axis.size for axis in axes) for axes in zip(*(operand.axes for operand in operands), strict=True)]
    axes = tuple(
        axis if axis.size == size else Axis(size, exact=False) for axis, size in zip(largest.axes, sizes, strict=True)
    )
    return Moments(
        runs,
        axes,
        doubts=join_doubts(operands, PRODUCT | (DROPPED if any(operand.sample for operand in operands) else NONE)),
        normal=False,
        narrow=sum(operand.narrow for operand in operands),
        least=min(operand.least for operand in operands),
    )


def repeat_copies(operands: Sequence[Moments]) -> list[Moments]:
    """The values, each repeated along axes where it has one position or channel and another has more."""
    channels = max(operand.channels for operand in operands)
    sizes = [max(axis.size for axis in axes) for axes in zip(*(operand.axes for operand in operands), strict=True)]
    return [repeat_copy(operand, channels, sizes) for operand in operands]


def repeat_copy(x: Moments, channels: int, sizes: Sequence[int]) -> Moments:
    """A value repeated along axes where it has one position or channel, to so many."""
    if x.channels == channels and all(axis.size == size for axis, size in zip(x.axes, sizes, strict=True)):
        return x
    axes = (axis if axis.size == size else Axis(size, exact=False) for axis, size in zip(x.axes, sizes, strict=True))
    return replace(x, runs=x.runs if x.channels == channels else ((channels, x.whole),), axes=tuple(axes))


def gather_copies(gradient: Gradient, x: Moments) -> Gradient:
    """A gradient with respect to copies of x along axes where x has one position or channel: the sum of independent
    ones."""
    channels = sum(n for n, _ in gradient.runs)
    copies = prod(axis.size for axis, own in zip(gradient.axes, x.axes, strict=True) if own.size == 1)
    if x.channels < channels:
        flow = average(gradient.runs)
        gradient = replace(gradient, runs=((1, Flow(channels * flow.second, channels * flow.at_rectifier)),))
    axes = tuple(own if own.size == 1 else axis for axis, own in zip(gradient.axes, x.axes, strict=True))
    return gradient.times(copies, axes=axes)


def sum_gradients(gradients: Sequence[Gradient], ties: Ties) -> Gradient:
    """The gradient that several readers send back to one value, taken as independent, unless they are multiples of one
    gradient."""
    groups = ties.group()
    parts = []
    for group in groups:
        place, factor = ties.leader(group)
        share = sum(ties.factors[i] for i in group) / factor
        parts.append(gradients[place] if share == 1 else gradients[place].times(share**2))
    if len(parts) == 1:
        return parts[0]
    runs = reduce(_add_flows, [gradient.runs for gradient in parts])
    axes = _blend_axes(parts, lambda place: parts[place].second)
    narrow = weigh_narrow([(gradient.second, gradient.narrow) for gradient in parts])
    edges = weigh_narrow([(gradient.second, gradient.edges) for gradient in parts])
    return Gradient(runs, axes, join_doubts(parts, COUPLED if ties.related else NONE), narrow, edges)


def _add_flows(one: ChannelRuns[Flow], other: ChannelRuns[Flow]) -> ChannelRuns[Flow]:
    return join([(n, Flow(a[0] + b[0], a[1] + b[1])) for n, (a, b) in align(one, other)])


def _blend_axes(values: Sequence[V], weigh: Callable[[int], float]) -> tuple[Axis, ...]:
    """The spread of a sum of these values, with the second moments that `weigh` says of each, by its place."""
    first = values[0].axes
    if all(value.axes == first for value in values):
        return first
    weights = tuple(map(weigh, range(len(values))))
    return tuple([blend(weights, axes) for axes in zip(*[value.axes for value in values], strict=True)])
