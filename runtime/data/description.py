"""What a folder of pictures says of itself in its `data.yaml`: names of classes and joints, and where things lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from archspec.errors import ArchspecError, InputError, Place, suggest, tell_value
from archspec.spec.marked import Table, place_in
from archspec.spec.text import Language, read_sound_file
from archspec.wording import list_some
from runtime.data.listing import FolderListing
from runtime.data.mask_values import Value, describe_value, parse_value

DATA_YAML = "data.yaml"
"""The file's name."""

CROPS = ("auto", "box", "none")
"""How people are cut out of images that show several."""

MAX_JOINTS = 1 << 10
"""The largest number of joints."""


@dataclass(frozen=True)
class DataDescription:
    """What `data.yaml` says; what it does not say is empty, or None.

    `classes` are names by the values of a mask, or in the order of their numbers; `ignored` are the values for which no
    class is asked. `images` and `masks` are folders, `table` a CSV file and `annotations` JSON files. `joints` are
    names, `flip_idx` the number of each joint's counterpart in a mirror, and `crop` one of CROPS. `places` say where
    the keys stand.
    """

    classes: Mapping[Value, str] | tuple[str, ...] | None = None
    ignored: tuple[Value, ...] = ()
    images: str | None = None
    masks: str | None = None
    table: str | None = None
    annotations: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    flip_idx: tuple[int, ...] | None = None
    crop: str = "auto"
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def name_classes(self) -> tuple[str, ...] | None:
        """Give the names of classes that no mask stores, in the order of their numbers; None where it names none.
        Raises InputError where these numbers are others than those from 0 on."""
        if not isinstance(self.classes, Mapping):
            return self.classes
        values = sorted(self.classes)
        if values != list(range(len(values))):
            raise self.refuse(
                "classes",
                f"`classes` have the numbers {list_some([describe_value(value) for value in values], 8, ', ')}: where "
                f"no masks store them, {len(values)} classes have those from 0 to {len(values) - 1}; the names alone, "
                "in their order, will do",
            )
        return tuple(self.classes[value] for value in values)

    def check_keys(self, known: Sequence[str], noun: str) -> None:
        """Raises InputError for a key that says nothing of what a folder is read as, `noun`."""
        for key in self.places:
            if key not in known:
                fitting = f"`{'`, `'.join(known)}` would" if known else "no key would"
                raise self.refuse(key, f"`{key}` says nothing of {noun}, as which this folder is read; {fitting}")

    def refuse(self, key: str, message: str) -> InputError:
        """Make an error with the place of a key."""
        return InputError(f"{self.places.get(key, DATA_YAML)}: {message}")


def read_description(listing: FolderListing) -> DataDescription:
    """Read the `data.yaml` of a folder. Raises InputError with file, line and column where it makes no sense."""
    return _Reader(listing.path(DATA_YAML), listing).read() if listing.has(DATA_YAML) else DataDescription()


def read_keys(path: Path, known: Collection[str]) -> Table:
    """Read the keys of a `data.yaml`. Raises InputError where it cannot be read, has a key twice, or holds no keys."""
    try:
        found = read_sound_file(path, str(path), Language("description of data")).data
    except ArchspecError as error:
        raise InputError(str(error)) from error
    if not isinstance(found, Table):
        raise InputError(f"{path}: expected a mapping with {', '.join(known)}")
    return found


