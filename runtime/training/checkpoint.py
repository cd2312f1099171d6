"""The checkpoints in a run's folder: each appears whole or not at all, and what is damaged is told and passed over.

A checkpoint is written into a folder of a temporary name, each file is synced, the folder gets its name, and last of
all the manifest names it. So a checkpoint that the manifest names was whole once, and one that it does not name is
nobody's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.extras import extra
from archspec.files import check_is_file, list_folder, sync
from archspec.last_resort import passing
from archspec.signals import holding_signals
from archspec.strict_json import read_json
from runtime.training.manifest import (
    EMA,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    Checkpoint,
    Manifest,
    is_checkpoint_name,
    name_checkpoint,
)
from runtime.training.run_folder import MANIFEST
from runtime.training.tensor_file import StoredFile, read_tensors, write_bytes, write_tensors

with extra("train"):
    from torch import Tensor

PASSING = ".archspec-"
"""The beginning of the names of folders that are being written."""

MAX_STATE_BYTES = 1 << 28
"""The largest length of a checkpoint's state.json in bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a checkpoint holds: after which `step`, tensors by the names of their files, and the rest as JSON."""

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


class CheckpointStore:
    """The checkpoints in a folder, of which the newest `keep` and the best one stay. Nothing is written before the
    first `save`."""

    def __init__(self, folder: Path, manifest: Manifest, keep: int) -> None:
        self.folder, self.manifest, self.keep = folder, manifest, keep

    def save(self, snapshot: Snapshot, *, best: bool = False) -> Path:
        """Save a checkpoint; `best` says that it is now the best one. Those of the same step and of later ones, which
        are of a training that was taken up before them, are gone afterwards. Raises InputError where it cannot be
        written; the earlier ones are there still."""
        name = name_checkpoint(snapshot.step)
        try:
            with self._writing() as temporary:
                files = _write(temporary, snapshot)
                with holding_signals():
                    self._commit([item for item in self.manifest.checkpoints if item.step < snapshot.step])
                    if os.path.lexists(self.folder / name):  # no manifest named it, or none does any more
                        _remove(self.folder / name)
                    os.replace(temporary, self.folder / name)
                    sync(self.folder)
                    made = [*self.manifest.checkpoints, Checkpoint(name, snapshot.step, files)]
                    self._commit(made, name if best else None)
        except OSError as error:
            raise InputError(f"cannot write {self.folder / name}: {error.strerror or error}") from error
        return self.folder / name

    def _commit(self, checkpoints: Sequence[Checkpoint], best: str | None = None) -> None:
        """Have the manifest name these checkpoints, or as many of them as are kept, and remove the others' folders.
        Raises InputError and OSError."""
        before, names = self.manifest.checkpoints, [item.name for item in checkpoints]
        best = best or (self.manifest.best if self.manifest.best in names else None)
        kept = tuple(item for item in checkpoints if item.name in names[-self.keep :] or item.name == best)
        if kept == before:
            return
        manifest = replace(self.manifest, checkpoints=kept, best=best)
        manifest.write(self.folder)
        self.manifest = manifest
        for name in {item.name for item in (*before, *checkpoints)} - {item.name for item in kept}:
            with suppress(OSError):  # somebody's files are in it
                _remove(self.folder / name)

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """A folder for what is written, gone afterwards unless it got another name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{PASSING}{os.urandom(8).hex()}"
        try:
            temporary.mkdir()
            with passing(temporary):
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def clear_up(self) -> None:
        """Remove what trainings that were killed have left half done. To be called by nobody but the one training that
        writes here."""
        known = {item.name for item in self.manifest.checkpoints}
        with suppress(ModelError):  # what is damaged stays until the same step is saved again
            known |= {item.name for item in Manifest.read(self.folder).checkpoints}
        for path in list_folder(self.folder) or ():
            if path.name.startswith(PASSING):
                shutil.rmtree(path, ignore_errors=True)
            elif is_checkpoint_name(path.name) and path.name not in known:
                with suppress(OSError):  # somebody's files are in it
                    _remove(path)

    def clear_out(self) -> None:
        """Remove the checkpoints of a run that was replaced, the list of them first."""
        with suppress(OSError):
            (self.folder / MANIFEST).unlink(missing_ok=True)
        self.clear_up()


def read_checkpoint(folder: Path, checkpoint: Checkpoint) -> Snapshot:
    """Read a checkpoint of the manifest in a folder. Raises ModelError where it is not what was written: it names the
    file, and how it differs."""
    place = folder / checkpoint.name
    for name, written in checkpoint.files.items():
        _check_file(place / name, written)
    if checkpoint.files[STATE].size > MAX_STATE_BYTES:
        raise ModelError(f"{place / STATE} has {checkpoint.files[STATE].size:,} bytes, more than {MAX_STATE_BYTES:,}")
    tensors = {name: read_tensors(place / name) for name in checkpoint.files if name != STATE}
    with raising(ModelError):
        state = read_json((place / STATE).read_bytes(), str(place / STATE))
        if not isinstance(state, dict) or state.get("step") != checkpoint.step:
            raise ModelError(f"{place / STATE} is not of step {checkpoint.step}")
    return Snapshot(checkpoint.step, tensors, state)


def read_newest(folder: Path, manifest: Manifest) -> tuple[Snapshot | None, list[str]]:
    """Read the newest checkpoint that is whole, if there is one, with what is wrong with those behind it."""
    problems: list[str] = []
    for checkpoint in reversed(manifest.checkpoints):
        try:
            return read_checkpoint(folder, checkpoint), problems
        except ArchspecError as error:
            problems.append(str(error))
    return None, problems


def _write(folder: Path, snapshot: Snapshot) -> dict[str, StoredFile]:
    """Write and sync a checkpoint's files. Raises OSError."""
    files = {name: write_tensors(folder / name, tensors) for name, tensors in snapshot.tensors.items()}
    text = json.dumps({"step": snapshot.step, **snapshot.state}, allow_nan=False, indent=1) + "\n"
    files[STATE] = write_bytes(folder / STATE, text.encode())
    sync(folder)
    return files


def _check_file(path: Path, written: StoredFile) -> None:
    """Raises ModelError where a file is not the one that was written."""
    with raising(ModelError):
        check_is_file(path)
    try:
        size = path.stat().st_size
        if size != written.size:
            raise ModelError(f"{path} has {size:,} of {written.size:,} bytes")
        if StoredFile.of(path) != written:
            raise ModelError(f"{path} is not what was written: its SHA-256 is another one")
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def _remove(folder: Path) -> None:
    """Remove a checkpoint's folder. Raises OSError where it holds other files than a checkpoint does."""
    for name in (WEIGHTS, EMA, OPTIMIZER, STATE):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
