"""Positions along one axis, and the windows that slide over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Literal, TypeAlias

from archspec.ops.values import OpError

Span: TypeAlias = tuple[int, int]
"""The first and the last of a run of positions along one axis."""


Positions: TypeAlias = Iterable[range]
"""Some positions along one axis, as progressions in any order; they may overlap, and be empty."""


Fill: TypeAlias = Literal["constant", "edge", "reflect", "wrap"]
"""The values beyond the ends of a map: no value of it, the one at the end, those in front of it mirrored, or its other
end."""


MAX_TAPS = 1 << 16
"""The largest number of taps of a window of which each is looked at by itself."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides along one axis, with so many positions padded `before` and `after` its values."""

    kernel: int
    stride: int
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def reach(self) -> int:
        """The number of neighbouring positions that the dilated window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padding(self) -> int:
        """The number of positions that are padded, at both ends together."""
        return self.before + self.after

    @property
    def moves_nothing(self) -> bool:
        """True if it is a single position, and stands at each once."""
        return (self.kernel, self.stride, self.padding) == (1, 1, 0)

    def slide(self, size: int, *, ceil: bool = False) -> int:
        """Count the positions along an axis; with `ceil` a last window may hang over the end, but not start in the
        padding."""
        span = size + self.before + self.after - self.reach
        if not ceil:
            return span // self.stride + 1
        count = -(-span // self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= size + self.before else count

    def count_live(self, size: int, count: int) -> int:
        """The number of taps that lie within `size` positions under any of the first `count` windows; the others only
        ever lie in the padding."""
        first = max(0, _divide_up(self.before - (count - 1) * self.stride, self.dilation))
        last = min(self.kernel, _divide_up(size + self.before, self.dilation))
        if self.stride <= size or last - first > MAX_TAPS:
            return max(0, last - first)
        # Between two windows a tap may step over the map.
        starts = (tap * self.dilation - self.before for tap in range(first, last))
        return sum(start % self.stride < size if start < 0 else start < size for start in starts)

    def input_span(self, span: Span) -> Positions:
        """The positions under the taps of the windows from the first of `span` to the last."""
        (lo, hi), step = span, self.dilation
        start, end = lo * self.stride - self.before, hi * self.stride - self.before
        if lo == hi or (step == 1 and self.stride <= self.kernel):
            return (range(start, end + self.reach, step),)
        if self.stride == 1:
            return (range(start + tap, end + tap + 1) for tap in range(0, self.reach, step))
        return (range(place, place + self.reach, step) for place in range(start, end + 1, self.stride))

    def output_span(self, span: Span) -> Positions:
        """The windows with a tap in `span`: the other way round."""
        lo, hi = span[0] + self.before, span[1] + self.before
        if self.dilation == 1:
            return (range(_divide_up(lo - self.reach + 1, self.stride), hi // self.stride + 1),)
        if hi - lo < self.kernel:
            return map(self._find_writers, range(lo, hi + 1))
        taps = range(0, self.reach, self.dilation)
        return (range(_divide_up(lo - tap, self.stride), (hi - tap) // self.stride + 1) for tap in taps)

    def _find_writers(self, place: int) -> range:
        """The windows with a tap at one place, counted from the first window's start. Of its taps those count for which
        tap · dilation leaves the same rest, divided by the stride."""
        common = gcd(self.dilation, self.stride)
        if place % common:
            return range(0)
        turn = self.stride // common
        first = place // common * pow(self.dilation // common, -1, turn) % turn
        count = -(-(self.kernel - first) // turn)
        nearest, step = (place - first * self.dilation) // self.stride, self.dilation // common
        return range(nearest - (count - 1) * step, nearest + 1, step) if count > 0 else range(0)


PaddingRule: TypeAlias = Literal["same", "same_end", "causal"]
"""The rules by which a window has its padding: `same` and `same_end` keep the extent at stride 1, `causal` looks at
nothing behind."""


@lru_cache(maxsize=4096)
def pad_window(kernel: int, stride: int, padding: PaddingRule | int, dilation: int, size: int) -> Window:
    """The window along an axis of so many positions, with what a rule or a number pads there. Raises OpError.

    `same` pads half of reach - 1 at both ends, `causal` all of it before. `same_end` is TensorFlow's SAME: there are
    ⌈size / stride⌉ windows, and what these need more than there is lies half before, the odd position after.
    """
    reach = dilation * (kernel - 1) + 1
    if padding == "causal":
        return Window(kernel, stride, reach - 1, 0, dilation)
    if padding == "same_end":
        missing = max(0, (_divide_up(size, stride) - 1) * stride + reach - size)
        return Window(kernel, stride, missing // 2, missing - missing // 2, dilation)
    if padding == "same":
        if reach % 2 == 0:
            remedy = "give padding a number or `same_end`, or an even dilation"
            raise OpError(f"padding: same needs an odd kernel, found {kernel}; {remedy}", "kernel")
        padding = (reach - 1) // 2
    return Window(kernel, stride, padding, padding, dilation)


def say_padding(window: Window) -> PaddingRule | int | None:
    """Say what a window pads at every size, by a number or a rule; None where neither does."""
    if window.before == window.after:
        return window.before
    if window == pad_window(window.kernel, window.stride, "causal", window.dilation, 1):
        return "causal"
    even = window.stride == 1 and window.padding == window.reach - 1
    return "same_end" if even and window.after == window.before + 1 else None


def fold(place: int, extent: int, fill: Fill) -> int:
    """The position of a map whose value stands at a place beyond its ends."""
    if fill == "wrap":
        return place % extent
    if fill == "reflect":
        turn = 2 * (extent - 1) or 1
        return min(place % turn, -place % turn)
    return min(max(place, 0), extent - 1)


def count_pairs(extent: int, reach: int) -> int:
    """Count the pairs of positions of an axis that lie at most so far apart, in both orders, and each with itself: 2
    (extent - d) of them are d apart."""
    furthest = min(reach, extent - 1)
    return extent + furthest * (2 * extent - furthest - 1)


def run(span: Span) -> Positions:
    """List all positions from the first of `span` to the last."""
    return (range(span[0], span[1] + 1),)


def _divide_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
