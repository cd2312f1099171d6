"""The moments and gradients behind a layer with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from archspec.ops.signal.axis import Axis, blend
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Doubts, Flow, Gradient, Moments
from archspec.ops.signal.runs import average, group_channels, join


class RandomKernel(NamedTuple):
    """The first values of a kernel: how many channels it gives, in how many groups; the variances of one weight and of
    the bias; how many inputs an output sums over, and how many outputs an input reaches."""

    out: int
    groups: int
    variance: float
    bias_variance: float
    fan_in: float
    fan_out: float


def take_mean_off(x: Moments, channels: int, terms: int, whole: bool) -> Moments:
    """The moments of what a kernel sees whose weights for an output have the sum zero: it is the same without the mean
    of the values under it. These are so many `terms`, of so many channels; `whole` says that none is padding.

    Two weights of one output have the covariance -1 / (terms - 1) of a variance of 1.
    """
    level, squares = x.whole, sum(n * part.mean**2 for n, part in x.runs) / x.channels
    apart = level.mean**2 - squares / channels  # of two channels, which have nothing in common but their means
    taps = terms // channels
    second = (level.second + (taps - 1) * level.common) / terms + apart
    common, factor = level.common / channels + apart, terms / (terms - 1)

    def law(part: ChannelMoments) -> ChannelMoments:
        return ChannelMoments(0.0, factor * max(0.0, part.second - second), factor * max(0.0, part.common - common))

    even = whole or not level.common
    return x.each(law, doubts=x.doubts if even else x.doubts | {"border"})


def mix(drawn: RandomKernel, x: Moments, slid: Sequence[tuple[float, Axis]], shared: float) -> Moments:
    """The moments of sums of values times independent weights: their second moments add up.

    `slid` has for each axis the mean sum over what a window sees, and its spread; `shared` is what is left of the
    kernel's taps in the mean over all positions: near a border not each tap has something to do.
    """
    out, groups, kernel, bias, terms, _ = drawn
    size = x.channels // groups
    narrow = 1 / min(out, terms)
    gain, spread = kernel * size, prod([total for total, _ in slid])

    def law(value: ChannelMoments) -> ChannelMoments:
        second = gain * spread * value.second
        return ChannelMoments(0.0, second + bias, gain * shared * value.common + bias)

    alike = group_channels(x.runs, size) if groups > 1 else ((x.channels, x.whole),)
    runs = join([(n // size * (out // groups), law(value)) for n, value in alike])
    second = average(runs).second
    axes = [blend((second - bias, bias), (axis, Axis(axis.size))) if bias else axis for _, axis in slid]
    return Moments(
        runs,
        tuple(axes),
        _doubt_axes(x, slid),
        normal=not (x.sample and bias),
        chance=None if bias else x.sample,
        hollow=x.hollow,
        narrow=x.narrow + narrow,
        drawn=x.drawn + narrow,
        uneven=max(0.0, gain * (spread - shared) * x.whole.common / second) if second else 0.0,
        least=min(x.least, terms),
    )


def unmix(drawn: RandomKernel, gradient: Gradient, x: Moments, slid: Sequence[tuple[float, Axis]]) -> Gradient:
    """The gradient that such sums leave at their values."""
    out, groups, kernel, _, _, reached = drawn
    size = out // groups
    gain = kernel * size * prod([gain for gain, _ in slid])
    runs = [(n // size * (x.channels // groups), gain * flow.second) for n, flow in group_channels(gradient.runs, size)]
    return Gradient(
        join([(n, Flow(second, second)) for n, second in runs]),
        tuple([axis for _, axis in slid]),
        _doubt_axes(gradient, slid),
        gradient.narrow + 1 / (x.channels if groups == 1 else min(x.channels, reached)),
        gradient.edges,
    )


def _doubt_axes(value: Moments | Gradient, slid: Sequence[tuple[float, Axis]]) -> Doubts:
    return value.doubts if all(axis.exact for _, axis in slid) else value.doubts | {"border"}
