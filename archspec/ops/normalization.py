"""Operations that set the mean and variance of a value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import gcd, inf, prod, sqrt
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from archspec.ops.base import Family, Pointwise
from archspec.ops.fields import Epsilon, Flag, Gain, Number, Positive, Probability, Ratio
from archspec.ops.signal.axis import divide_by, even
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import DROPPED, NONE, WINDOW, Chance, Doubts, Gradient, Moments, doubt_dropped
from archspec.ops.signal.runs import ChannelRuns, align, group_channels, join
from archspec.ops.values import Layout, OpError, Saved, Shape, Weight, Weights

MAX_DRAWN = 0.25
"""The largest sum of 1 / width over all layers up to which the values of one sample are taken as normal."""
FEW: Doubts = frozenset({"few"})
MIN_COUNTED = 32
"""The number of values in a mean from which on normal ones stay normal: of so many |x| is 2% too large."""


class Normalization(Pointwise):
    """Sets mean and variance, then scales and shifts each channel where `affine` is true; scales start at `start`."""

    family: ClassVar[Family] = "norm"
    odd: ClassVar[bool] = True

    affine: Flag = Field(True, description="scales and shifts each channel by learned numbers")
    start: Number = Field(1.0, description="first value of the scales")
    eps: Epsilon = Field(1e-5, description="number that is added to the variance")

    def weights(self, x: Shape) -> Weights:
        if not self.affine:
            return {}
        return {"weight": Weight((x.channels,), self.start), "bias": Weight((x.channels,), 0.0)}

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    @property
    def by_sample(self) -> bool:
        """True if each sample has statistics of its own."""
        return False

    def span(self, shape: Shape) -> tuple[int, float]:
        """The number of channels that a mean is taken over, and of values of each; of a whole batch, so many that it
        does not matter."""
        return 1, inf

    def counted(self, shape: Shape) -> float:
        """The number of values that a mean is taken over."""
        return prod(self.span(shape))

    def factor(self, x: ChannelMoments, span: tuple[int, float]) -> float:
        """The factor of squares; `x` are the moments of the channels that statistics are taken over."""
        return _settle(x, x, *span, self.start if self.affine else 1.0, self.eps).factor

    def moments(self, x: Moments) -> Moments:
        """The moments; samples that chance has set to zero are normalized each by itself, and stay zero. The result has
        the second moment that it should, but for samples that may be zero, and for maps whose positions may be
        alike."""
        span, chance = self.span(x.shape), x.sample if self.by_sample else None
        scale = self.start if self.affine else 1.0
        levels = _given(self.levels(x), chance)
        pairs = ((n, (part, part)) for n, part in x.runs) if levels is x.runs else align(_given(x.runs, chance), levels)
        settled = [(n, _settle(part, level, *span, scale, self.eps)) for n, (part, level) in pairs]
        scattered = self.by_sample and x.drawn > MAX_DRAWN
        kept = DROPPED | WINDOW if self.by_sample and span[0] == 1 else DROPPED
        alone = self.by_sample and span[1] == 1
        return Moments(
            join([(n, chance.spread(found.part) if chance else found.part) for n, found in settled]),
            even(x.axes) if alone else x.axes,
            x.doubts & kept if all(found.sharp for _, found in settled) else x.doubts,
            normal=x.normal and chance == x.chance and self.counted(x.shape) >= MIN_COUNTED and not scattered,
            chance=chance,
            hollow=False,
            least=x.least,
            drawn=x.drawn,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients; what they say of mean and deviation is lost, two of n dimensions; and of n normal values the
        inverse of the variance is expected n / (n - 3) times as large as of many. Of three values or fewer nothing is
        expected: eps alone bounds the inverse."""
        span, chance = self.span(x.shape), x.sample if self.by_sample else None
        n = self.counted(x.shape)
        if n <= 3:
            return ()
        kept = 1.0 if n == inf else (n - 2) / (n - 3)
        gains = [(count, kept * self.factor(level, span)) for count, level in _given(self.levels(x), chance)]
        doubts = gradient.doubts | x.doubts | doubt_dropped(x) | (NONE if n == inf else FEW)
        narrow, edges = gradient.narrow + x.narrow + 1 / x.least**2, gradient.edges + x.uneven
        if not (self.by_sample and span[1] == 1):
            return (gradient.by(gains, doubts=doubts, narrow=narrow, edges=edges),)
        factor, axes = divide_by(gradient.axes, x.axes)
        gains = [(count, gain * factor) for count, gain in gains]
        return (gradient.by(gains, axes=axes, doubts=doubts, narrow=narrow, edges=edges),)

    def levels(self, x: Moments) -> ChannelRuns[ChannelMoments]:
        """The moments, for each channel, of those that its statistics are taken over."""
        channels, _ = self.span(x.shape)
        return x.runs if channels == 1 else group_channels(x.runs, channels)

    def elementwise(self, x: Shape) -> int:
        """The operations on each element: the sum, the difference from the mean, its square and their sum, the division
        by the deviation; and scale and shift."""
        return (7 if self.affine else 5) * x.elements


