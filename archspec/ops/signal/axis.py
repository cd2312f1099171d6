"""The spread of a second moment along one spatial axis, and what sliding windows make of it.

A window that hangs over the border sums over fewer values, so a padded convolution leaves less at the border than
inside. The spread over several axes is taken as the product of the spreads along each: a convolution of a product is
one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import sqrt

from archspec.ops.window import Fill, Window, fold

MAX_AXIS = 1024
"""The largest number of positions of an axis whose borders are accounted for: beyond, they are a thousandth of it."""


@dataclass(frozen=True)
class Axis:
    """The extent along an axis, and the second moment at each position relative to its mean over the axis; without
    `profile` it is even. `exact` is false where the spread is an approximation."""

    size: int
    profile: tuple[float, ...] | None = None
    exact: bool = True

    def __hash__(self) -> int:
        """The hash of the profile, kept: it is long, and asked for again and again."""
        kept: int | None = self.__dict__.get("_hash")
        if kept is None:
            kept = self.__dict__["_hash"] = hash((self.size, self.profile, self.exact))
        return kept

    @property
    def values(self) -> tuple[float, ...]:
        return self.profile or (1.0,) * self.size

    @cached_property
    def gaps(self) -> bool:
        """True if nothing at all is spread to some positions."""
        return self.profile is not None and 0.0 in self.profile

    @cached_property
    def roots(self) -> tuple[float, ...]:
        """The root of what is spread, at each position."""
        return tuple(map(sqrt, self.values)) if self.profile else self.values

    @cached_property
    def root(self) -> float:
        """The mean of the roots."""
        return sum(self.roots) / self.size if self.profile else 1.0

    @cached_property
    def square(self) -> float:
        """The mean square of what is spread."""
        return sum(value**2 for value in self.values) / self.size if self.profile else 1.0

    def gather(self, window: Window, size: int) -> tuple[float, Axis]:
        """The sums over what each of `size` windows sees: their mean, and how they are spread."""
        if _is_long(self, window, size):
            return float(window.kernel), Axis(size, exact=False)
        return _gather(self, window, size)

    def spread(self, window: Window, size: int) -> tuple[float, Axis]:
        """The spread of the reverse: each value goes to all `size` positions that its window sees; their mean, and
        their spread."""
        if _is_long(self, window, size):
            return window.kernel * self.size / size, Axis(size, exact=False)
        return _spread(self, window, size)

    def cut(self, start: int, size: int) -> tuple[float, Axis]:
        """The spread over `size` positions from `start` on, of which those outside are zero."""
        if max(self.size, size) > MAX_AXIS:
            return min(1.0, self.size / size), Axis(size, exact=False)
        before, values = max(0, -start), self.values[max(0, start) : max(0, start + size)]
        return even_out((*(0.0,) * before, *values, *(0.0,) * (size - before - len(values))), self.exact)

    def take(self, taken: range) -> tuple[float, Axis]:
        """The spread over some of the positions: its mean, relative to that of all, and how it is spread."""
        size = len(taken)
        if self.profile is None or max(self.size, size) > MAX_AXIS:
            return 1.0, Axis(size, exact=self.exact and self.profile is None)
        return even_out(self.profile[taken.start : taken.stop : taken.step], self.exact)

    def give(self, taken: range, size: int) -> tuple[float, Axis]:
        """The spread of the reverse: over `size` positions, of which those that are not taken have nothing."""
        if max(self.size, size) > MAX_AXIS:
            return self.size / size, Axis(size, exact=False)
        values = [0.0] * size
        values[taken.start : taken.stop : taken.step] = self.values
        return even_out(values, self.exact)

    def flat(self) -> Axis:
        """The even spread over as many positions."""
        return Axis(self.size)

    def roll(self, shift: int) -> Axis:
        """The spread with each position so many further, and those at the end at the start."""
        if self.profile is None:
            return self
        start = -shift % self.size
        return Axis(self.size, (*self.profile[start:], *self.profile[:start]), self.exact)

    def mask(self, other: Axis) -> tuple[float, Axis]:
        """The spread where another is not zero."""
        if not other.gaps:
            return 1.0, self
        pairs = zip(self.values, other.values, strict=True)
        return even_out([own if there else 0.0 for own, there in pairs], self.exact)

    def repeat(self, times: int) -> Axis:
        """The spread with each position `times` times."""
        if self.profile is None or self.size * times > MAX_AXIS:
            return Axis(self.size * times, exact=self.exact and self.profile is None)
        return Axis(self.size * times, tuple(value for value in self.profile for _ in range(times)), self.exact)

    def merge(self, times: int) -> Axis:
        """The spread of the reverse: each position is the mean of `times`."""
        if self.profile is None:
            return Axis(self.size // times, exact=self.exact)
        starts = range(0, self.size, times)
        return Axis(self.size // times, tuple(sum(self.profile[i : i + times]) / times for i in starts), self.exact)


@lru_cache(maxsize=1024)
def share_seen(axis: Axis, window: Window, windows: int) -> float:
    """The sum Σ fₖ² over the kernel's taps, where fₖ is the mean over so many windows of the root of what a tap sees,
    relative to that root's mean over the axis: what windows see alike of values that go with the root."""
    if _is_long(axis, window, windows):
        return float(window.kernel)
    roots, stride = axis.roots, window.stride
    return sum(
        (sum(roots[start + first * stride : start + last * stride + 1 : stride]) / (windows * axis.root)) ** 2
        for start, first, last in _find_inside(window, windows, axis.size)
    )


@lru_cache(maxsize=1024)
def share_sent(axis: Axis, window: Window, size: int) -> float:
    """Share a gradient where each value goes to those of `size` positions that its window sees."""
    if _is_long(axis, window, size):
        return window.kernel * (axis.size / size) ** 2
    return sum(
        (sum(axis.roots[first : last + 1]) / (size * axis.root)) ** 2
        for _, first, last in _find_inside(window, axis.size, size)
    )


