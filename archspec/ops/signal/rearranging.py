"""The moments of values that are laid out in another shape."""

from __future__ import annotations

from dataclasses import replace

from archspec.ops.signal.axis import MAX_AXIS, Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import BORDER, KINDS, NONE, Gradient, Moments
from archspec.ops.signal.runs import ChannelRuns, T, average, count_channels, group_channels, join
from archspec.ops.values import Shape

MAX_DEALT = 1 << 14
"""The largest number of channels that are put in another order one by one, where they are of several kinds."""


def lay_in_a_row(x: Moments) -> Moments:
    """The moments of all positions in one row."""
    size = x.positions
    axis = Axis(size, exact=all(axis.exact for axis in x.axes))
    if any(axis.profile for axis in x.axes):
        axis = Axis(size, _multiply(x.axes), axis.exact) if size <= MAX_AXIS else Axis(size, exact=False)
    return replace(x, axes=(axis,), rectified=x.rectified and lay_in_a_row(x.rectified))


def lay_out_a_row(x: Moments, shape: Shape) -> Moments:
    """The moments of a row that becomes a map of this shape; a spread along it is evened out."""
    even = x.axes[0].profile is None
    axes = tuple(Axis(size, exact=even and x.axes[0].exact) for size in shape.space)
    doubts = x.doubts if even else x.doubts | BORDER
    return replace(x, axes=axes, doubts=doubts, rectified=x.rectified and lay_out_a_row(x.rectified, shape))


def _multiply(axes: tuple[Axis, ...]) -> tuple[float, ...]:
    values: tuple[float, ...] = (1.0,)
    for axis in axes:
        values = tuple(one * other for one in values for other in axis.values)
    return values


def exchange_axes(x: Moments) -> Moments:
    """The moments of a row whose positions become channels, and its channels positions: two positions are of two
    channels before, which have nothing in common but their means."""
    size, whole = x.positions, x.whole
    squares = sum(n * part.mean**2 for n, part in x.runs) / x.channels
    common = whole.mean**2 + (whole.common - squares) / x.channels
    more = max(0.0, whole.common - common) / whole.second if whole.second else 0.0
    return replace(
        x,
        runs=((size, whole._replace(common=common)),),
        axes=(Axis(x.channels, exact=x.axes[0].exact),),
        rectified=x.rectified and exchange_axes(x.rectified),
        doubts=x.doubts | (NONE if len(x.runs) == 1 else BORDER) | (KINDS if x.axes[0].profile else NONE),
        uneven=x.uneven + more,
    )


def exchange_axes_of_flow(gradient: Gradient) -> Gradient:
    """The gradient at a row, of that at the row whose channels are its positions."""
    (axis,) = gradient.axes
    doubts = gradient.doubts | (NONE if len(gradient.runs) == 1 else BORDER) | (KINDS if axis.profile else NONE)
    flows = ((axis.size, average(gradient.runs)),)
    return replace(gradient, runs=flows, axes=(Axis(count_channels(gradient.runs), exact=axis.exact),), doubts=doubts)


def put_into_blocks(x: Moments, block: int) -> Moments:
    """The moments of blocks of positions that become channels; a spread within them is evened out."""
    count = block ** len(x.axes)
    return replace(
        x,
        runs=tuple((n * count, part) for n, part in x.runs),
        axes=tuple(axis.merge(block) for axis in x.axes),
        rectified=x.rectified and put_into_blocks(x.rectified, block),
        doubts=x.doubts | (KINDS if any(axis.profile for axis in x.axes) else NONE),
    )


def take_out_of_blocks(x: Moments, block: int) -> Moments:
    """The moments of channels that become blocks of positions: two positions of a channel seldom are of one before."""
    count = block ** len(x.axes)

    def law(part: ChannelMoments) -> ChannelMoments:
        return part._replace(common=part.common / count + (1 - 1 / count) * part.mean**2)

    runs = join((n // count, law(part)) for n, part in group_channels(x.runs, count))
    after, before = average(runs), x.whole
    more = max(0.0, before.common - after.common) / before.second if before.second else 0.0
    axes = tuple(axis.repeat(block) for axis in x.axes)
    alike = len(x.runs) == 1
    rectified = take_out_of_blocks(x.rectified, block) if x.rectified else None
    doubts = x.doubts | (NONE if alike else KINDS)
    return replace(x, runs=runs, axes=axes, rectified=rectified, doubts=doubts, uneven=x.uneven + more)


def flow_out_of_blocks(gradient: Gradient, block: int) -> Gradient:
    """The gradient at blocks of positions, of that at the channels which they became."""
    count = block ** len(gradient.axes)
    runs = join((n // count, flow) for n, flow in group_channels(gradient.runs, count))
    doubts = gradient.doubts | (NONE if len(gradient.runs) == 1 else KINDS)
    return replace(gradient, runs=runs, axes=tuple(axis.repeat(block) for axis in gradient.axes), doubts=doubts)


def flow_into_blocks(gradient: Gradient, block: int) -> Gradient:
    """The gradient at channels, of that at the blocks of positions which they became."""
    count = block ** len(gradient.axes)
    runs = tuple((n * count, flow) for n, flow in gradient.runs)
    doubts = gradient.doubts | (KINDS if any(axis.profile for axis in gradient.axes) else NONE)
    return replace(gradient, runs=runs, axes=tuple(axis.merge(block) for axis in gradient.axes), doubts=doubts)


def deal_channels(runs: ChannelRuns[T], groups: int) -> ChannelRuns[T]:
    """The channels dealt out from so many groups, one of each after the other."""
    channels = count_channels(runs)
    if len(runs) == 1 or groups in (1, channels):
        return runs
    if channels > MAX_DEALT:
        return ((channels, average(runs)),)
    parts = [part for n, part in runs for _ in range(n)]
    size = channels // groups
    return join((1, parts[group * size + place]) for place in range(size) for group in range(groups))
