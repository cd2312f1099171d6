"""From the numbers or colours that masks store to classes: which ones there are, and which class each stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError
from archspec.wording import list_some, tell_count
from runtime.pictures.geometry import NOT_ASKED

MAX_CLASSES = 255
"""The largest number of classes of a map, whose numbers have 8 bits; the last number means that none is asked."""

MAX_COLOURS = 256
"""The largest number of colours that are told apart while masks are looked at."""

MAX_GAPS = 8
"""The largest number of classes between others that no mask may have, where nothing says which numbers are classes."""

COLOUR = 1 << 24
"""What is added to a colour's 24 bits, so that it is none of the numbers of gray."""

Value = int
"""A number that a mask stores, or COLOUR and the bits of a colour."""


@dataclass(eq=False)
class MaskScan:
    """What masks were found to store: how many pixels have each value, and which file has it first. `bad` has what
    could not be read, and why."""

    counts: Counter[Value] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    first: dict[Value, Path] = field(default_factory=dict)

    @property
    def colours(self) -> list[Value]:
        """The colours that are not gray, the commonest first."""
        return [value for value, _ in self.counts.most_common() if value >= COLOUR]


@dataclass(frozen=True)
class MaskValues:
    """Which class each value of a mask stands for, as pairs of value and class; NOT_ASKED stands for none."""

    pairs: tuple[tuple[Value, int], ...]

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """The values in rising order, and the class of each."""
        values, numbers = zip(*sorted(self.pairs), strict=True)
        return np.array(values, np.int32), np.array(numbers, np.uint8)

    def list_unknown(self, scan: MaskScan) -> list[str]:
        """List the values that masks store and that stand for no class, each with the first file that has it."""
        known = {value for value, _ in self.pairs}
        return [
            f"{scan.first.get(value, 'a mask')} has pixels of {describe_value(value)}, which stand for no class"
            for value in sorted(scan.counts.keys() - known)
        ]

    def list_unseen(self, scan: MaskScan, names: Sequence[str]) -> list[str]:
        """List the names of the classes that no pixel has."""
        seen = {number for value, number in self.pairs if scan.counts[value]}
        return [name for number, name in enumerate(names) if number not in seen]

    def decode(self, mask: Array, path: str | Path) -> Array:
        """Give the class of each pixel, (H, W) in uint8, of what `open_mask` read. Raises InputError, naming the file,
        where a value stands for no class."""
        packed = pack_values(mask)
        values, numbers = self._table
        places = np.searchsorted(values, packed).clip(max=len(values) - 1)
        unknown = values[places] != packed
        if unknown.any():
            found = [describe_value(value) for value in np.unique(packed[unknown]).tolist()]
            raise InputError(
                f"{path} has {tell_count(int(unknown.sum()), 'pixel')} of {list_some(found, 3, ', ')}, which stand for "
                f"no class: known are {list_some([describe_value(value) for value in values.tolist()], 6, ', ')}"
            )
        return np.asarray(numbers[places])


def pack_values(mask: Array) -> Array:
    """Give one number for each pixel: the one that is stored, or COLOUR and the bits of a colour that is not gray."""
    if mask.ndim == 2:
        return mask.astype(np.int32)
    red, green, blue = (mask[..., band].astype(np.int32) for band in range(3))
    gray = (red == green) & (green == blue)
    return np.where(gray, red, COLOUR | red << 16 | green << 8 | blue)


def describe_value(value: Value) -> str:
    """Write a value as `data.yaml` has it: 7, or '#ff0000'."""
    return f"'#{value - COLOUR:06x}'" if value >= COLOUR else str(value)


def parse_value(text: str | int) -> Value:
    """Read a value as `data.yaml` has it: a number up to 65,535, or a colour `#rrggbb`, which is its level where it is
    gray. Raises InputError for anything else."""
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text < 1 << 16:
        return text
    colour = re.fullmatch("#([0-9a-fA-F]{6})", str(text))
    if not colour:
        raise InputError(f"a value of a mask is a number up to 65535, or a colour such as '#ff0000'; found '{text}'")
    red, green, blue = bytes.fromhex(colour[1])
    return red if red == green == blue else COLOUR | red << 16 | green << 8 | blue