def _is_long(axis: Axis, window: Window, size: int) -> bool:
    return max(axis.size, size, window.reach + window.padding) > MAX_AXIS


def _find_inside(window: Window, windows: int, seen: int) -> Iterator[tuple[int, int, int]]:
    """Find for each tap that has something to do where it stands in the first window, and the first and the last of so
    many windows from which it sees one of `seen` positions."""
    for tap in range(window.kernel):
        start = tap * window.dilation - window.before
        first, last = max(0, -(start // window.stride)), min(windows - 1, (seen - 1 - start) // window.stride)
        if first <= last:
            yield start, first, last


def place(axes: Sequence[Axis], space: Sequence[int]) -> tuple[float, tuple[Axis, ...]]:
    """The centre of a value, or a value in the centre of zeros, of which an odd one stands at the end: what is left of
    its second moment, and its spread."""
    factor, placed = 1.0, []
    for axis, size in zip(axes, space, strict=True):
        more = size - axis.size
        kept, axis = axis.cut(-(more // 2) if more > 0 else -more // 2, size)
        factor *= kept
        placed.append(axis)
    return factor, tuple(placed)


def spread_beyond(axis: Axis, before: int, after: int, beyond: Fill) -> tuple[float, Axis]:
    """The mean and the spread of a value with so many positions more, which hold what lies `beyond` its ends."""
    size = before + axis.size + after
    if beyond == "constant":
        return axis.cut(-before, size)
    if size > MAX_AXIS or axis.profile is None:
        return 1.0, Axis(size, exact=axis.exact and axis.profile is None)
    places = range(-before, axis.size + after)
    return even_out([axis.profile[fold(place, axis.size, beyond)] for place in places], axis.exact)


def fold_back(axis: Axis, before: int, size: int, beyond: Fill) -> tuple[float, Axis]:
    """The spread of the reverse: each of `size` positions gets what its own place and its copies have."""
    if beyond == "constant":
        return axis.cut(before, size)
    if axis.size > MAX_AXIS:
        return axis.size / size, Axis(size, exact=False)
    sums = [0.0] * size
    for place, value in enumerate(axis.values, start=-before):
        sums[fold(place, size, beyond)] += value
    return even_out(sums, axis.exact)


def even_out(sums: Sequence[float], exact: bool) -> tuple[float, Axis]:
    """The mean of values along an axis, and their spread."""
    mean = sum(sums) / len(sums)
    if mean == 0 or max(sums) - min(sums) <= 1e-12 * mean:
        return mean, Axis(len(sums), exact=exact)
    return mean, Axis(len(sums), tuple(value / mean for value in sums), exact)


def even(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    """Give the axes of values whose second moment is the same at all positions."""
    return tuple([Axis(axis.size) for axis in axes])


def divide_by(axes: Iterable[Axis], spread: Iterable[Axis]) -> tuple[float, tuple[Axis, ...]]:
    """Divide what is spread along `axes` by what is spread otherwise: the mean of quotients, and their spread. Where
    nothing is to be divided by, the quotient is left out."""
    factor, divided = 1.0, []
    for axis, other in zip(axes, spread, strict=True):
        if other.profile is not None:
            quotients = [a / b if b else 0.0 for a, b in zip(axis.values, other.values, strict=True)]
            mean, axis = even_out(quotients, False)
            factor *= mean
        divided.append(axis)
    return factor, tuple(divided)


def divide_squared(slid: tuple[float, Axis], counted: tuple[float, Axis]) -> tuple[float, Axis]:
    """Sums at each position, or their mean and spread, over the squares of other numbers there."""
    (total, axis), (count, counts) = slid, counted
    if axis.profile is None and counts.profile is None:
        return total / count**2, axis
    ratios = [value / number**2 for value, number in zip(axis.values, counts.values, strict=True)]
    mean, spread = even_out(ratios, axis.exact)
    return total * mean / count**2, spread


@lru_cache(maxsize=1024)
def blend(weights: tuple[float, ...], axes: tuple[Axis, ...]) -> Axis:
    """The spread of a sum whose terms have these second moments. Where they differ it is an approximation, since a sum
    of products is none."""
    kept = [axis for weight, axis in zip(weights, axes, strict=True) if weight] or axes[:1]
    if all(axis == kept[0] for axis in kept):
        return kept[0]
    size, total = kept[0].size, sum(weights)
    if size > MAX_AXIS:
        return Axis(size, exact=False)
    columns: Iterable[tuple[float, ...]] = zip(*[axis.values for axis in axes], strict=True)
    mixed = tuple([sum(map(float.__mul__, weights, column)) / total for column in columns])
    return Axis(size, mixed, exact=False)


@lru_cache(maxsize=1024)
def _gather(axis: Axis, window: Window, size: int) -> tuple[float, Axis]:
    last = window.stride * (size - 1) + 1
    after = max(0, last + window.reach - 1 - axis.size - window.before)
    padded = (*(0.0,) * window.before, *axis.values, *(0.0,) * after)
    starts = range(0, window.reach, window.dilation)
    return even_out([*map(sum, zip(*(padded[k : k + last : window.stride] for k in starts), strict=True))], axis.exact)


@lru_cache(maxsize=1024)
def _spread(axis: Axis, window: Window, size: int) -> tuple[float, Axis]:
    sums = [0.0] * max(window.stride * (axis.size - 1) + window.reach, window.before + size)
    for k in range(0, window.reach, window.dilation):
        for i, value in enumerate(axis.values):
            sums[k + i * window.stride] += value
    return even_out(sums[window.before : window.before + size], axis.exact)