@dataclass
class _Reader:
    """The keys of a `data.yaml`, each with its place in the text."""

    path: Path
    listing: FolderListing
    data: Table = field(init=False)

    def __post_init__(self) -> None:
        self.data = read_keys(self.path, READERS)

    def read(self) -> DataDescription:
        for key in self.data:
            if key not in READERS:
                known = ", ".join(READERS)
                self.refuse((key,), f"unknown key '{key}'{suggest(str(key), READERS)} (known: {known})", key=True)
        said = {READERS[key][0]: READERS[key][1](self, key) for key in self.data}
        places = {str(key): str(place_in(self.data, (key,), Place(str(self.path), 1), key=True)) for key in self.data}
        made = DataDescription(**said, places=places)
        stored = made.classes if isinstance(made.classes, Mapping) else range(len(made.classes or ()))
        if both := [describe_value(value) for value in made.ignored if value in stored]:
            self.refuse(("ignore",), f"`classes` name {list_some(both, 5, ', ')}, which `ignore` leaves out: keep one")
        if made.joints and made.flip_idx is not None and len(made.flip_idx) != len(made.joints):
            self.refuse(("flip_idx",), f"there are {len(made.joints)} joints, and {len(made.flip_idx)} numbers")
        return made

    def refuse(self, path: tuple[Any, ...], message: str, *, key: bool = False) -> NoReturn:
        raise InputError(f"{place_in(self.data, path, Place(str(self.path), 1), key=key)}: {message}")

    def read_classes(self, key: str) -> Mapping[Value, str] | tuple[str, ...]:
        found = self.data[key]
        pairs = [self.order_pair(key, pair) for pair in found.items()] if isinstance(found, dict) else []
        names = [name for name, _ in pairs] or found
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            self.refuse(
                (key,),
                f"`{key}` are names in the order of their numbers, or with these or colours, as in {{background: 0, "
                "cell: '#ff0000'}",
            )
        if len(set(names)) < len(names):
            self.refuse((key,), f"`{key}` has a name twice")
        if not pairs:
            return tuple(names)
        table = {value: name for name, value in pairs}
        if len(table) < len(pairs):
            self.refuse((key,), f"`{key}` has a value twice")
        return table

    def order_pair(self, key: str, pair: tuple[str, Any]) -> tuple[Any, Value]:
        """A class's name and its value, whichever of them was written first."""
        word, other = pair
        if word.isdecimal() or word.startswith("#"):
            return other, self.read_value((key, word), word)
        return word, self.read_value((key, word), other)

    def read_value(self, path: tuple[Any, ...], text: Any) -> Value:
        try:
            number = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 9
            return parse_value(int(text) if number else text)
        except ArchspecError as error:
            self.refuse(path, str(error))

    def read_ignored(self, key: str) -> tuple[Value, ...]:
        values = self.data[key]
        values = values if isinstance(values, list) else [values]
        return tuple(self.read_value((key, number), value) for number, value in enumerate(values))

    def read_folder(self, key: str) -> str:
        return self.find(key, self.data[key], self.listing.folders, "folder")

    def read_file(self, key: str) -> str:
        return self.find(key, self.data[key], self.listing.files, "file")

    def read_files(self, key: str) -> tuple[str, ...]:
        names = self.data[key]
        names = names if isinstance(names, list) else [names]
        return tuple(self.find(key, name, self.listing.files, "file") for name in names)

    def find(self, key: str, name: Any, known: Sequence[str], noun: str) -> str:
        text = str(name).replace("\\", "/").removeprefix("./").rstrip("/")
        if text not in known:
            self.refuse((key,), f"there is no {noun} {tell_value(name)} in {self.listing.folder}{suggest(text, known)}")
        return text

    def read_joints(self, key: str) -> tuple[str, ...]:
        names = self.data[key]
        fits = isinstance(names, list) and 0 < len(names) <= MAX_JOINTS and all(isinstance(name, str) for name in names)
        if not fits or len(set(names)) < len(names):
            self.refuse((key,), f"`{key}` are different names, a list")
        return tuple(names)

    def read_flip(self, key: str) -> tuple[int, ...]:
        numbers = self.data[key]
        whole = isinstance(numbers, list) and all(type(number) is int for number in numbers)
        pairs = whole and sorted(numbers) == list(range(len(numbers)))
        if not pairs or any(numbers[number] != place for place, number in enumerate(numbers)):
            self.refuse(
                (key,),
                f"`{key}` has for each joint the number of the one that it becomes in a mirror, counted from 0, as in "
                "[0, 2, 1] for nose, left eye, right eye",
            )
        return tuple(numbers)

    def read_crop(self, key: str) -> str:
        if self.data[key] not in CROPS:
            self.refuse((key,), f"`{key}` is one of {', '.join(CROPS)}, found {tell_value(self.data[key])}")
        return str(self.data[key])


READERS: Mapping[str, tuple[str, Callable[[_Reader, str], Any]]] = {
    "classes": ("classes", _Reader.read_classes),
    "ignore": ("ignored", _Reader.read_ignored),
    "images": ("images", _Reader.read_folder),
    "masks": ("masks", _Reader.read_folder),
    "table": ("table", _Reader.read_file),
    "annotations": ("annotations", _Reader.read_files),
    "joints": ("joints", _Reader.read_joints),
    "flip_idx": ("flip_idx", _Reader.read_flip),
    "crop": ("crop", _Reader.read_crop),
}
"""The keys of a `data.yaml`: the field that each becomes, and what reads it."""
