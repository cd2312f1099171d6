"""Settings that were measured, in a file beside the model: for which model, on which device, runtime and provider."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

from archspec.errors import ArchspecError, InputError, ModelError, raising, tell_value
from archspec.extras import extra
from archspec.files import as_argument, check_is_file, updating, write_text
from archspec.log import warn
from archspec.strict_json import check_integer, check_keys, check_number, read_json
from runtime.session.machine import describe_cpu, describe_gpu
from runtime.session.model_file import ModelFile
from runtime.session.settings import MAX_THREADS, Settings

with extra("run"):
    import onnxruntime as ort

Given: TypeAlias = Settings | Literal["default"] | None
"""The settings that a caller gives; None: those that were measured."""

SUFFIX = ".tune.json"
FORMAT = 1
MAX_BYTES = 1 << 20
"""The largest size, in bytes, of a file of settings."""
MAX_STRAYS = 16
"""The largest number of files of settings without their model that are read, to see whose they are."""


@dataclass(frozen=True, slots=True)
class TuningKey:
    """The key of a measurement: what it holds for."""

    model: str
    device: str
    runtime: str
    provider: str


@dataclass(frozen=True, slots=True)
class TuningEntry:
    """Settings that were measured as the best for a key, with the free axes at `sizes`: milliseconds of a run with
    them and with the runtime's own. Where `fixed`, the session was told the sizes beforehand and takes no others. Of so
    many `changes` the search `tried` some, and had no time for the rest; None where an older file does not say."""

    key: TuningKey
    sizes: dict[str, int]
    fixed: bool
    settings: Settings
    milliseconds: float
    default_milliseconds: float
    tried: int | None = None
    changes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        key, rest = dataclasses.asdict(self.key), dataclasses.asdict(self)
        del rest["key"]
        said = {name: value for name, value in rest.items() if value is not None}
        return key | said | {"settings": self.settings.to_dict()}

    @property
    def unfinished(self) -> str:
        """The part of the changes that were tried: `1 of 8 changes tried`; None where all were, or that is not
        known."""
        return "" if self.tried == self.changes else f"{self.tried} of {self.changes} changes tried"

    def gives_way_to(self, later: TuningEntry) -> bool:
        """Tell whether a later search is of all changes, or of no fewer than this one's."""
        return not later.unfinished or (self.tried or 0) <= (later.tried or 0)

    @property
    def place(self) -> tuple[object, ...]:
        """The place of an entry in a file: a later measurement of the same takes it."""
        return (self.key, self.fixed, tuple(sorted(self.sizes.items())) if self.fixed else ())


@dataclass(frozen=True, slots=True)
class ChosenSettings:
    """The settings of a session and where they come from."""

    settings: Settings
    source: str


def tuning_path(model: str | Path) -> Path:
    return Path(f"{model}{SUFFIX}")


def identify(model: ModelFile, provider: str) -> TuningKey:
    """Make the key of this model here and now. `provider` is "cpu", "cuda" or "tensorrt"."""
    device = describe_cpu() if provider == "cpu" else describe_gpu() or "unknown GPU"
    return TuningKey(model.identity, device, f"onnxruntime {ort.__version__}", provider)


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """The source of the settings of a session on `model`: those `given`; else ("default" apart) the `entries` that were
    measured for it; else the runtime's own. `threads` is above all of them, and free axes are `fixed`."""

    model: ModelFile
    given: Given = "default"
    threads: int | None = None
    fixed: Mapping[str, int] = field(default_factory=dict)
    entries: tuple[TuningEntry, ...] = ()

    @classmethod
    def read(cls, model: ModelFile, given: Given, threads: int | None, fixed: Mapping[str, int]) -> SettingsSource:
        """Read the entries of the file beside the model into a source. Raises InputError where `given` or `threads` is
        none, and ModelError where that file is malformed."""
        if threads is not None:
            with raising(InputError):
                check_integer(threads, "threads", most=MAX_THREADS)
        if not (given is None or isinstance(given, Settings)) and str(given) != "default":
            raise InputError(f"settings are Settings or 'default', found {tell_value(given)}")
        entries = read_entries(model.path) if given is None else ()
        if given is None and not entries:
            _tell_left_behind(model)
        return cls(model, given, threads, fixed, entries)

    def choose(self, provider: str) -> ChosenSettings:
        """Choose the settings on this provider."""
        chosen = (
            ChosenSettings(self.given, "given") if isinstance(self.given, Settings) else self._choose_entry(provider)
        )
        if self.threads is None:
            return chosen
        return replace(chosen, settings=replace(chosen.settings, threads=self.threads))

    def _choose_entry(self, provider: str) -> ChosenSettings:
        """Choose what was measured at just these fixed sizes, before what was measured at any."""
        if not self.entries:
            return ChosenSettings(Settings(), "default")
        key, file = identify(self.model, provider), tuning_path(self.model.path).name
        fitting = [entry for entry in self.entries if entry.key == key]
        exact = [entry for entry in fitting if entry.fixed and entry.sizes == self.fixed]
        for entry in exact or [entry for entry in fitting if not entry.fixed]:
            return ChosenSettings(entry.settings, f"{file}: {entry.unfinished}" if entry.unfinished else file)
        return ChosenSettings(Settings(), f"default: {file} is of another model, device or runtime")


