"""The params of a spec that a search varies, and the values that they take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from archspec.bounds import MAX_WHOLE
from archspec.errors import ArchspecError, suggest
from archspec.wording import cut

_VARY = re.compile(
    r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<index>[0-9]{1,4})\])?"
    r"(?:=(?P<low>NUMBER)\.\.(?P<high>NUMBER))?(?::(?P<step>NUMBER))?".replace(
        "NUMBER", r"[0-9]{1,10}(?:\.[0-9]{1,6})?"
    )
)


@dataclass(frozen=True, slots=True)
class Variation:
    """A param that is varied, an entry of a list, or a whole list in proportion to its first entry; and its values,
    from `low` in steps to `high` (None: as far as the budgets reach)."""

    name: str
    index: int | None = None
    low: Fraction = Fraction(1)
    high: Fraction | None = None
    step: Fraction = Fraction(1)

    @property
    def count(self) -> int:
        """The number of its values."""
        return floor(((MAX_WHOLE if self.high is None else self.high) - self.low) / self.step) + 1

    def exact(self, position: int) -> Fraction:
        return self.low + position * self.step

    def value(self, position: int) -> int | float:
        return _as_number(self.exact(position))

    def has(self, value: Fraction) -> bool:
        """Tell whether it takes a value."""
        steps = (value - self.low) / self.step
        return steps.denominator == 1 and 0 <= steps < self.count

    def locate(self, value: Fraction) -> int:
        """Find the position of the largest value up to this one."""
        return floor((value - self.low) / self.step)

    def find_own(self, params: Mapping[str, Any]) -> Fraction:
        """Find the value that the spec itself has."""
        own = params[self.name]
        return Fraction(str(own[self.index or 0] if isinstance(own, list) else own))

    def choose(self, position: int, params: Mapping[str, Any]) -> Any:
        """Give the param's whole value at a position, for the params of the spec."""
        value, own = self.value(position), params[self.name]
        if self.index is not None:
            return [*own[: self.index], value, *own[self.index + 1 :]]
        if not isinstance(own, list):
            return value
        scaled = (Fraction(entry) * Fraction(value) / Fraction(own[0]) for entry in own)
        return [value, *(self._round(entry) for entry in list(scaled)[1:])]

    def _round(self, value: Fraction) -> int | float:
        """The nearest multiple of the step, and at least one of it."""
        return _as_number(max(1, floor(value / self.step + Fraction(1, 2))) * self.step)

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


def parse_variation(text: str, params: Mapping[str, Any]) -> Variation:
    """Read `width`, `width=64..512:8` or `depths[2]=1..40`, for a spec with these params. Raises ArchspecError."""
    match = _VARY.fullmatch(text)
    if match is None:
        message = "what is varied is PARAM, PARAM[INDEX] or either with =LOW..HIGH and :STEP, as in width=64..512:8"
        raise ArchspecError(f"{message}; found '{cut(text, 80)}'")
    name, index = match["name"], None if match["index"] is None else int(match["index"])
    if name not in params:
        listing = f"there is {', '.join(params)}" if params else "it has none"
        raise ArchspecError(f"the spec has no param '{name}'{suggest(name, params)}; {listing}")
    _check_numbers(name, index, params[name])
    step = Fraction(match["step"] or 1)
    low, high = (None if match[key] is None else Fraction(match[key]) for key in ("low", "high"))
    if not step or (low is not None and high is not None and low > high):
        raise ArchspecError(f"'{cut(text, 80)}' has no values: a step is more than 0, and LOW at most HIGH")
    return Variation(name, index, step if low is None else low, high, step)


def _check_numbers(name: str, index: int | None, value: Any) -> None:
    if index is not None and not (isinstance(value, list) and index < len(value)):
        found = f"a list of {len(value)}" if isinstance(value, list) else "no list"
        raise ArchspecError(f"'{name}[{index}]': {name} is {found}")
    entries = [value] if not isinstance(value, list) else value if index is None else [value[index]]
    if not entries or not all(
        isinstance(entry, int | float) and not isinstance(entry, bool) and entry > 0 for entry in entries
    ):
        raise ArchspecError(f"'{name}' is {value}; only positive numbers can be varied")


def _as_number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
