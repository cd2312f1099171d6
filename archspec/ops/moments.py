"""The moments of a value at initialization, and of the gradient there: what `Op.moments` and `Op.gradients` speak of.

They are taken over the draws of the weights and over samples of standard normal inputs, for layers so wide that sums of
many terms are normal. Channels that behave alike make a run, so a value costs as much as it has kinds of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from operator import mul
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from archspec.ops.axis import Axis, blend
from archspec.ops.base import Shape
from archspec.ops.gaussian import Part

T = TypeVar("T", bound=tuple[float, ...])
V = TypeVar("V", "Moments", "Gradient")
Runs: TypeAlias = tuple[tuple[int, T], ...]
"""Numbers of channels, in order, and what each of them has."""

MOST_RUNS = 64
"""Kinds of channels that a value keeps apart; of more, neighbours are averaged."""

Doubt: TypeAlias = Literal["border", "coupled", "dropped", "few", "kinds", "product", "shape", "window"]
"""Why a number is an estimate: what its law takes for granted, and is not so. What each word means is said in
`compiler.analysis.signal.DOUBTS`."""
Doubts: TypeAlias = frozenset[Doubt]
NONE: Doubts = frozenset()
COUPLED: Doubts = frozenset({"coupled"})
DROPPED: Doubts = frozenset({"dropped"})


class Flow(NamedTuple):
    """The gradient at some channels: its second moment, and the second moment that an independent gradient would have
    that a ReLU before passes on as much of. The two differ behind a max pooling, which chooses positive values."""

    second: float
    lift: float


class Chance(NamedTuple):
    """That values are set to zero by chance while training: how probable it is that one is `kept`, and that it is for
    `both` of two samples. `whole` says that chance decides for all values of a sample at once."""

    kept: float
    both: float
    whole: bool

    def given(self, x: Part) -> Part:
        """The moments of what is kept, of those of all."""
        return Part(x.mean / self.kept, x.second / self.kept, x.common / self.both)

    def spread(self, x: Part, zero: float = 0.0) -> Part:
        """The reverse, where what is not kept has the value `zero`."""
        one = self.kept - self.both  # only one of two samples is kept
        return Part(
            self.kept * x.mean + (1 - self.kept) * zero,
            self.kept * x.second + (1 - self.kept) * zero**2,
            self.both * x.common + 2 * one * x.mean * zero + (1 - self.both - 2 * one) * zero**2,
        )

    def drop(self, more: Chance) -> Chance:
        """Both chances, one after the other."""
        return Chance(self.kept * more.kept, self.both * more.both, self.whole and more.whole)


@dataclass(frozen=True, slots=True)
class Moments:
    """The values of one node: their moments by channel, and how their second moment is spread along the spatial axes.

    `doubts` say why they are an estimate, and there are none where the law is exact for wide layers. `normal` says that
    values are normally distributed, but for those that chance sets to zero.
    """

    runs: Runs[Part]
    axes: tuple[Axis, ...] = ()
    doubts: Doubts = NONE
    normal: bool = True
    rectified: Moments | None = None
    """Where the values are the positive parts of others: those."""
    chance: Chance | None = None
    hollow: bool = True
    """Whether values are exactly zero where their spread is: a normalization moves them, if ever so little."""
    narrow: float = 0.0
    """How much less than normal the sums were that the values come from, see `narrowness`."""

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

    @property
    def sample(self) -> Chance | None:
        """The chance that decides for whole samples."""
        return self.chance if self.chance and self.chance.whole else None

    def each(self, law: Callable[[Part], Part], **changes: Any) -> Moments:
        """A law for each kind of channel."""
        return replace(self, runs=join([(n, law(part)) for n, part in self.runs]), **{"rectified": None, **changes})

    def times(self, mean: float, second: float, common: float, **changes: Any) -> Moments:
        """Each moment by a factor of its own."""
        return self.each(lambda x: Part(mean * x.mean + 0.0, second * x.second, common * x.common), **changes)

    def drop(self, chance: Chance, factor: float) -> Moments:
        """What chance keeps times a factor, and zero for the rest."""
        mean, second, common = chance.spread(Part(factor, factor**2, factor**2))
        kept = self.chance.drop(chance) if self.chance else chance
        return self.times(mean, second, common, chance=kept if kept.both else None)

    def mixed(self) -> Moments:
        """The same values, of which is forgotten that chance sets some to zero."""
        return replace(self, normal=False, chance=None) if self.chance else self

    def collapsed(self) -> Moments:
        """As if all channels were alike."""
        return replace(self, runs=((self.channels, self.whole),), rectified=None)


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient with respect to one node's values: its second moment by channel, and its spread. Its mean is zero.
    `doubts` and `narrow` are as those of `Moments`."""

    runs: Runs[Flow]
    axes: tuple[Axis, ...] = ()
    doubts: Doubts = NONE
    narrow: float = 0.0
    edges: float = 0.0
    """How unevenly spread, over the positions of maps, what samples have in common was that statistics took off."""

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


class Ties(NamedTuple):
    """How the terms of a sum hang together: for each, which value it is a multiple of, and what multiple. `related`
    says that two of these values are not known to be independent but for their means."""

    sources: tuple[Hashable, ...]
    factors: tuple[float, ...]
    related: bool

    @classmethod
    def none(cls, terms: int) -> Ties:
        """Of independent values."""
        return cls(tuple(range(terms)), (1.0,) * terms, related=False)

    def group(self) -> list[list[int]]:
        """The terms that are multiples of one value, by their places."""
        groups: dict[Hashable, list[int]] = {}
        for place, source in enumerate(self.sources):
            groups.setdefault(source, []).append(place)
        return list(groups.values())

    def leader(self, group: Sequence[int]) -> tuple[int, float]:
        """The place of a term that is not zero, if there is one, and its factor."""
        return next(((place, self.factors[place]) for place in group if self.factors[place]), (group[0], 1.0))


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


