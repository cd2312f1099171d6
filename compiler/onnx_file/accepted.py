"""The values of a dynamic size that fit, as they are printed, and as a file says them.

They are what the metadata key `SIZES` says: elaboration finds them, and a session, which knows no network, reads them
from the file. So the class stands with the format that both share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.errors import ArchspecError
from archspec.strict_json import check_integer, check_keys, read_json

NUMBERS = ("value", "first", "step", "last")
"""The fields of `AcceptedSize` that a file says as numbers."""


@dataclass(frozen=True, slots=True)
class AcceptedSize:
    """The values of one dynamic size, the densest row of them through `value`: first, first + step, … up to `last`, or
    without end.

    `step` is 0 where `value` is the only one. Where the size depends on others, `beside` has these with their values:
    the row holds while they keep them. `complete` is false where larger or smaller sizes were not looked at, since
    nothing is known of how the shapes go on, or there are too many.

    >>> height = archspec.accepted_sizes(archspec.elaborate(archspec.load("unet")))["H"]
    >>> print(height, 572 in height, 573 in height, height.nearest(573))
    188 + 16·k True False 572
    """

    value: int
    first: int
    step: int
    last: int | None = None
    beside: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True

    @property
    def dynamic(self) -> bool:
        return self.step > 0

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int):
            return False
        if not self.dynamic:
            return size == self.value
        return size >= self.first and (self.last is None or size <= self.last) and (size - self.first) % self.step == 0

    def __str__(self) -> str:
        others = ", ".join(f"{name} is {value}" for name, value in self.beside.items())
        return f"{self._row()}{'' if self.complete else ' of those tried'}{f' while {others}' if others else ''}"

    def _row(self) -> str:
        if not self.dynamic:
            return f"{self.value} alone"
        if self.last is None:
            return f"any from {self.first}" if self.step == 1 else f"{self.first} + {self.step}·k"
        if self.first + self.step == self.last:
            return f"{self.first} and {self.last}"
        return f"{self.first} to {self.last}" if self.step == 1 else f"{self.first} + {self.step}·k up to {self.last}"

    def list_values(self) -> str:
        """The first values and the last as text: `8, 12, 16, … (written for 8)`."""
        if not self.dynamic:
            return f"only {self.value}"
        few = [size for size in range(self.first, self.first + 3 * self.step, self.step) if size in self]
        more = ", …" if few[-1] != self.last else ""
        end = f", {self.last}" if more and self.last else ""
        kept = " and ".join(f"{name} is {value}" for name, value in self.beside.items())
        shown = f"{', '.join(map(str, few))}{more}{end} (written for {self.value})"
        return f"{shown}{f' while {kept}' if kept else ''}"

    def nearest(self, size: int) -> int:
        """The accepted value nearest to `size`, the larger of two."""
        if not self.dynamic:
            return self.value
        below = max(self.first, size - (size - self.first) % self.step)
        above = below + self.step
        if self.last is not None:
            below, above = min(below, self.last), min(above, self.last)
        return min((above, below), key=lambda fit: abs(fit - size))

    def sample(self, start: int, count: int) -> list[int]:
        """A row of at most `count` accepted values, from the first that is at least `start` on, or the last `count`."""
        turns = max(0, -(-(start - self.first) // self.step)) if self.dynamic else 0
        if self.last is not None:
            turns = min(turns, max(0, (self.last - self.first) // self.step + 1 - count))
        row = (self.first + turn * self.step for turn in range(turns, turns + count)) if self.dynamic else [self.value]
        return [size for size in row if size in self]

    def to_dict(self) -> dict[str, object]:
        return {
            "value": self.value,
            **({"first": self.first, "step": self.step} if self.dynamic else {}),
            **({"last": self.last} if self.dynamic and self.last is not None else {}),
            **({"beside": sorted(self.beside)} if self.dynamic and self.beside else {}),
        }


def vary_apart(rules: Mapping[str, AcceptedSize]) -> list[str]:
    """The names of the dynamic sizes that may take any of their values at once: of those that depend on one another
    the first."""
    chosen: list[str] = []
    for name, rule in rules.items():
        if rule.dynamic and not any(other in rule.beside for other in chosen):
            chosen.append(name)
    return chosen


def print_sizes(rules: Mapping[str, AcceptedSize]) -> str:
    """Write the accepted sizes by name as JSON."""
    return json.dumps({name: rule.to_dict() for name, rule in rules.items()}, sort_keys=True)


def parse_sizes(text: str, what: str) -> dict[str, AcceptedSize]:
    """Read the accepted sizes by name from such JSON, which errors call `what`. Raises ArchspecError where it is
    malformed."""
    found = read_json(text, what)
    names = found if isinstance(found, dict) else ()
    written = check_keys(found, what, names)
    numbers = {name: _read_numbers(value, f"{what}: {name}") for name, value in written.items()}
    values = {name: row["value"] for name, row in numbers.items()}
    return {
        name: AcceptedSize(
            row["value"],
            row.get("first", row["value"]),
            row.get("step", 0),
            row.get("last"),
            _read_beside(written[name], values, f"{what}: {name}: beside"),
        )
        for name, row in numbers.items()
    }


def _read_numbers(found: object, what: str) -> dict[str, int]:
    fixed = not (isinstance(found, dict) and ("first" in found or "step" in found))
    keys = check_keys(found, what, ("value",) if fixed else NUMBERS[:3], () if fixed else (NUMBERS[3], "beside"))
    return {key: check_integer(keys[key], f"{what}: {key}") for key in NUMBERS if key in keys}


def _read_beside(found: Mapping[str, object], values: Mapping[str, int], what: str) -> dict[str, int]:
    names = found.get("beside", [])
    if not isinstance(names, list) or not all(isinstance(other, str) and other in values for other in names):
        raise ArchspecError(f"{what} must be a list of other sizes")
    return {other: values[other] for other in names}
