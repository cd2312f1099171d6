"""The names of a network's classes, from a file or from the sets that come with the package."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from archspec.errors import Diagnostic, InputError, Place, SpecError, suggest
from archspec.log import warn
from archspec.spec.marked import Items, Marked, Table, place_in
from archspec.spec.text import MAX_BYTES, Language, read_sound_file
from archspec.spec.zoo import SUFFIXES
from archspec.wording import list_some, tell_count
from runtime.weights.pretrained import CLASS_SETS, read_class_set

WHAT = "names of classes"

MAX_NAME = 200
"""The longest name of a class, in characters."""

NAMES = "names"
"""The key below which a data set's own file has them."""


def read_classes(source: str) -> tuple[str, ...]:
    """Read the names of classes, in the order of the network's outputs: of a set by its name, or of a file.

    A file has a name on each line, or is YAML or JSON with a list of names, or names by their numbers, perhaps below
    `names`. A line on stderr tells of classes of one name. Raises InputError where there is no such set or file, and
    SpecError, with the place, where a file holds something else.
    """
    if source in CLASS_SETS:
        return read_class_set(source)
    if not os.path.exists(source):
        known = ", ".join(CLASS_SETS)
        near = suggest(source, CLASS_SETS)
        raise InputError(f"no file and no set of classes is called '{source}'{near} (has: {known})")
    path = Path(source)
    names = _read_document(path) if path.suffix.lower() in SUFFIXES else _read_lines(path)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        first = twice[0]
        where = ", ".join(str(number) for number, name in enumerate(names) if name == first)
        warn(f"{source}: {tell_count(len(twice), 'name')} of several classes, as '{first}' of {where}")
    return names


def _read_lines(path: Path) -> tuple[str, ...]:
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file of names")
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if raw is None:
        raise InputError(f"{path} is larger than {MAX_BYTES:,} bytes: it holds no {WHAT}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} holds no {WHAT}: the byte 0x{raw[error.start]:02x} is not UTF-8") from None
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return tuple(_check(line.strip(), Place(str(path), number)) for number, line in enumerate(lines, 1))


def _read_document(path: Path) -> tuple[str, ...]:
    marked = read_sound_file(path, str(path), Language(f"file of {WHAT}"))
    start = Place(str(path), 1)
    data: Any = marked.data
    within: tuple[Any, ...] = ()
    if isinstance(data, Table) and NAMES in data:
        data, within = data[NAMES], (NAMES,)
    keys: list[Any] = list(range(len(data))) if isinstance(data, Items) else _order(data, marked, start)
    if not keys:
        raise _refuse("there are no names here", place_in(marked.data, within, start))
    return tuple(_check(data[key], place_in(marked.data, (*within, key), start)) for key in keys)


def _order(data: Any, marked: Marked, start: Place) -> list[str]:
    """The keys of names by number, in their order: all numbers from 0 on."""
    if not isinstance(data, Table):
        raise _refuse("expected a list of names, or names by number", start)
    wanted = [str(number) for number in range(len(data))]
    if strange := [key for key in data if key not in wanted]:
        numbers = f"the numbers 0 to {len(data) - 1}"
        message = f"{tell_count(len(data), 'name')} by number need {numbers}, found {list_some(strange, 3, ', ')}"
        raise _refuse(message, place_in(data, (strange[0],), start, key=True))
    return wanted


def _check(name: Any, place: Place) -> str:
    """A name as it is, or a whole number as its digits. Raises SpecError for anything else."""
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    if not isinstance(name, str):
        raise _refuse("a class's name is a text: put it in quotes", place)
    if not name:
        raise _refuse("a class has no name here", place)
    if len(name) > MAX_NAME:
        raise _refuse(f"a class's name has at most {MAX_NAME} characters, found {len(name):,}", place)
    if not name.isprintable():
        raise _refuse("a class's name holds no control characters", place)
    return name


def _refuse(message: str, place: Place) -> SpecError:
    return SpecError([Diagnostic("bad-classes", message, place)])
