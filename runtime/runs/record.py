"""What is known of a run by its folder, without its network: the settings, and the metrics as they came."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError
from archspec.files import check_is_file
from archspec.spec.text import read_file
from archspec.strict_json import read_json
from runtime.training.run_folder import CHECKPOINTS, MANIFEST, MAX_MANIFEST_BYTES, METRICS, RECIPE, SPEC

MAX_METRICS_BYTES = 1 << 30
"""The largest file of metrics that is read, in bytes."""

PARTS = ("test", "validation")
"""The parts of a data set of which an evaluation may speak."""


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run: its folder, the rows of its metrics by kind, the document of its recipe, and the other settings with which
    it was trained, none where it has no checkpoints any more."""

    folder: Path
    spec: str
    steps: tuple[Mapping[str, Any], ...]
    evaluations: tuple[Mapping[str, Any], ...]
    end: Mapping[str, Any] | None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    broken_lines: int = 0
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> RunRecord:
        """Read a run's folder; lines that a kill cut off are passed over, and counted.

        Raises InputError where there is no run, or its metrics cannot be read.
        """
        folder = Path(folder)
        if not os.path.isfile(folder / METRICS):
            raise InputError(f"{folder} holds no run: there is no {METRICS} in it, which `archspec train` writes")
        rows, broken = _read_rows(folder / METRICS)
        ends = [row for row in rows if row.get("kind") == "end"]
        return cls(
            folder,
            _find_name(folder / SPEC),
            tuple(row for row in rows if row.get("kind") == "step"),
            tuple(row for row in rows if row.get("kind") == "evaluation"),
            ends[-1] if ends else None,
            _read_mapping(folder / RECIPE),
            broken,
            _read_others(folder / CHECKPOINTS / MANIFEST),
        )

    @property
    def name(self) -> str:
        """The folder as it is told."""
        return str(self.folder)

    @property
    def finished(self) -> bool:
        """True if training came to its end."""
        return self.end is not None

    @property
    def last_step(self) -> int:
        """The number of the last step of which the metrics tell; 0 where they tell of none."""
        rows = (*self.steps, *self.evaluations, *([self.end] if self.end else []))
        return max((int(row["step"]) for row in rows), default=0)

    @property
    def metric(self) -> str | None:
        """The name of the task's main score, which is the first that an evaluation measured; None where none did."""
        for row in (*self.evaluations, *([self.end] if self.end else [])):
            names = [name for name in row if _split(name)[0] and _split(name)[1] not in ("images", "loss")]
            if names:
                return _split(names[0])[1]
        return None

    def best_evaluation(self) -> Mapping[str, Any] | None:
        """The last evaluation that was the best so far; None where there was none, or nothing was chosen."""
        return next((row for row in reversed(self.evaluations) if row.get("best")), None)

    def kept_evaluation(self) -> Mapping[str, Any] | None:
        """The evaluation whose weights the run kept: the best so far, or the last where nothing is chosen."""
        return self.best_evaluation() or next(reversed(self.evaluations), None)

    def score(self, part: str) -> float | None:
        """The main score of a part, test or validation: of the end, else of the evaluation whose weights are kept."""
        for row in (self.end, self.kept_evaluation()):
            value = row.get(f"{part}_{self.metric}") if row else None
            if isinstance(value, int | float):
                return float(value)
        return None

    @property
    def seconds(self) -> float | None:
        """The seconds that the training took, or that its steps tell of so far."""
        rows = ([self.end] if self.end else []) or self.steps[-1:]
        found = rows[-1].get("seconds") if rows else None
        return float(found) if isinstance(found, int | float) else None

    def to_dict(self) -> dict[str, Any]:
        """Give the figures of the run as plain values."""
        row = {
            "run": self.name,
            "spec": self.spec,
            "finished": self.finished,
            "step": self.last_step,
            "epoch": self._last("epoch"),
            "metric": self.metric,
        }
        row |= {part: self.score(part) for part in PARTS}
        return row | {"loss": self._last("loss"), "seconds": self.seconds}

    def _last(self, name: str) -> Any:
        rows = [row for row in (*self.steps, *self.evaluations) if name in row]
        return max(rows, key=lambda row: row["step"])[name] if rows else None


def find_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Find the runs in some folders, which may be runs themselves, sorted by path; folders of hidden names and links to
    folders are passed over. Raises InputError for a folder that is not there."""
    found = set()
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f"{folder} is no folder")
        for place, names, files in os.walk(folder):
            names[:] = [name for name in names if not name.startswith(".") and name != "checkpoints"]
            if METRICS in files:
                found.add(Path(place))
    return sorted(found)


def _split(name: str) -> tuple[str, str]:
    """Split `test_mean_iou` into the part of the data and the score; without a part, that is empty."""
    part, _, score = name.partition("_")
    return (part, score) if part in PARTS else ("", name)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_tellable(value: object) -> bool:
    """Tell whether a value is none of the numbers that no training writes, and no double holds."""
    return not isinstance(value, int) or abs(value) <= sys.float_info.max


def _read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    try:
        if path.stat().st_size > MAX_METRICS_BYTES:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes, more than {MAX_METRICS_BYTES:,}")
        lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()  # a damaged line is no row
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    rows, broken = [], 0
    for line in lines:
        row = None
        with suppress(ArchspecError):
            row = read_json(line, str(path))
        if isinstance(row, dict) and _is_count(row.get("step")) and all(map(_is_tellable, row.values())):
            rows.append(row)
        else:
            broken += 1
    return rows, broken


def _read_mapping(path: Path) -> Mapping[str, Any]:
    """Read a document that may be missing or broken, for telling alone."""
    with suppress(ArchspecError):
        found = read_file(path, str(path)).data
        if isinstance(found, dict):
            return found
    return {}


def _read_others(path: Path) -> Mapping[str, Any]:
    """Read the settings in a list of checkpoints, which may be missing or broken, but for the recipe and what was found
    on the way. What is known of the data is called `dataset`, since a recipe has a section `data`."""
    with suppress(ArchspecError, OSError):
        check_is_file(path)
        if path.stat().st_size <= MAX_MANIFEST_BYTES:
            found = read_json(path.read_bytes(), str(path))
            settings = found.get("settings") if isinstance(found, dict) else None
            if isinstance(settings, dict):
                named = {"dataset" if name == "data" else name: value for name, value in settings.items()}
                return {name: value for name, value in named.items() if name not in ("recipe", "reshaped")}
    return {}


def _find_name(path: Path) -> str:
    """Find the name of a spec without reading the whole of it."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        match = re.search(r"^name: *(\S.*)$", file.read(4096), re.MULTILINE)
        if match:
            return match[1].strip("\"'")
    return "?"