class BatchNorm(Normalization):
    """Normalizes each channel over the batch and all positions; at inference with the running mean and variance."""

    momentum: Probability = Field(0.1, description="share of a batch's statistics in the new running ones")

    def at_inference(self) -> BatchNorm:
        if type(self) is BatchNorm:
            return self
        return BatchNorm(**{name: getattr(self, name) for name in BatchNorm.model_fields})

    def weights(self, x: Shape) -> Weights:
        statistics = {"running_mean": 0.0, "running_var": 1.0}
        running = {
            name: Weight((x.channels,), start, trainable=False, buffer=True) for name, start in statistics.items()
        }
        return super().weights(x) | running

    def elementwise(self, x: Shape) -> int:
        return 2 * x.elements  # one factor and one term for each channel

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), full=2 * xs[0].channels)


class GhostBatchNorm(BatchNorm):
    """Batch normalization that trains with the mean and variance of each part of `size` samples of the batch by itself
    (Hoffer et al., 2017); at inference it is batch normalization."""

    main: ClassVar[str | None] = "size"

    size: Positive = Field(32, description="samples of a part of the batch")

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The values that are saved part by part; a last part of one value for each channel has no variance, and joins
        the part before, in a copy of both."""
        (x,) = xs
        parts, last = -(-batch // self.size), batch % self.size or self.size
        if parts == 1 or last * x.elements > x.channels:
            return Saved((0,), full=2 * x.channels * parts)
        operands = (0,) if parts > 2 else ()
        return Saved(operands, values=(self.size + last) * x.elements, full=2 * x.channels * (parts - 1))

    def counted(self, shape: Shape) -> float:
        return self.size * prod(shape.space)


class BatchRenorm(BatchNorm):
    """Batch normalization that trains towards its running mean μ and deviation σ (Ioffe, 2017).

    (x - μ_B) / σ_B · r + d, with r = σ_B / σ kept within [1/r_max, r_max] and d = (μ_B - μ) / σ within ±d_max, both
    without gradient; r_max = 1 and d_max = 0 are batch normalization. At inference it is batch normalization.
    """

    momentum: Probability = Field(0.01, description="share of a batch's statistics in the new running ones")
    r_max: Ratio = Field(3.0, description="largest correction of the deviation, as a factor")
    d_max: Gain = Field(5.0, description="largest correction of the mean, in running deviations")

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The mean and deviation, and beside them r and, with scales, d and the product of the scales and r."""
        return Saved((0,), full=(5 if self.affine else 3) * xs[0].channels)

    def moments(self, x: Moments) -> Moments:
        """The moments at first, when the running mean is 0 and the deviation 1: within r_max and d_max nothing
        changes."""
        runs = join((n, self._renormalize(part, self.span(x.shape))) for n, part in x.runs)
        within = all(self._is_within(part) for _, part in x.runs if part.second)
        doubts: Doubts = x.doubts if within else x.doubts | FEW
        return replace(x.mixed(), runs=runs, doubts=doubts, hollow=False, rectified=None)

    def factor(self, x: ChannelMoments, span: tuple[int, float]) -> float:
        variance = max(0.0, x.second - x.common) + self.eps
        correction = min(self.r_max, max(1 / self.r_max, sqrt(variance / (1 + self.eps))))
        return super().factor(x, span) * correction**2

    def _renormalize(self, x: ChannelMoments, span: tuple[int, float]) -> ChannelMoments:
        gain = self.start if self.affine else 1.0
        mean = min(self.d_max, max(-self.d_max, x.mean))
        kept = min(self.d_max**2, x.common)  # the square of d
        own = self.factor(x, span) * max(0.0, x.second - x.common)
        return ChannelMoments(gain * mean, own + gain**2 * kept, gain**2 * kept)

    def _is_within(self, x: ChannelMoments) -> bool:
        """Tell whether both corrections are far from their bounds."""
        own = x.second - x.common
        return 1.1 / self.r_max**2 < own < self.r_max**2 / 1.1 and 9 * x.common < self.d_max**2


