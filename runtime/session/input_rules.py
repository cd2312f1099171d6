"""The rules of a session's inputs: given by name, checked against what its model says before ONNX Runtime sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError, suggest, tell_value
from archspec.extras import extra
from archspec.wording import cut_middle
from compiler.onnx_file.accepted import AcceptedSize
from runtime.session.array_file import cast
from runtime.session.sizes import check_size, check_together

with extra("run"):
    from compiler.onnx_file.extents import NamedExtents

NUMBERS = "biuf"
"""numpy's kinds of arrays that may become one another, on the caller's own word."""

KINDS = {"b": 0, "i": 1, "u": 1, "f": 2}
"""The kinds of Python's numbers: each is one of the next, too."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """The rules of the inputs of the model in `path`: extents, where a free one has a name; types; the sizes it
    accepts; and of whole numbers that name rows, how many of these there are."""

    path: Path
    extents: Mapping[str, NamedExtents]
    dtypes: Mapping[str, np.dtype[Any]]
    sizes: Mapping[str, AcceptedSize]
    rows: Mapping[str, int]

    def check(self, given: object, *, some: bool = False) -> dict[str, Array]:
        """Give arrays by name, in C order, for inputs by name (with `some`, not all of them), or for one array where
        the model has one input. Raises InputError that says what was expected and what was found."""
        feed = self._read(given)
        missing = [name for name in self.extents if name not in feed]
        if missing and not some:
            raise InputError(f"{self.path} needs the input '{missing[0]}' too (inputs: {self})")
        bound: dict[str, tuple[int, str]] = {}
        for name, array in feed.items():
            self._check_array(name, array, bound)
        check_together({size: extent for size, (extent, _) in bound.items()}, self.sizes)
        return {name: _straighten(array) for name, array in feed.items()}

    def describe(self, name: str) -> str:
        """Write an input, its type and its shape: `image: float32 (N, 3, H, W)`."""
        extents = self.extents[name]
        return f"{name}: {self.dtypes[name]} ({', '.join(map(str, extents))}{',' * (len(extents) == 1)})"

    def __str__(self) -> str:
        return "; ".join(map(self.describe, self.extents)) or "none"

    def _read(self, given: object) -> dict[str, Array]:
        if isinstance(given, Mapping):
            for name in given:
                self._check_name(name)
            return {name: self._read_array(name, value) for name, value in given.items()}
        if len(self.extents) != 1:
            several = "several inputs, by name" if self.extents else "inputs by name"
            raise InputError(f"{self.path} takes {several}: {self}")
        (name,) = self.extents
        return {name: self._read_array(name, given)}

    def _check_name(self, name: object) -> None:
        if not isinstance(name, str):
            raise InputError(f"inputs are named by strings, found {tell_value(name)} (inputs: {self})")
        if name not in self.extents:
            raise InputError(f"{self.path} has no input '{name}'{suggest(name, self.extents)} (inputs: {self})")

    def _read_array(self, name: str, value: object) -> Array:
        """Raises ArchspecError for what numpy does not take, or would take without what it means."""
        if type(value) is np.ndarray and not value.dtype.hasobject:
            return value
        kind = type(value).__name__
        if _is_masked(value):
            raise InputError(f"input '{name}' has masked values, which the model would see: give .filled(…)")
        try:
            array = np.asarray(value)
        except Exception as error:  # whatever `__array__` and numpy raise
            why = cut_middle(str(error)) or type(error).__name__
            wanted = f"the model takes {self.describe(name)}"
            raise InputError(f"input '{name}' is a {kind} that numpy does not read: {why}; {wanted}") from error
        if array.dtype == object:
            raise InputError(f"input '{name}' is no array of numbers but a {kind}: {self.describe(name)} is wanted")
        if _is_plain(value):
            return self._take_plain(name, array)
        if array.dtype != self.dtypes[name]:
            self._refuse_type(name, array.dtype, f"np.asarray(…, '{self.dtypes[name]}')")
        return array

    def _take_plain(self, name: str, array: Array) -> Array:
        """Take numbers of Python's, which have no type but their kind, in the model's; fractions are rounded to it.
        Raises ArchspecError where they are of a kind that it has not, or do not fit."""
        wanted, own = self.dtypes[name], array.dtype
        if KINDS.get(wanted.kind, -1) < KINDS[own.kind]:
            self._refuse_type(name, own, f"np.asarray(…, '{wanted}')")
        found = cast(array, wanted, f"input '{name}'")
        with np.errstate(invalid="ignore"):
            lost = (found.astype(own) != array) & (own.kind != "f")
        if lost.any():
            raise InputError(
                f"input '{name}' holds {array[lost][0]}, a whole number that {wanted} has not: give an array"
            )
        return found

    def _refuse_type(self, name: str, found: np.dtype[Any], how: str) -> NoReturn:
        advice = f": use {how}" if found.kind in NUMBERS else ""
        raise InputError(f"input '{name}' is {found}, the model takes {self.dtypes[name]}{advice}")

    def _check_array(self, name: str, array: Array, bound: dict[str, tuple[int, str]]) -> None:
        expected, wanted = self.extents[name], self.dtypes[name]
        if array.dtype != wanted:
            self._refuse_type(name, array.dtype, f".astype('{wanted}')")
        if array.ndim != len(expected):
            raise InputError(
                f"input '{name}' has {array.ndim} axes, {array.shape}; the model takes {self.describe(name)}"
            )
        for axis, (extent, allowed) in enumerate(zip(array.shape, expected, strict=True)):
            self._check_extent(f"input '{name}', axis {axis}", extent, allowed, bound)
        if name in self.rows and array.dtype.kind in "iu" and array.size:
            self._check_rows(name, array)

    def _check_rows(self, name: str, array: Array) -> None:
        """Check that whole numbers name rows that there are: ONNX Runtime counts negative ones from the last."""
        rows, low, high = self.rows[name], array.min(), array.max()
        if low < 0 or high >= rows:
            found = low if low < 0 else high
            raise InputError(f"input '{name}' holds {found}; its numbers name rows from 0 to {rows - 1}")

    def _check_extent(self, where: str, extent: int, wanted: int | str, bound: dict[str, tuple[int, str]]) -> None:
        if isinstance(wanted, int):
            if extent != wanted:
                raise InputError(f"{where} is {extent}; the model takes {wanted}")
            return
        if not extent:
            raise InputError(f"{where} ({wanted}) is empty")
        check_size(f"{where} ({wanted}) is {extent}", wanted, extent, self.sizes)
        before, there = bound.setdefault(wanted, (extent, where))
        if before != extent:
            raise InputError(f"{where} ({wanted}) is {extent}, but {there} ({wanted}) is {before}")


def _is_plain(value: object) -> bool:
    """Tell whether it is a number of Python's, or lists of nothing else."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (bool, int, float)


def _is_masked(value: object) -> bool:
    """Tell whether it hides numbers, which numpy would show again."""
    return any(np.ma.is_masked(part) for part in (value if isinstance(value, list | tuple) else (value,)))


def _straighten(array: Array) -> Array:
    """The array as ONNX Runtime reads it, which is from its first number on, without gaps."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy(order="C")
