"""The sizes that an exported model accepts, as its metadata `archspec.sizes` says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.strict_json import check_integer, check_keys, read_json

KEY = "archspec.sizes"


@dataclass(frozen=True, slots=True)
class Size:
    """A named extent of the input: the value it was written for, and perhaps others, first + k·step, that fit too."""

    value: int
    first: int | None = None
    step: int | None = None

    def fits(self, extent: int) -> bool:
        if self.first is None or self.step is None or extent == self.value:
            return extent == self.value
        return extent >= self.first and (extent - self.first) % self.step == 0

    def __str__(self) -> str:
        if self.first is None or self.step is None:
            return f"only {self.value}"
        return f"{self.first}, {self.first + self.step}, {self.first + 2 * self.step}, … (written for {self.value})"


def read_sizes(metadata: Mapping[str, str]) -> dict[str, Size]:
    """The sizes by name; none where the model says none. Raises ArchspecError where what it says is malformed."""
    if KEY not in metadata:
        return {}
    found = read_json(metadata[KEY], f"the metadata '{KEY}'")
    names = found if isinstance(found, dict) else ()
    return {name: _read_size(name, value) for name, value in check_keys(found, f"the metadata '{KEY}'", names).items()}


def _read_size(name: str, found: object) -> Size:
    what = f"the metadata '{KEY}': {name}"
    fixed = not (isinstance(found, dict) and ("first" in found or "step" in found))
    keys = check_keys(found, what, ("value",) if fixed else ("value", "first", "step"))
    return Size(**{key: check_integer(value, f"{what}: {key}") for key, value in keys.items()})
