"""The moments of a value at initialization, and of the gradient there: what `Op.moments` and `Op.gradients` speak of.

They are taken over the draws of the weights and over samples of standard normal inputs, for layers so wide that sums of
many terms are normal. Channels that behave alike make a run, so a value costs as much as it has kinds of channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import prod
from operator import mul
from typing import Any, NamedTuple, TypeAlias, TypeVar

from archspec.ops.axis import Axis, blend
from archspec.ops.base import Shape
from archspec.ops.gaussian import Part

T = TypeVar("T", bound=tuple[float, ...])
V = TypeVar("V", "Moments", "Gradient")
Runs: TypeAlias = tuple[tuple[int, T], ...]
"""Numbers of channels, in order, and what each of them has."""

MOST_RUNS = 64
"""Kinds of channels that a value keeps apart; of more, neighbours are averaged."""


class Flow(NamedTuple):
    """The gradient at some channels: its second moment, and the second moment that an independent gradient would have
    that a ReLU before passes on as much of. The two differ behind a max pooling, which chooses positive values."""

    second: float
    lift: float


@dataclass(frozen=True, slots=True)
class Moments:
    """The values of one node: their moments by channel, and how their second moment is spread along the spatial axes.

    `exact` says that no approximation was made, `normal` that they are normally distributed.
    """

    runs: Runs[Part]
    axes: tuple[Axis, ...] = ()
    exact: bool = True
    normal: bool = True
    rectified: Moments | None = None
    """Where the values are the positive parts of others: those."""
    born: int = 0
    """The node's place in topological order."""
    fresh: int | None = None
    """The place of the random linear map of which the signs decide these values' signs, if there is one."""

    @property
    def channels(self) -> int:
        return count_channels(self.runs)

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, *(axis.size for axis in self.axes))

    @property
    def positions(self) -> int:
        return prod(axis.size for axis in self.axes)

    @property
    def whole(self) -> Part:
        """The mean over all channels."""
        return average(self.runs)

    def each(self, law: Callable[[Part], Part], **changes: Any) -> Moments:
        """A law for each kind of channel."""
        return replace(self, runs=join([(n, law(part)) for n, part in self.runs]), **{"rectified": None, **changes})

    def times(self, mean: float, second: float, common: float, **changes: Any) -> Moments:
        """Each moment by a factor of its own."""
        return self.each(lambda x: Part(mean * x.mean, second * x.second, common * x.common), **changes)

    def collapsed(self) -> Moments:
        """As if all channels were alike."""
        return replace(self, runs=((self.channels, self.whole),), rectified=None)


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient with respect to one node's values: its second moment by channel, and its spread. Its mean is zero.

    `fresh` is the place of the last random linear map that it came through.
    """

    runs: Runs[Flow]
    axes: tuple[Axis, ...] = ()
    exact: bool = True
    fresh: int | None = None

    @property
    def second(self) -> float:
        return average(self.runs).second

    def times(self, gain: float, **changes: Any) -> Gradient:
        runs = tuple([(n, _flow(gain * flow.second)) for n, flow in self.runs])
        return replace(self, runs=runs, **changes)

    def by(self, gains: Iterable[tuple[int, float]], *, at_rectifier: bool = False, **changes: Any) -> Gradient:
        """Each channel times a gain of its own; `at_rectifier`, of what was lifted for it."""
        products = align(self.runs, tuple(gains))
        runs = join([(n, _flow(gain * (flow.lift if at_rectifier else flow.second))) for n, (flow, gain) in products])
        return replace(self, runs=runs, **changes)

    def lifted(self, factors: Iterable[tuple[int, float]]) -> Gradient:
        """The same gradient, of which a ReLU passes on more by these factors than of an independent one."""
        lifts = align(self.runs, tuple(factors))
        return replace(self, runs=join((n, Flow(flow.second, factor * flow.lift)) for n, (flow, factor) in lifts))

    def part(self, first: int, count: int) -> Gradient:
        """Of `count` channels from the `first` on."""
        return replace(self, runs=cut(self.runs, first, count))


def standard(shape: Shape) -> Moments:
    """Independent standard normal values."""
    return Moments(((shape.channels, Part(0.0, 1.0, 0.0)),), tuple(map(Axis, shape.space)))


def unit_gradient(shape: Shape, second: float = 1.0) -> Gradient:
    """Independent values of this second moment."""
    return Gradient(((shape.channels, _flow(second)),), tuple(map(Axis, shape.space)))


def _flow(second: float) -> Flow:
    return Flow(second, second)


def count_channels(runs: Sequence[tuple[int, Any]]) -> int:
    return sum([count for count, _ in runs])


def average(runs: Runs[T]) -> T:
    """The mean over all channels, number by number."""
    if len(runs) == 1:
        return runs[0][1]
    total = count_channels(runs)
    weights = [count / total for count, _ in runs]
    columns = zip(*[part for _, part in runs], strict=True)
    return _like(runs[0][1], [sum(map(mul, weights, column)) for column in columns])


def join(runs: Iterable[tuple[int, T]]) -> Runs[T]:
    """Neighbours that are equal become one run; where there are too many runs, neighbours are averaged."""
    joined: list[tuple[int, T]] = []
    for count, part in runs:
        if joined and joined[-1][1] == part:
            joined[-1] = (joined[-1][0] + count, part)
        else:
            joined.append((count, part))
    while len(joined) > MOST_RUNS:
        pairs = [tuple(joined[i : i + 2]) for i in range(0, len(joined), 2)]
        joined = [(sum(count for count, _ in pair), average(pair)) for pair in pairs]
    return tuple(joined)


def cut(runs: Runs[T], first: int, count: int) -> Runs[T]:
    """`count` channels from the `first` on."""
    kept, start = [], 0
    for n, part in runs:
        inside = min(start + n, first + count) - max(start, first)
        kept += [(inside, part)] if inside > 0 else []
        start += n
    return tuple(kept)


def align(*tables: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Runs of channels in which each table has one entry; a table of a single channel holds for all."""
    sums = [count_channels(runs) for runs in tables]
    channels = max(sums)
    wide = [runs if own == channels else ((channels, runs[0][1]),) for own, runs in zip(sums, tables, strict=True)]
    counts = [n for n, _ in max(wide, key=len)]
    if all(len(runs) == 1 or counts == [n for n, _ in runs] for runs in wide):
        columns = [[part for _, part in runs] * (len(counts) // len(runs)) for runs in wide]
        yield from zip(counts, zip(*columns, strict=True), strict=True)
        return
    places, left = [0] * len(wide), [runs[0][0] for runs in wide]
    while channels:
        step = min(left)
        yield step, tuple(runs[place][1] for runs, place in zip(wide, places, strict=True))
        channels -= step
        for i, runs in enumerate(wide):
            left[i] -= step
            if not left[i] and channels:
                places[i] += 1
                left[i] = runs[places[i]][0]


def _like(example: T, values: Iterable[float]) -> T:
    return type(example)(*values)  # type: ignore[arg-type]


def add_up(
    operands: Sequence[Moments], mean: float, square: float, cross: float, shared: tuple[float, float] | None = None
) -> Moments:
    """A sum with weights, given or drawn: `mean` is what is expected of one, `square` of its square and `cross` of the
    product of two; `shared` are the last two in two samples, where they differ there.

    Two operands share nothing but their means, unless they are the same value.
    """
    times = Counter(map(id, operands))
    distinct = list({id(operand): operand for operand in operands}.values())
    counts = [times[id(operand)] for operand in distinct]
    runs = join(
        (
            n,
            Part(
                mean * sum(k * part.mean for k, part in zip(counts, parts, strict=True)),
                _quadratic(counts, [(part.mean, part.second) for part in parts], square, cross),
                _quadratic(counts, [(part.mean, part.common) for part in parts], *(shared or (square, cross))),
            ),
        )
        for n, parts in align(*(operand.runs for operand in distinct))
    )
    return Moments(
        runs,
        _blend_axes(distinct, lambda operand: operand.whole.second),
        exact=all(operand.exact for operand in distinct) and _unrelated(distinct),
        normal=all(operand.normal for operand in distinct),
    )


def _quadratic(counts: Sequence[int], parts: Sequence[tuple[float, float]], square: float, cross: float) -> float:
    """E (Σ wᵢ xᵢ)² where xᵢ stands there kᵢ times and has this mean and second moment."""
    own = sum((square * k + cross * k * (k - 1)) * second for k, (_, second) in zip(counts, parts, strict=True))
    means = [k * mean for k, (mean, _) in zip(counts, parts, strict=True)]
    return own + cross * (sum(means) ** 2 - sum(mean**2 for mean in means))


def concatenate(operands: Sequence[Moments]) -> Moments:
    """The channels of all, in order."""
    few = sum(len(operand.runs) for operand in operands) <= MOST_RUNS
    return Moments(
        join(run for operand in operands for run in operand.runs),
        _blend_axes(operands, lambda operand: operand.channels * operand.whole.second),
        exact=few and all(operand.exact for operand in operands),
        normal=all(operand.normal for operand in operands),
    )


def multiply(operands: Sequence[Moments]) -> Moments:
    """The product of independent values."""
    runs = join(
        (n, Part(*(prod(part[i] for part in parts) for i in range(3))))
        for n, parts in align(*(operand.runs for operand in operands))
    )
    largest = max(operands, key=lambda operand: operand.positions)
    sizes = [max(axis.size for axis in axes) for axes in zip(*(operand.axes for operand in operands), strict=True)]
    axes = tuple(
        axis if axis.size == size else Axis(size, exact=False) for axis, size in zip(largest.axes, sizes, strict=True)
    )
    return Moments(runs, axes, exact=False, normal=False)


def gather_copies(gradient: Gradient, x: Moments) -> Gradient:
    """A gradient with respect to copies of x along axes where x has one position or channel: the sum of independent
    ones."""
    channels = sum(n for n, _ in gradient.runs)
    copies = prod(axis.size for axis, own in zip(gradient.axes, x.axes, strict=True) if own.size == 1)
    if x.channels < channels:
        flow = average(gradient.runs)
        gradient = replace(gradient, runs=((1, Flow(channels * flow.second, channels * flow.lift)),))
    axes = tuple(own if own.size == 1 else axis for axis, own in zip(gradient.axes, x.axes, strict=True))
    return gradient.times(copies, axes=axes)


def sum_gradients(gradients: Sequence[Gradient]) -> Gradient:
    """What several readers send back to one value, taken as independent: that they are where each but one came through
    a random linear map of its own."""
    if len(gradients) == 1:
        return gradients[0]
    maps = [gradient.fresh for gradient in gradients]
    apart = len(set(maps)) == len(maps)
    runs = join(
        (n, Flow(sum([flow.second for flow in flows]), sum([flow.lift for flow in flows])))
        for n, flows in align(*(gradient.runs for gradient in gradients))
    )
    axes = _blend_axes(gradients, lambda gradient: gradient.second)
    return Gradient(runs, axes, exact=apart and all(gradient.exact for gradient in gradients))


def _blend_axes(values: Sequence[V], weigh: Callable[[V], float]) -> tuple[Axis, ...]:
    if all(value.axes == values[0].axes for value in values):
        return values[0].axes
    weights = list(map(weigh, values))
    return tuple(blend(weights, axes) for axes in zip(*(value.axes for value in values), strict=True))


def _unrelated(operands: Sequence[Moments]) -> bool:
    """Whether of each two operands one has its signs from a random linear map on which the other does not depend."""
    few = len(operands) <= MOST_RUNS
    return few and all(_follows(u, v) or _follows(v, u) for u, v in combinations(operands, 2))


def _follows(late: Moments, early: Moments) -> bool:
    return late.fresh is not None and late.fresh > early.born
