"""The moments of values that move to other places: channels and positions that are taken, and what they give back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from archspec.ops.signal.axis import Axis
from archspec.ops.signal.moments import KINDS, NONE, Flow, Gradient, Moments
from archspec.ops.signal.runs import ChannelRuns, T, cut, join

NOTHING = Flow(0.0, 0.0)


def take_channels(x: Moments, taken: range) -> Moments:
    """The moments of some channels."""
    before = x.rectified and take_channels(x.rectified, taken)
    return replace(x, runs=_take(x.runs, taken), rectified=before)


def give_channels(gradient: Gradient, x: Moments, taken: range) -> Gradient:
    """The gradient that some channels leave at all: none at those that are not taken. Where these stand between the
    others, all of them get their mean."""
    step = taken.step
    given = [(n * step, Flow(flow.second / step, flow.at_rectifier / step)) for n, flow in gradient.runs]
    kept = cut(tuple(given), 0, x.channels - taken.start)
    rest = x.channels - taken.start - sum(n for n, _ in kept)
    runs = _leave_out_empty([(taken.start, NOTHING), *kept, (rest, NOTHING)])
    return replace(gradient, runs=join(runs), doubts=gradient.doubts | (KINDS if step > 1 else NONE))


def take_positions(x: Moments, place: int, taken: range) -> Moments:
    """The moments at some positions along an axis."""
    factor, axis = x.axes[place].take(taken)
    before = x.rectified and take_positions(x.rectified, place, taken)
    return x.times(1.0, factor, factor, axes=_put(x.axes, place, axis), rectified=before)


def give_positions(gradient: Gradient, x: Moments, place: int, taken: range) -> Gradient:
    """The gradient that some positions along an axis leave at all."""
    factor, axis = gradient.axes[place].give(taken, x.axes[place].size)
    return gradient.times(factor, axes=_put(gradient.axes, place, axis))


def roll_positions(axes: tuple[Axis, ...], shifts: Iterable[int]) -> tuple[Axis, ...]:
    """The spreads along each axis, whose positions move on by so many, those at the end to the start."""
    return tuple(axis.roll(shift) for axis, shift in zip(axes, shifts, strict=True))


def _take(runs: ChannelRuns[T], taken: range) -> ChannelRuns[T]:
    counts, start = [], 0
    for n, _ in runs:
        counts.append(_count_below(taken, start + n) - _count_below(taken, start))
        start += n
    return join(_leave_out_empty([(count, part) for count, (_, part) in zip(counts, runs, strict=True)]))


def _count_below(taken: range, end: int) -> int:
    """Count those of a rising range below a number."""
    return min(len(taken), max(0, -((taken.start - end) // taken.step)))


def _leave_out_empty(runs: Iterable[tuple[int, T]]) -> list[tuple[int, T]]:
    return [(n, part) for n, part in runs if n > 0]


def _put(axes: tuple[Axis, ...], place: int, axis: Axis) -> tuple[Axis, ...]:
    return (*axes[:place], axis, *axes[place + 1 :])