def scan_masks(paths: Sequence[Path], on_step: OnStep = ignore_step) -> MaskScan:
    """Read all masks once, and count which values they have. Raises InputError where they have more colours than could
    be classes."""
    from runtime.pictures.mask import open_mask  # here, since it needs Pillow, and volumes do not

    scan = MaskScan()
    for done, path in enumerate(paths, 1):
        try:
            found = count_values(open_mask(path))
            scan.counts += found
            scan.first.update((value, path) for value in found.keys() - scan.first.keys())
        except ArchspecError as error:
            scan.bad.append(str(error))
        if len(scan.counts) > MAX_COLOURS + MAX_CLASSES:
            raise InputError(
                f"{path} and the masks before it have more than {MAX_COLOURS + MAX_CLASSES} values: a mask has one for "
                "each class, and no shades between them (JPEG and smooth resizing make those)"
            )
        on_step(done, len(paths))
    return scan


def count_values(mask: Array) -> Counter[Value]:
    """Count the pixels of each value."""
    if mask.ndim == 2 and mask.dtype == np.uint8:
        counts = np.bincount(mask.ravel(), minlength=256)
        return Counter({value: count for value, count in enumerate(counts.tolist()) if count})
    values, counts = np.unique(pack_values(mask), return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def choose_values(
    scan: MaskScan, table: Mapping[Value, str] | Sequence[str] | None, ignored: Iterable[Value], name: str
) -> tuple[MaskValues, tuple[str, ...]]:
    """Choose what the values of masks stand for, and the classes' names.

    `table` are names by value, in the order of the classes, or names of the classes 0, 1, …, or None. Without a table
    0 and 255 alone are two classes, and other numbers are classes themselves, but 255, for which none is asked.

    Raises InputError, which calls the data `name`, where that cannot be told, or a value stands for no class.
    """
    if isinstance(table, Mapping):
        known = [(value, number) for number, value in enumerate(table)]
        none_asked = [(value, NOT_ASKED) for value in ignored if value not in table]
        return MaskValues((*known, *none_asked)), tuple(table.values())
    if scan.colours:
        raise InputError(_advise_table(scan, name))
    found = sorted(scan.counts)
    plain = NOT_ASKED not in set(ignored) and (table is None or len(table) == 2)
    if found == [0, NOT_ASKED] and plain:
        return MaskValues(((0, 0), (NOT_ASKED, 1))), tuple(table or ("background", "foreground"))
    classes = [value for value in found if value != NOT_ASKED and value not in set(ignored)]
    count = len(table) if table is not None else max(classes, default=-1) + 1
    _check_numbers(classes, count, table is not None, name)
    none_asked = [(value, NOT_ASKED) for value in {NOT_ASKED, *ignored} if value >= count]
    names = tuple(table) if table is not None else tuple(map(str, range(count)))
    return MaskValues((*((number, number) for number in range(count)), *none_asked)), names


def _check_numbers(classes: Sequence[int], count: int, named: bool, name: str) -> None:
    if not classes:
        raise InputError(f"the masks of {name} ask for no class: all their pixels are {NOT_ASKED}")
    if classes[-1] >= count or count > MAX_CLASSES:
        limit = f"{count} classes are named" if named else f"a map has up to {MAX_CLASSES} classes"
        raise InputError(f"the masks of {name} have the number {classes[-1]}, and {limit}: {_ADVICE}")
    if not named and count - len(classes) > MAX_GAPS:
        shown = list_some(classes, 8, ", ")
        raise InputError(f"the masks of {name} have the numbers {shown}, with gaps between them: {_ADVICE}")


_ADVICE = "say in data.yaml what each stands for, as in `classes: {background: 0, cell: 128}`"


def _advise_table(scan: MaskScan, name: str) -> str:
    values = [value for value, _ in scan.counts.most_common(8)]
    lines = ", ".join(f"name{number}: {describe_value(value)}" for number, value in enumerate(values))
    more = ", …" if len(scan.counts) > len(values) else ""
    told = tell_count(len(scan.counts), "colour")
    return (
        f"the masks of {name} have {told}: say in its data.yaml what each stands for, in the classes' order, as in "
        f"`classes: {{{lines}{more}}}`"
    )