class SampleNorm(Normalization):
    """Each sample has its own statistics, in training as at inference."""

    @property
    def sees_all(self) -> bool:
        return True

    @property
    def by_sample(self) -> bool:
        return True

    @abstractmethod
    def count_groups(self, x: Shape) -> int:
        """The number of means and deviations that one sample has."""

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout() if self._takes_differences(xs[0]) else super().lay(layouts, *xs, batch=batch)

    def straightens(self, layout: Layout, x: Shape) -> bool:
        """False for values in order, or of two or three axes with channels last; single values become differences."""
        fits = layout.whole and (layout.is_in_order(x) or x.rank > 1)
        return not fits or self._takes_differences(x)

    def _takes_differences(self, x: Shape) -> bool:
        """Tell whether each group is a single value: torch is given x - x, whose single position it takes to be in
        order."""
        return self.count_groups(x) == x.elements

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The statistics, which are as precise as the stored scales, or as the values where there are none."""
        statistics = 2 * batch * self.count_groups(xs[0])
        return Saved((0,), full=statistics) if self.affine else Saved((0,), values=statistics)


class LayerNorm(SampleNorm):
    """Normalizes each sample by itself: over channels and positions, or (`over: channels`) at each position."""

    over: Literal["sample", "channels"] = Field(
        "sample", description="what the statistics are taken over: the whole sample, or the channels at each position"
    )

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(channels_last=True) if self.over == "channels" else super().lay(layouts, *xs, batch=batch)

    def straightens(self, layout: Layout, x: Shape) -> bool:
        return self.over == "sample" and super().straightens(layout, x)

    @property
    def sees_all(self) -> bool:
        return self.over == "sample"

    def count_groups(self, x: Shape) -> int:
        return 1 if self.over == "sample" else x.elements // x.channels

    def span(self, shape: Shape) -> tuple[int, float]:
        return shape.channels, prod(shape.space) if self.over == "sample" else 1


class GroupNorm(SampleNorm):
    """Normalizes each sample over the positions and channels of one of `groups` groups of channels."""

    main: ClassVar[str | None] = "groups"

    groups: Positive = Field(32, description="groups of channels, each with statistics of its own")

    def infer(self, x: Shape) -> Shape:
        fits = x.channels % self.groups == 0
        if not fits:
            fitting = gcd(self.groups, x.channels)
            message = f"groups: {self.groups} does not divide the {x.channels} channels; {fitting} does"
            raise OpError(message, "groups")
        return x

    def count_groups(self, x: Shape) -> int:
        return self.groups

    def span(self, shape: Shape) -> tuple[int, float]:
        return shape.channels // self.groups, prod(shape.space)


class InstanceNorm(SampleNorm):
    """Normalizes each channel of each sample over its positions."""

    affine: Flag = Field(False, description="scales and shifts each channel by learned numbers")

    def infer(self, x: Shape) -> Shape:
        if x.rank < 1:
            raise OpError(f"instance_norm needs spatial axes, found the vector {x}")
        return x

    def count_groups(self, x: Shape) -> int:
        return x.channels

    def span(self, shape: Shape) -> tuple[int, float]:
        return 1, prod(shape.space)


def _given(runs: ChannelRuns[ChannelMoments], chance: Chance | None) -> ChannelRuns[ChannelMoments]:
    """The moments of what chance keeps."""
    return tuple([(n, chance.given(part)) for n, part in runs]) if chance else runs


class Settled(NamedTuple):
    """The outcome of a normalization of some channels: their moments, what it multiplies squares by, and whether eps
    does not matter, so that the result has the second moment that it should, whatever it is of."""

    part: ChannelMoments
    factor: float
    sharp: bool


@lru_cache(maxsize=4096)
def _settle(
    x: ChannelMoments, level: ChannelMoments, channels: int, values: float, scale: float, eps: float
) -> Settled:
    """Compute what becomes of channels with the moments `x`, where statistics are over so many channels, `level` on
    average, and so many values of each: E (x - m)² is E x² - 2 E x m + E m², with the mean m that is taken off."""
    square, product = _meet_mean(level, level, channels, values)
    met, met_apart = (square, product) if x == level else _meet_mean(x, level, channels, values)
    variance = max(0.0, level.second - square)
    factor = scale**2 / (variance + eps)
    part = ChannelMoments(
        sqrt(factor) * (x.mean - level.mean),
        factor * max(0.0, x.second - 2 * met + square),
        factor * max(0.0, x.common - 2 * met_apart + product),
    )
    return Settled(part, factor, variance > 1e4 * eps or not level.second)


def _meet_mean(x: ChannelMoments, level: ChannelMoments, channels: int, values: float) -> tuple[float, float]:
    """The expected product of a value, and the mean over so many channels with the moments of `level` and so many
    values of each, x among them: of one sample, and of two. Positions are taken to share no more than samples do."""
    product = x.mean * level.mean + (x.common - x.mean**2) / channels
    return product + (x.second - x.common) / (channels * values), product
