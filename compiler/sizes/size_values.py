"""One dynamic size at a time: where a graph fits while the others keep their values, found by trying and proven beyond.

From some value on, the horizon, no comparison of two extents changes its outcome any more, and what fits repeats with a
period. So trying the values below the horizon, and one period beyond it, tells of all.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from itertools import combinations, pairwise, zip_longest
from math import floor, lcm

from archspec.bounds import MAX_WHOLE
from compiler.onnx_file.accepted import AcceptedSize
from compiler.sizes.conditions import hold
from compiler.sizes.extents import GraphExtents
from compiler.sizes.laws import Extent, LayerLaw, ProductLaw, Rates, ShapeLaw, SizeLaw

MAX_EFFORT = 1_000_000
"""The largest number of extents that are computed for one size. Where it takes more to know of all values, the rule
says which were tried."""

MAX_RATES = 16
"""The largest number of rates at which one extent may grow; of more, nothing is said of it."""

STILL: Rates = frozenset({Fraction(0)})


class SizeValues:
    """The values of one size, and what follows from them."""

    def __init__(self, extents: GraphExtents, name: str, *, keep_weights: bool = False) -> None:
        self.value = extents.sizes[name]
        self._own = [extent.own for extent in extents.all]
        moving = {i: extent for i, extent in enumerate(extents.all) if name in extent.letters}
        self._moving = {i: _hold(extent, moving, self._own) for i, extent in moving.items()}
        self._equal = {i for i, extent in self._moving.items() if isinstance(extent.law, SizeLaw)}
        self._others = [(i, e.law, e.operands) for i, e in self._moving.items() if i not in self._equal]
        kept = extents.kept if keep_weights else ()
        self._stays = not self._equal.isdisjoint(kept)
        conditions = [*extents.conditions, *(hold(i, self._own[i]) for i in kept)]
        self._conditions = [found for found in conditions if self._moving.keys() & set(found.operands)]
        self._fitting: dict[int, bool] = {}
        self._most = MAX_EFFORT // max(1, len(self._moving) + len(self._conditions))

    def compute(self, size: int) -> list[int] | None:
        """Compute all extents at this value; None where there is no such shape."""
        row = self._own.copy()
        for i in self._equal:
            row[i] = size
        for i, law, operands in self._others:
            found = law(*[row[operand] for operand in operands])
            if found is None:
                return None
            row[i] = found
        return row

    def fits(self, size: int) -> bool:
        known = self._fitting.get(size)
        if known is None:
            row = self.compute(size)
            known = row is not None and all(
                condition.holds(*[row[operand] for operand in condition.operands]) for condition in self._conditions
            )
            self._fitting[size] = known
        return known

    def find_row(self, beside: Mapping[str, int]) -> AcceptedSize:
        """Find the densest row of values that fit, through the own one."""
        if self._stays:
            return AcceptedSize(self.value, self.value, 0, beside=beside)
        if self.horizon is None or self.horizon > self._most or self.period > MAX_WHOLE:
            return self._find_tried(beside)
        step = next(filter(self._never_ends, self._steps(self.horizon)), 0)
        if step:
            few = self.period <= self._most
            return AcceptedSize(self.value, self._descend(step, self.horizon), step, beside=beside, complete=few)
        return self._choose(1, self.horizon + self.period, beside)

    def list_telling(self, rule: AcceptedSize | None = None) -> list[int] | None:
        """List values that fit, of a rule or of all, such that two extents that are equal at these are so at all of
        them; None where these are too many or not known."""
        if self.horizon is None:
            return None
        first, step, last = (rule.first, rule.step or 1, rule.last) if rule else (1, 1, None)
        start = first + max(0, -(-(max(self.horizon, self.value) - first) // step)) * step
        end = start + lcm(self.period, step) * (self._degree + 1)
        below, beyond = range(first, min(self.horizon, start), step), range(start, end, step)
        if last is not None:
            below, beyond = range(first, last + 1, step), range(0)
        if len(below) + len(beyond) > self._most:
            return None
        return [size for size in (*below, *beyond) if rule or self.fits(size)]

    @cached_property
    def _rates(self) -> dict[int, Rates | None]:
        """The rates of the extents; None where they are not known, or grow other than straight."""
        rates: dict[int, Rates | None] = {}
        for i, extent in self._moving.items():
            before = [rates.get(operand, STILL) for operand in extent.operands]
            known = [rate for rate in before if rate is not None]
            rates[i] = extent.law.grow(*known) if len(known) == len(before) else None
        return rates

    @cached_property
    def period(self) -> int:
        """A number of positions with which what fits repeats, beyond the horizon.

        It changes every extent by whole numbers. What grows straight changes by its rate; m times as many positions
        change each of these by multiples of m, and so their products and sums, which a layer behind divides further.
        """
        straight, divisors = 1, dict[int, int]()
        for i, extent in self._moving.items():
            before, divisor = [self._rates.get(operand, STILL) for operand in extent.operands], extent.law.divisor
            for rate in before:
                straight = lcm(straight, *((each / divisor).denominator for each in rate or ()))
            if None in before or self._rates[i] is None:
                divisors[i] = divisor * lcm(*(divisors.get(operand, 1) for operand in extent.operands))
        return straight * lcm(*divisors.values()) * lcm(*(found.modulus for found in self._conditions))

    @cached_property
    def _degrees(self) -> dict[int, int]:
        degrees: dict[int, int] = {}
        for i, extent in self._moving.items():
            degrees[i] = extent.law.degree(*(degrees.get(operand, 0) for operand in extent.operands))
        return degrees

    @property
    def _degree(self) -> int:
        return max(self._degrees.values(), default=0)

    @cached_property
    def horizon(self) -> int | None:
        """The value from which on no comparison changes its outcome; None where it is not known."""
        starts: dict[int, int] = {}
        for i, extent in self._moving.items():
            start = max((starts.get(operand, 1) for operand in extent.operands), default=1)
            if isinstance(extent.law, ShapeLaw) or len(self._rates[i] or ()) > MAX_RATES:
                return None
            if isinstance(extent.law, LayerLaw) and extent.law.stride_fraction is None:
                start = max(start, self.value)
            if extent.law.compares:
                found = self._find_crossing(extent.operands, (), start)
                if found is None:
                    return None
                start = found
            starts[i] = start
        end = max(starts.values(), default=1)
        for condition in self._conditions:
            if condition.compares:
                found = self._find_crossing(condition.operands, condition.constants, end)
                if found is None:
                    return None
                end = max(end, found)
        return end

    def _find_crossing(self, operands: Sequence[int], constants: Sequence[int], start: int) -> int | None:
        """Find from where on the order of these extents and constants stays."""
        if self._grow_alike(operands, constants):
            return start
        base, turns = max(self.value, start), self._degree + 1
        if self.period * turns > self._most:
            return None
        end = start
        for first in range(base, base + self.period):
            rows = [self.compute(first + turn * self.period) for turn in range(turns)]
            columns = [[row[operand] for row in rows if row] for operand in operands]
            columns += [[constant] * turns for constant in constants]
            if None not in rows:
                for one, other in combinations(columns, 2):
                    settled = _settle([a - b for a, b in zip(one, other, strict=True)])
                    end = max(end, first + settled * self.period if settled is not None else start)
        return end

    def _grow_alike(self, operands: Sequence[int], constants: Sequence[int]) -> bool:
        rates = {self._rates.get(operand, STILL) for operand in operands} | ({STILL} if constants else set())
        straight = all(self._degrees.get(operand, 0) <= 1 for operand in operands)
        return straight and len(rates) == 1 and len(next(iter(rates)) or ()) == 1

    def _steps(self, horizon: int) -> Iterator[int]:
        """List the steps of rows that may have no end, from the smallest: divisors of the period where these are few
        enough to try, and the period and its multiples, which may leave out values below the horizon."""
        if self.period <= self._most:
            yield from (step for step in range(1, self.period) if self.period % step == 0)
        yield from range(self.period, max(0, horizon - self.value) + 2 * self.period, self.period)

    def _never_ends(self, step: int) -> bool:
        end = max(self.horizon or 1, self.value) + lcm(self.period, step)
        return all(map(self.fits, range(self.value, end, step)))

    def _descend(self, step: int, horizon: int) -> int:
        """The first of a row without end. In it, above the horizon, what is too small stays too small."""
        lowest, cycle = self.value, lcm(self.period, step)
        if self.value >= horizon:
            ends = []
            for top in range(self.value, max(horizon - 1, self.value - cycle), -step):
                if not self.fits(top):
                    ends.append(top)
                    break
                ends.append(top - (1 + _last(partial(self._fits_below, top, cycle), (top - horizon) // cycle)) * cycle)
            ends = [end for end in ends if end >= horizon]
            if ends:
                return max(ends) + step
            lowest = self.value - (self.value - horizon) // step * step
        while lowest > step and self.fits(lowest - step):
            lowest -= step
        return lowest

    def _fits_below(self, top: int, cycle: int, turns: int) -> bool:
        return self.fits(top - turns * cycle)

    def _find_tried(self, beside: Mapping[str, int]) -> AcceptedSize:
        start = max(1, self.value - self._most // 2)
        return self._choose(start, min(self.value + self._most // 2, MAX_WHOLE), beside, complete=False)

    def _extend(self, step: int, start: int, end: int) -> range:
        """The values that fit around the own one, in both directions until one does not."""
        low = high = self.value
        while low - step >= start and self.fits(low - step):
            low -= step
        while high + step < end and self.fits(high + step):
            high += step
        return range(low, high + 1, step)

    def _choose(self, start: int, end: int, beside: Mapping[str, int], *, complete: bool = True) -> AcceptedSize:
        """The row through the own value that has the most members that fit, and of these the smallest step."""
        best = range(self.value, self.value + 1)
        for step in range(1, max(end - self.value, self.value - start) + 1):
            if (end - start) // step < len(best):
                break
            row = self._extend(step, start, end)
            best = max(best, row, key=len)
        if len(best) == 1:
            return AcceptedSize(self.value, self.value, 0, beside=beside, complete=complete)
        return AcceptedSize(self.value, best[0], best.step, best[-1], beside, complete)


def _hold(extent: Extent, moving: Container[int], own: Sequence[int]) -> Extent:
    """A product of which some operands keep their values is one of the moving ones."""
    still = [own[i] for i in extent.operands if i not in moving]
    if not still or not isinstance(extent.law, ProductLaw):
        return extent
    return replace(extent, law=extent.law.hold(still), operands=tuple(i for i in extent.operands if i in moving))


def _settle(differences: Sequence[int]) -> int | None:
    """Find after how many turns a difference keeps its sign for good, a polynomial of the turns 0, 1, …; None where it
    never changes. Exact for a straight one, and else the bound of Cauchy on the roots."""
    terms: list[Fraction] = []
    power, steps = [Fraction(1)], [*differences]
    for order in range(len(differences)):  # Newton's series: Σ Δᵏ f(0) (x over k)
        terms = [a + steps[0] * b for a, b in zip_longest(terms, power, fillvalue=Fraction(0))]
        shifted = [Fraction(0), *power]
        power = [(a - order * b) / (order + 1) for a, b in zip_longest(shifted, power, fillvalue=Fraction(0))]
        steps = [after - before for before, after in pairwise(steps)]
    while len(terms) > 1 and not terms[-1]:
        terms.pop()
    if len(terms) == 1:
        return None
    if len(terms) == 2:
        return floor(-terms[0] / terms[1]) + 1
    return 2 + floor(max(map(abs, terms[:-1])) / abs(terms[-1]))


def _last(holds: Callable[[int], bool], limit: int) -> int:
    """The largest k up to `limit` for which `holds`, given that it holds at 0 and, once false, stays so."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
