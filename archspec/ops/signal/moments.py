"""The moments of a value at initialization, and of the gradient there: what `Op.moments` and `Op.gradients` speak of.

They are taken over the draws of the weights and over samples of standard normal inputs, for layers so wide that sums of
many terms are normal. Channels that behave alike make a run, so a value costs as much as it has kinds of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf, prod
from typing import Any, Literal, NamedTuple, TypeAlias

from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.runs import ChannelRuns, align, average, count_channels, cut, join
from archspec.ops.values import Shape

Doubt: TypeAlias = Literal["border", "coupled", "dropped", "few", "kinds", "narrow", "product", "shape", "window"]
"""The reason why a number is an estimate: what its law takes for granted, and is not so. What each word means is said
in `compiler.analysis.signal.doubts`."""
Doubts: TypeAlias = frozenset[Doubt]
NONE: Doubts = frozenset()
BORDER: Doubts = frozenset({"border"})
COUPLED: Doubts = frozenset({"coupled"})
DROPPED: Doubts = frozenset({"dropped"})
KINDS: Doubts = frozenset({"kinds"})
WINDOW: Doubts = frozenset({"window"})
PRODUCT: Doubts = frozenset({"product"})


class Flow(NamedTuple):
    """The gradient at some channels: its second moment, and the second moment that an independent gradient would have
    that a ReLU before passes on as much of. The two differ behind a max pooling, which chooses positive values."""

    second: float
    at_rectifier: float


class Chance(NamedTuple):
    """The chance by which values are set to zero while training: how probable it is that one is `kept`, and that it is
    for `both` of two samples. `whole` says that chance decides for all values of a sample at once."""

    kept: float
    both: float
    whole: bool

    def given(self, x: ChannelMoments) -> ChannelMoments:
        """The moments of what is kept, of those of all."""
        return ChannelMoments(x.mean / self.kept, x.second / self.kept, x.common / self.both)

    def spread(self, x: ChannelMoments, zero: float = 0.0) -> ChannelMoments:
        """The moments of the reverse, where what is not kept has the value `zero`."""
        one = self.kept - self.both  # only one of two samples is kept
        return ChannelMoments(
            self.kept * x.mean + (1 - self.kept) * zero,
            self.kept * x.second + (1 - self.kept) * zero**2,
            self.both * x.common + 2 * one * x.mean * zero + (1 - self.both - 2 * one) * zero**2,
        )

    def drop(self, more: Chance) -> Chance:
        """The chance of both, one after the other."""
        return Chance(self.kept * more.kept, self.both * more.both, self.whole and more.whole)


@dataclass(frozen=True)
class Moments:
    """The values of one node: their moments by channel, and how their second moment is spread along the spatial axes.

    `doubts` say why they are an estimate, and there are none where the law is exact for wide layers. `normal` says that
    values are normally distributed, but for those that chance sets to zero.
    """

    runs: ChannelRuns[ChannelMoments]
    axes: tuple[Axis, ...] = ()
    doubts: Doubts = NONE
    normal: bool = True
    rectified: Moments | None = None
    """The moments of the others of which the values are the positive parts, if they are."""
    chance: Chance | None = None
    hollow: bool = True
    """True if values are exactly zero where their spread is: a normalization moves them, if ever so little."""
    narrow: float = 0.0
    """The sum over the layers since the last normalization of 1 / the number of terms or of units: what one draw of the
    weights differs from the mean over all by, as a relative variance and in its order."""
    least: float = inf
    """The smallest number of terms on the way."""
    drawn: float = 0.0
    """The sum that `narrow` is, over all layers."""
    uneven: float = 0.0
    """The second moment of what two samples have in common at one position and not at any two, relative to all."""
    channels: int = field(init=False, repr=False, compare=False)
    whole: ChannelMoments = field(init=False, repr=False, compare=False)
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

    def each(self, law: Callable[[ChannelMoments], ChannelMoments], **changes: Any) -> Moments:
        """A law for each kind of channel."""
        return replace(self, runs=join([(n, law(part)) for n, part in self.runs]), **{"rectified": None, **changes})

    def times(self, mean: float, second: float, common: float, **changes: Any) -> Moments:
        """The moments, each times a factor of its own."""
        return self.each(lambda x: ChannelMoments(mean * x.mean + 0.0, second * x.second, common * x.common), **changes)

    def drop(self, chance: Chance, factor: float) -> Moments:
        """The moments of what chance keeps times a factor, and zero for the rest."""
        mean, second, common = chance.spread(ChannelMoments(factor, factor**2, factor**2))
        kept = self.chance.drop(chance) if self.chance else chance
        return self.times(mean, second, common, chance=kept if kept.both else None)

    def mixed(self) -> Moments:
        """Forget of these values that chance sets some to zero."""
        if self.chance is None:
            return self
        return replace(self, normal=False, chance=None, doubts=self.doubts | doubt_all([self]))

    def before_averaging(self) -> Moments:
        """Take these values as those of whose positions a mean will be taken: chance then decides for none by
        itself."""
        return self if self.sample else self.mixed()


@dataclass(frozen=True)
class Gradient:
    """The gradient with respect to one node's values: its second moment by channel, and its spread. Its mean is zero.
    `doubts` and `narrow` are as those of `Moments`."""

    runs: ChannelRuns[Flow]
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
        """The gradient with each channel times a gain of its own; `at_rectifier`, of what it gets there."""
        column = 1 if at_rectifier else 0
        sent = [(n, gain * flow[column]) for n, (flow, gain) in align(self.runs, tuple(gains))]
        return replace(self, runs=_flow_evenly(sent), **changes)

    def times_at_rectifier(self, factors: Iterable[tuple[int, float]]) -> Gradient:
        """Scale a gradient of which a ReLU passes on more by these factors than of an independent one."""
        rows = align(self.runs, tuple(factors))
        return replace(
            self, runs=join((n, Flow(flow.second, factor * flow.at_rectifier)) for n, (flow, factor) in rows)
        )

    def part(self, first: int, count: int) -> Gradient:
        """The moments of `count` channels from the `first` on."""
        return Gradient(cut(self.runs, first, count), self.axes, self.doubts, self.narrow, self.edges)


def standard(shape: Shape) -> Moments:
    """Make independent standard normal values."""
    return Moments(((shape.channels, ChannelMoments(0.0, 1.0, 0.0)),), tuple(map(Axis, shape.space)))


def unit_gradient(shape: Shape, second: float = 1.0) -> Gradient:
    """Make independent values of this second moment."""
    return Gradient(((shape.channels, Flow(second, second)),), tuple(map(Axis, shape.space)))


def _flow_evenly(seconds: Iterable[tuple[int, float]]) -> ChannelRuns[Flow]:
    """Make flows with these second moments, at a rectifier too."""
    return tuple([(n, Flow(second, second)) for n, (second,) in join([(n, (second,)) for n, second in seconds])])


def join_doubts(values: Iterable[Moments | Gradient], more: Iterable[Doubt] = ()) -> Doubts:
    """Join all doubts about these values, and more."""
    return NONE.union(more, *[value.doubts for value in values])


def doubt_dropped(x: Moments) -> Doubts:
    """The doubts about a gradient at values of which chance sets some to zero: an activation or a normalization treats
    it there in another way than elsewhere, and the chance before knows of that."""
    return DROPPED if x.chance else NONE


def doubt_all(operands: Iterable[Moments]) -> Doubts:
    """The doubts about a value of which samples may be zero all over, where each operand's are."""
    return DROPPED if all(operand.sample for operand in operands) else NONE
