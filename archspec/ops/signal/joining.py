"""The moments of maps one behind the other along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.ops.signal.axis import MAX_AXIS, Axis, blend, even_out
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import KINDS, NONE, Moments, doubt_all, join_doubts
from archspec.ops.signal.runs import align, average, join


def join_positions(operands: Sequence[Moments], place: int) -> Moments:
    """The positions of all along one axis: means by their shares of it; two positions of a channel may be of two
    operands, which have no more in common than their means."""
    size = sum(x.axes[place].size for x in operands)
    shares = [x.axes[place].size / size for x in operands]

    def law(parts: Sequence[ChannelMoments]) -> ChannelMoments:
        mean = sum(share * part.mean for share, part in zip(shares, parts, strict=True))
        second = sum(share * part.second for share, part in zip(shares, parts, strict=True))
        own = sum(share**2 * (part.common - part.mean**2) for share, part in zip(shares, parts, strict=True))
        return ChannelMoments(mean, second, own + mean**2)

    runs = join((n, law(parts)) for n, parts in align(*(x.runs for x in operands)))
    whole = average(runs)
    alike = all(len(x.runs) == 1 for x in operands)
    common = sum(share * x.whole.common for share, x in zip(shares, operands, strict=True))
    return Moments(
        runs,
        _join_axes(operands, place, size, whole.second),
        doubts=join_doubts(operands, doubt_all(operands) | (NONE if alike else KINDS)),
        normal=all(x.normal and not x.chance for x in operands),
        hollow=all(x.hollow for x in operands),
        narrow=max(x.narrow for x in operands),
        least=max(x.least for x in operands),
        drawn=max(x.drawn for x in operands),
        uneven=max(x.uneven for x in operands) + (max(0.0, common - whole.common) / (whole.second or 1.0)),
    )


def _join_axes(operands: Sequence[Moments], place: int, size: int, second: float) -> tuple[Axis, ...]:
    weights = tuple(x.axes[place].size * x.whole.second for x in operands)
    rows = [x.axes[:place] + x.axes[place + 1 :] for x in operands]
    others = [blend(weights, column) for column in zip(*rows, strict=True)]
    if size > MAX_AXIS or not second:
        joined = Axis(size, exact=False)
    else:
        values = [x.whole.second / second * value for x in operands for value in x.axes[place].values]
        joined = even_out(values, all(x.axes[place].exact for x in operands))[1]
    return (*others[:place], joined, *others[place:])