def _tell_left_behind(model: ModelFile) -> None:
    """Say in the log where settings that were measured for a model lie beside a name that it no longer has."""
    path = model.path
    try:
        names = set(os.listdir(path.parent))
    except OSError:
        return
    strays = sorted(name for name in names if name.endswith(SUFFIX) and name.removesuffix(SUFFIX) not in names)
    for name in islice(strays, MAX_STRAYS):
        with suppress(ArchspecError):  # what is wrong with a file that is not used is no matter
            if any(entry.key.model == model.identity for entry in _read_entries(path.with_name(name))):
                warn(
                    f"{path.with_name(name)} has settings that were measured for {path.name} when it had another "
                    f"name, and is not used: rename it to {tuning_path(path).name}, or run archspec tune "
                    f"{as_argument(path)}"
                )
                return


def read_entries(model: str | Path) -> tuple[TuningEntry, ...]:
    """Read what was measured for a model, anywhere; nothing where no file is beside it. Raises ModelError where that is
    malformed."""
    path = tuning_path(model)
    if not os.path.exists(path):  # of a name that is too long, Path.exists raises
        return ()
    try:
        return _read_entries(path)
    except ArchspecError as error:
        raise ModelError(f"{error}: delete it, and run archspec tune {model} again") from error


def _read_entries(path: Path) -> tuple[TuningEntry, ...]:
    check_is_file(path)
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ModelError(f"{path} is larger than {MAX_BYTES:,} bytes")
    found = check_keys(read_json(text, str(path)), str(path), ("format", "entries"))
    if check_integer(found["format"], f"{path}: format") != FORMAT:
        raise ModelError(f"{path} has another format than {FORMAT}")
    if not isinstance(found["entries"], list):
        raise ModelError(f"{path}: entries must be a list")
    return tuple(_read_entry(item, f"{path}: entry {number}") for number, item in enumerate(found["entries"], start=1))


def keep_entries(
    model: str | Path, entries: tuple[TuningEntry, ...], *, force: bool = False
) -> tuple[TuningEntry, ...]:
    """Write entries to the file beside the model, in the place of those of the same key, unless these are of a fuller
    search, which `force` replaces too; the others stay. Returns the fuller ones that stayed."""
    later = {entry.place: entry for entry in entries}
    with updating(tuning_path(model)):
        there = read_entries(model)
        fuller = [entry for entry in there if entry.place in later and not entry.gives_way_to(later[entry.place])]
        stayed = () if force else tuple(fuller)
        places = {entry.place for entry in stayed}
        kept = [entry for entry in there if entry in stayed or entry.place not in later]
        rows = [entry.to_dict() for entry in (*kept, *(entry for entry in entries if entry.place not in places))]
        write_text(tuning_path(model), json.dumps({"format": FORMAT, "entries": rows}, indent=2) + "\n")
    return stayed


def _read_entry(found: object, what: str) -> TuningEntry:
    keys = check_keys(found, what, [*(item.name for item in dataclasses.fields(TuningKey)), *_OWN], _COUNTS)
    texts = {
        name: _check_text(keys[name], f"{what}: {name}")
        for name in (item.name for item in dataclasses.fields(TuningKey))
    }
    sizes = check_keys(keys["sizes"], f"{what}: sizes", (), keys["sizes"] if isinstance(keys["sizes"], dict) else ())
    if not isinstance(keys["fixed"], bool):
        raise ModelError(f"{what}: fixed must be true or false")
    return TuningEntry(
        TuningKey(**texts),
        {name: check_integer(extent, f"{what}: sizes: {name}") for name, extent in sizes.items()},
        keys["fixed"],
        Settings.from_dict(keys["settings"], f"{what}: settings"),
        check_number(keys["milliseconds"], f"{what}: milliseconds"),
        check_number(keys["default_milliseconds"], f"{what}: default_milliseconds"),
        *_read_counts(keys, what),
    )


def _read_counts(keys: Mapping[str, object], what: str) -> tuple[int, int] | tuple[None, None]:
    if not any(name in keys for name in _COUNTS):
        return None, None
    check_keys({name: keys[name] for name in _COUNTS if name in keys}, what, _COUNTS)
    changes = check_integer(keys["changes"], f"{what}: changes", 0)
    return check_integer(keys["tried"], f"{what}: tried", 0, changes), changes


_COUNTS = ("tried", "changes")
_OWN = tuple(item.name for item in dataclasses.fields(TuningEntry) if item.name not in ("key", *_COUNTS))


def _check_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ModelError(f"{what} must be a string")
    return value