def group_channels(runs: Runs[T], size: int) -> Runs[T]:
    """Each group of `size` channels as if its channels were alike."""
    if len(runs) == 1:
        return runs
    grouped: list[tuple[int, T]] = []
    open_: list[tuple[int, T]] = []  # the runs of a group that is not full
    missing = size
    for count, part in runs:
        if missing < size:
            taken = min(count, missing)
            open_.append((taken, part))
            count, missing = count - taken, missing - taken
            if missing:
                continue
            grouped.append((size, average(tuple(open_))))
        whole, rest = count - count % size, count % size
        grouped += [(whole, part)] if whole else []
        open_, missing = ([(rest, part)], size - rest) if rest else ([], size)
    return join(grouped)


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
    sums = [(sum(row), sum([share**2 for share in row])) for row in shares]
    runs = join(
        [
            (
                n,
                Part(
                    mean * sum([whole * part.mean for (whole, _), part in zip(sums, parts, strict=True)]),
                    _quadratic(sums, [(part.mean, part.second) for part in parts], square, cross),
                    _quadratic(sums, [(part.mean, part.common) for part in parts], *(shared or (square, cross))),
                ),
            )
            for n, parts in align(*[operand.runs for operand in distinct])
        ]
    )
    return Moments(
        runs,
        _blend_axes(
            distinct, [one**2 * operand.whole.second for (one, _), operand in zip(sums, distinct, strict=True)]
        ),
        doubts=join_doubts(distinct, COUPLED if ties.related else NONE),
        normal=all(operand.normal and not operand.chance for operand in distinct),
        hollow=all(operand.hollow for operand in distinct),
        narrow=weigh_narrow([(operand.whole.second, operand.narrow) for operand in distinct]),
    )


def _quadratic(
    sums: Sequence[tuple[float, float]], parts: Sequence[tuple[float, float]], square: float, cross: float
) -> float:
    """E (Σ wᵢ xᵢ)² where xᵢ stands there several times, with factors of this sum and this sum of squares, and has this
    mean and second moment."""
    own = sum([(square * two + cross * (one**2 - two)) * part[1] for (one, two), part in zip(sums, parts, strict=True)])
    means = [one * mean for (one, _), (mean, _) in zip(sums, parts, strict=True)]
    return own + cross * (sum(means) ** 2 - sum([mean**2 for mean in means]))


def join_doubts(values: Iterable[Moments | Gradient], more: Iterable[Doubt] = ()) -> Doubts:
    """All doubts about these values, and more."""
    return NONE.union(more, *[value.doubts for value in values])


def doubt_dropped(x: Moments) -> Doubts:
    """About a gradient at values of which chance sets some to zero: an activation or a normalization treats it there
    in another way than elsewhere, and the chance before knows of that."""
    return DROPPED if x.chance else NONE


def weigh_narrow(terms: Sequence[tuple[float, float]]) -> float:
    """The narrowness of a sum, of the second moments of its terms and their own."""
    total = sum([second for second, _ in terms])
    return sum([second * narrow for second, narrow in terms]) / total if total else 0.0


def concatenate(operands: Sequence[Moments]) -> Moments:
    """The channels of all, in order."""
    few = sum([len(operand.runs) for operand in operands]) <= MOST_RUNS
    return Moments(
        join([run for operand in operands for run in operand.runs]),
        _blend_axes(operands, [operand.channels * operand.whole.second for operand in operands]),
        doubts=join_doubts(operands, () if few else {"kinds"}),
        normal=all(operand.normal and not operand.chance for operand in operands),
        hollow=all(operand.hollow for operand in operands),
        narrow=max(operand.narrow for operand in operands),
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
    narrow = sum(operand.narrow for operand in operands)
    return Moments(runs, axes, doubts=join_doubts(operands, {"product"}), normal=False, narrow=narrow)


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


def sum_gradients(gradients: Sequence[Gradient], ties: Ties) -> Gradient:
    """What several readers send back to one value, taken as independent, unless they are multiples of one gradient."""
    groups = ties.group()
    parts = []
    for group in groups:
        place, factor = ties.leader(group)
        share = sum(ties.factors[i] for i in group) / factor
        parts.append(gradients[place] if share == 1 else gradients[place].times(share**2))
    if len(parts) == 1:
        return parts[0]
    runs = join(
        (n, Flow(sum([flow.second for flow in flows]), sum([flow.lift for flow in flows])))
        for n, flows in align(*(gradient.runs for gradient in parts))
    )
    axes = _blend_axes(parts, [gradient.second for gradient in parts])
    narrow = weigh_narrow([(gradient.second, gradient.narrow) for gradient in parts])
    edges = weigh_narrow([(gradient.second, gradient.edges) for gradient in parts])
    return Gradient(runs, axes, join_doubts(parts, COUPLED if ties.related else NONE), narrow, edges)


def _blend_axes(values: Sequence[V], weights: Sequence[float]) -> tuple[Axis, ...]:
    if all(value.axes == values[0].axes for value in values):
        return values[0].axes
    return tuple(blend(weights, axes) for axes in zip(*(value.axes for value in values), strict=True))
