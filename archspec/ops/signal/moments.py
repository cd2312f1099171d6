"""The moments of a value at initialization, and of the gradient there: what `Op.moments` and `Op.gradients` speak of.

They are taken over the draws of the weights and over samples of standard normal inputs, for layers so wide that sums of
many terms are normal. Channels that behave alike make a run, so a value costs as much as it has kinds of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from math import inf, prod
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from archspec.ops.base import Shape
from archspec.ops.signal.axis import Axis, blend
from archspec.ops.signal.gaussian import Part
from archspec.ops.signal.runs import MOST_RUNS, Runs, align, average, count_channels, cut, join

V = TypeVar("V", "Moments", "Gradient")
Doubt: TypeAlias = Literal["border", "coupled", "dropped", "few", "kinds", "narrow", "product", "shape", "window"]
"""Why a number is an estimate: what its law takes for granted, and is not so. What each word means is said in
`compiler.analysis.signal.doubts`."""
Doubts: TypeAlias = frozenset[Doubt]
NONE: Doubts = frozenset()
COUPLED: Doubts = frozenset({"coupled"})
DROPPED: Doubts = frozenset({"dropped"})
KINDS: Doubts = frozenset({"kinds"})
WINDOW: Doubts = frozenset({"window"})
PRODUCT: Doubts = frozenset({"product"})


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


@dataclass(frozen=True)
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
    """The sum over the layers since the last normalization of 1 / the number of terms or of units: what one draw of the
    weights differs from the mean over all by, as a relative variance and in its order."""
    least: float = inf
    """The smallest number of terms on the way."""
    drawn: float = 0.0
    """As `narrow`, over all layers."""
    uneven: float = 0.0
    """The second moment of what two samples have in common at one position and not at any two, relative to all."""
    channels: int = field(init=False, repr=False, compare=False)
    whole: Part = field(init=False, repr=False, compare=False)
    """The mean over all channels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", count_channels(self.runs))
        object.__setattr__(self, "whole", average(self.runs))

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, *[axis.size for axis in self.axes])

    @property
    def positions(self) -> int:
        return prod(axis.size for axis in self.axes)

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
        if self.chance is None:
            return self
        return replace(self, normal=False, chance=None, doubts=self.doubts | doubt_all([self]))


@dataclass(frozen=True)
class Gradient:
    """The gradient with respect to one node's values: its second moment by channel, and its spread. Its mean is zero.
    `doubts` and `narrow` are as those of `Moments`."""

    runs: Runs[Flow]
    axes: tuple[Axis, ...] = ()
    doubts: Doubts = NONE
    narrow: float = 0.0
    edges: float = 0.0
    """The sum of what was `uneven` where statistics over a map were taken, which see none of it."""
    second: float = field(init=False, repr=False, compare=False)
    """The mean over all channels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "second", average(self.runs).second)

    def times(self, gain: float, **changes: Any) -> Gradient:
        return replace(self, runs=_flow_evenly([(n, gain * flow[0]) for n, flow in self.runs]), **changes)

    def by(self, gains: Iterable[tuple[int, float]], *, at_rectifier: bool = False, **changes: Any) -> Gradient:
        """Each channel times a gain of its own; `at_rectifier`, of what was lifted for it."""
        column = 1 if at_rectifier else 0
        sent = [(n, gain * flow[column]) for n, (flow, gain) in align(self.runs, tuple(gains))]
        return replace(self, runs=_flow_evenly(sent), **changes)

    def lifted(self, factors: Iterable[tuple[int, float]]) -> Gradient:
        """The same gradient, of which a ReLU passes on more by these factors than of an independent one."""
        lifts = align(self.runs, tuple(factors))
        return replace(self, runs=join((n, Flow(flow.second, factor * flow.lift)) for n, (flow, factor) in lifts))

    def part(self, first: int, count: int) -> Gradient:
        """Of `count` channels from the `first` on."""
        return Gradient(cut(self.runs, first, count), self.axes, self.doubts, self.narrow, self.edges)


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
        """The place of the term with the largest factor, of which all others are shares, and that factor; 1 where all
        are zero."""
        place = max(group, key=lambda place: abs(self.factors[place]))
        return place, self.factors[place] or 1.0


def standard(shape: Shape) -> Moments:
    """Independent standard normal values."""
    return Moments(((shape.channels, Part(0.0, 1.0, 0.0)),), tuple(map(Axis, shape.space)))


def unit_gradient(shape: Shape, second: float = 1.0) -> Gradient:
    """Independent values of this second moment."""
    return Gradient(((shape.channels, Flow(second, second)),), tuple(map(Axis, shape.space)))


def _flow_evenly(seconds: Iterable[tuple[int, float]]) -> Runs[Flow]:
    """Of these second moments, with nothing lifted."""
    return tuple([(n, Flow(second, second)) for n, (second,) in join([(n, (second,)) for n, second in seconds])])


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

    def add_parts(parts: Sequence[Part]) -> Part:
        return Part(
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


def doubt_all(operands: Iterable[Moments]) -> Doubts:
    """About a value of which samples may be zero all over, where each operand's are."""
    return DROPPED if all(operand.sample for operand in operands) else NONE


def weigh_narrow(terms: Sequence[tuple[float, float]]) -> float:
    """The narrowness of a sum, of the second moments of its terms and their own."""
    total = sum([second for second, _ in terms])
    return sum([second * narrow for second, narrow in terms]) / total if total else 0.0


def concatenate(operands: Sequence[Moments]) -> Moments:
    """The channels of all, in order."""
    few = sum([len(operand.runs) for operand in operands]) <= MOST_RUNS
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
        (n, Part(*(prod(part[i] for part in parts) for i in range(3))))
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
    runs = reduce(_add_flows, [gradient.runs for gradient in parts])
    axes = _blend_axes(parts, lambda place: parts[place].second)
    narrow = weigh_narrow([(gradient.second, gradient.narrow) for gradient in parts])
    edges = weigh_narrow([(gradient.second, gradient.edges) for gradient in parts])
    return Gradient(runs, axes, join_doubts(parts, COUPLED if ties.related else NONE), narrow, edges)


def _add_flows(one: Runs[Flow], other: Runs[Flow]) -> Runs[Flow]:
    return join([(n, Flow(a[0] + b[0], a[1] + b[1])) for n, (a, b) in align(one, other)])


def _blend_axes(values: Sequence[V], weigh: Callable[[int], float]) -> tuple[Axis, ...]:
    """The spread of a sum of these values, with the second moments that `weigh` says of each, by its place."""
    first = values[0].axes
    if all(value.axes == first for value in values):
        return first
    weights = tuple(map(weigh, range(len(values))))
    return tuple([blend(weights, axes) for axes in zip(*[value.axes for value in values], strict=True)])
