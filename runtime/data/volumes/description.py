"""What a folder of volumes says of itself: `data.yaml` in this program's words, `dataset.json` as the Medical
Segmentation Decathlon and nnU-Net write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

from archspec.errors import ArchspecError, InputError, Place, raising, suggest, tell_value
from archspec.spec.marked import place_in
from archspec.strict_json import read_json
from runtime.data.description import DATA_YAML, read_keys
from runtime.data.volumes.samples import WHOLE, Box
from runtime.data.volumes.volume import AXES

DATASET_JSON = "dataset.json"

MAX_JSON = 1 << 24
"""The largest number of bytes of a dataset.json, which may list every file."""

MAX_LABEL = (1 << 31) - 1
"""The largest number that stands for a class."""

KEYS = ("classes", "ignore", "spacing", "place")
"""The keys of a data.yaml beside volumes."""

PLACES = ("train", "validation", "test")
"""The parts of the data that can have a place of their own in each volume."""


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """The classes by their numbers in the labels (None: those that are found), the numbers that are not asked, the
    spacing (depth, height, width) of files that say none, and the place in each volume of each part of the data."""

    names: Mapping[int, str] | None = None
    ignored: tuple[int, ...] = ()
    spacing: tuple[float, ...] | None = None
    places: Mapping[str, Box] = field(default_factory=dict)


def read_facts(folder: Path, names: Sequence[str]) -> VolumeFacts:
    """Read what is said of the volumes of a folder by those of its files `names` that say something; data.yaml comes
    first. Raises InputError where that makes no sense, with file, line and column."""
    facts = VolumeFacts()
    if DATASET_JSON in names:
        facts = _read_dataset_json(folder / DATASET_JSON)
    if DATA_YAML in names:
        said = _DataYaml(folder / DATA_YAML)
        own = said.read()
        facts = replace(
            own, names=own.names or facts.names, ignored=own.ignored if own.names or own.ignored else facts.ignored
        )
    return facts


class _DataYaml:
    """The keys of a data.yaml, each with its place in the text."""

    def __init__(self, path: Path) -> None:
        self.path, self.start = path, Place(str(path), 1)
        self.data = read_keys(path, KEYS)

    def read(self) -> VolumeFacts:
        for key in self.data:
            if key not in KEYS:
                self._refuse(
                    (key,), f"unknown key '{key}'{suggest(str(key), KEYS)} (known: {', '.join(KEYS)})", key=True
                )
        return VolumeFacts(self._names(), self._ignored(), self._spacing(), self._places())

    def _refuse(self, path: tuple[Any, ...], message: str, *, key: bool = False) -> NoReturn:
        raise InputError(f"{place_in(self.data, path, self.start, key=key)}: {message}")

    def _names(self) -> dict[int, str] | None:
        said = self.data.get("classes")
        if said is None:
            return None
        pairs = (
            enumerate(said)
            if isinstance(said, list)
            else map(_order_pair, said.items())
            if isinstance(said, dict)
            else ()
        )
        names = {number: name for number, name in pairs if _is_label(number) and isinstance(name, str) and name}
        if len(names) < 2 or len(names) < len(said) or len(set(names.values())) < len(names):
            self._refuse(
                ("classes",),
                "`classes` are two or more different names, in the order of their numbers in the labels, or with these "
                "numbers, as in {background: 0, liver: 7}",
            )
        return dict(sorted(names.items()))

    def _ignored(self) -> tuple[int, ...]:
        said = self.data.get("ignore", [])
        if not isinstance(said, list) or not all(map(_is_label, said)):
            self._refuse(("ignore",), "`ignore` are the numbers in the labels that are not asked, as in [255]")
        return tuple(said)

    def _spacing(self) -> tuple[float, ...] | None:
        said = self.data.get("spacing")
        if said is None:
            return None
        fits = isinstance(said, list) and len(said) == 3 and all(_is_number(item) and 0 < item < 1e9 for item in said)
        if not fits:
            self._refuse(("spacing",), "`spacing` are three positive numbers: along depth, height and width")
        return tuple(map(float, said))

    def _places(self) -> dict[str, Box]:
        if "place" not in self.data:
            return {}
        said = self.data["place"]
        if not isinstance(said, dict):
            self._refuse(("place",), "`place` says for train and test which part of each volume is theirs")
        places = {part: self._box(part, where) for part, where in said.items()}
        if places and not ("train" in places and len(places) > 1):
            self._refuse(("place",), "`place` needs train, and test or validation")
        for (one, here), (other, there) in combinations(places.items(), 2):
            if all(min(a[1], b[1]) > max(a[0], b[0]) for a, b in zip(here, there, strict=True)):
                self._refuse(("place", other), f"{one} and {other} overlap: what is trained on would be tested on")
        return places

    def _box(self, part: Any, where: Any) -> Box:
        path = ("place", part)
        if part not in PLACES:
            self._refuse(
                path, f"unknown part '{part}'{suggest(str(part), PLACES)} (known: {', '.join(PLACES)})", key=True
            )
        if not isinstance(where, dict) or not where:
            self._refuse(path, f"the place of {part} is a share along some axes, as in {{width: [0, 0.45]}}")
        for axis, ends in where.items():
            if axis not in AXES:
                self._refuse(
                    (*path, axis), f"unknown axis '{axis}'{suggest(str(axis), AXES)} (known: {', '.join(AXES)})"
                )
            fits = (
                isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends)) and 0 <= ends[0] < ends[1] <= 1
            )
            if not fits:
                self._refuse(
                    (*path, axis), f"expected two shares from 0 to 1, the smaller first, found {tell_value(ends)}"
                )
        found = [where.get(axis, whole) for axis, whole in zip(AXES, WHOLE, strict=True)]
        depth, height, width = ((float(low), float(high)) for low, high in found)
        return depth, height, width


def _order_pair(pair: tuple[str, Any]) -> tuple[Any, Any]:
    """A class's number and its name, whichever of them was written first."""
    key, value = pair
    return (int(key), value) if key.isascii() and key.isdecimal() and len(key) < 11 else (value, key)


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_LABEL


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@raising(InputError)
def _read_dataset_json(path: Path) -> VolumeFacts:
    """The classes of a dataset.json: {"0": "background", ...}, or {"background": 0, ...}, with `ignore` as no class."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_JSON + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(text) > MAX_JSON:
        raise InputError(f"{path} has more than {MAX_JSON:,} bytes")
    found = read_json(text, str(path))
    labels = found.get("labels") if isinstance(found, dict) else None
    if labels is None:
        return VolumeFacts()
    pairs = [_read_label(path, key, value) for key, value in labels.items()] if isinstance(labels, dict) else []
    names = {number: name for number, name in pairs if name != "ignore"}
    if len(names) < 2:
        raise ArchspecError(f'{path}: \'labels\' names fewer than two classes, as in {{"background": 0, "liver": 1}}')
    return VolumeFacts(dict(sorted(names.items())), tuple(number for number, name in pairs if name == "ignore"))


def _read_label(path: Path, key: str, value: Any) -> tuple[int, str]:
    number, name = _order_pair((key, value))
    if isinstance(number, list):
        raise ArchspecError(
            f"{path}: '{key}' is a region of several labels, {number}: write labels that do not overlap"
        )
    if not _is_label(number) or not isinstance(name, str):
        raise ArchspecError(f"{path}: 'labels' has '{key}': {tell_value(value)}, which is no class and its number")
    return number, name
