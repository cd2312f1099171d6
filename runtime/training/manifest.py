"""The list of a run's checkpoints: which there are, of how many bytes and which digests, and which the best is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, ModelError, raising
from archspec.files import check_is_file
from archspec.files import write_text as write_whole_text
from archspec.strict_json import check_integer, check_keys, read_json
from runtime.training.run_folder import MANIFEST, MAX_MANIFEST_BYTES
from runtime.training.tensor_file import StoredFile

FORMAT = "format"
VERSION = 1

WEIGHTS, EMA, OPTIMIZER, STATE = "weights.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"
"""The names of a checkpoint's files."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint: the name of its folder, after how many steps it was saved, and its files by name."""

    name: str
    step: int
    files: Mapping[str, StoredFile]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The checkpoints of a run in the order of their steps, the name of the best one (None where nothing was chosen),
    and the settings with which they were saved, which a training that goes on has to have too."""

    settings: Mapping[str, Any]
    checkpoints: tuple[Checkpoint, ...] = ()
    best: str | None = None

    @property
    def last(self) -> Checkpoint | None:
        """The newest checkpoint."""
        return self.checkpoints[-1] if self.checkpoints else None

    def find(self, name: str | None) -> Checkpoint | None:
        """The checkpoint of a name; None where there is none."""
        return next((item for item in self.checkpoints if item.name == name), None)

    def write(self, folder: Path) -> None:
        """Write it into the folder of checkpoints, whole or not at all. Raises InputError where that cannot be."""
        rows = [
            {
                "name": item.name,
                "step": item.step,
                "files": {name: {"bytes": file.size, "sha256": file.sha256} for name, file in item.files.items()},
            }
            for item in self.checkpoints
        ]
        found = {
            FORMAT: VERSION,
            "last": self.last and self.last.name,
            "best": self.best,
            "settings": self.settings,
            "checkpoints": rows,
        }
        write_whole_text(folder / MANIFEST, json.dumps(found, indent=1, allow_nan=False) + "\n")

    @classmethod
    @raising(ModelError)
    def read(cls, folder: Path) -> Manifest:
        """Read that of a folder. Raises ModelError where there is none, or it says something else than `write` does."""
        path = folder / MANIFEST
        check_is_file(path)
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"{path} has more than {MAX_MANIFEST_BYTES:,} bytes")
        found = read_json(path.read_bytes(), str(path))
        check_keys(found, str(path), (FORMAT, "last", "best", "settings", "checkpoints"))
        check_integer(found[FORMAT], f"{path}: '{FORMAT}'", most=VERSION)
        if not isinstance(found["settings"], dict) or not isinstance(found["checkpoints"], list):
            raise ModelError(f"{path}: 'settings' must be an object, and 'checkpoints' a list")
        rows = tuple(_read_row(row, f"{path}: checkpoint {number}") for number, row in enumerate(found["checkpoints"]))
        manifest = cls(found["settings"], rows, found["best"])
        steps = [row.step for row in rows]
        if steps != sorted(set(steps)) or found["last"] != (manifest.last and manifest.last.name):
            raise ModelError(f"{path}: the checkpoints are not in order, or 'last' is not the last of them")
        if manifest.best is not None and manifest.find(manifest.best) is None:
            raise ModelError(f"{path}: the best checkpoint is not among them")
        return manifest


def name_checkpoint(step: int) -> str:
    """Name the folder of a checkpoint, such that names are in the order of steps."""
    return f"{step:08d}"


def is_checkpoint_name(name: str) -> bool:
    """Tell whether a folder has the name of a checkpoint."""
    return re.fullmatch("[0-9]{8,10}", name) is not None


def _read_row(row: object, what: str) -> Checkpoint:
    found = check_keys(row, what, ("name", "step", "files"))
    step = check_integer(found["step"], f"{what}: 'step'", least=0)
    if found["name"] != name_checkpoint(step):
        raise ArchspecError(f"{what} must be called {name_checkpoint(step)}")
    files = {}
    for name, item in check_keys(found["files"], f"{what}: 'files'", (WEIGHTS, OPTIMIZER, STATE), (EMA,)).items():
        check_keys(item, f"{what}: {name}", ("bytes", "sha256"))
        if not isinstance(item["sha256"], str):
            raise ArchspecError(f"{what}: 'sha256' must be a string")
        files[name] = StoredFile(check_integer(item["bytes"], f"{what}: 'bytes'", 0, 1 << 50), item["sha256"])
    return Checkpoint(found["name"], step, files)
