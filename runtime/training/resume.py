"""Where a training goes on: the checkpoint that is asked for, held against what is trained now."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archspec.errors import InputError, ModelError
from archspec.extras import extra
from archspec.files import as_argument
from archspec.log import warn
from archspec.wording import list_some, tell_count
from compiler.onnx_file.metadata import DATA
from runtime.data.dataset import Dataset
from runtime.data.registry import describe_data
from runtime.data.sized import list_files
from runtime.recipes.recipe import Recipe
from runtime.training.checkpoint import Snapshot, read_checkpoint, read_newest
from runtime.training.manifest import EMA, WEIGHTS, Manifest, is_checkpoint_name, name_checkpoint
from runtime.training.metrics import read_metrics
from runtime.training.run_folder import CHECKPOINTS, MANIFEST, METRICS, TRAINED, list_trained

with extra("train"):
    from torch import Tensor

AUTO, NEVER = "auto", "never"
"""The words for the newest checkpoint of the run's own folder, and for none."""

FREE = frozenset(
    ("description", "source", "threads", "checkpoint_every", "keep_checkpoints", "data.workers", "data.cache")
)
"""The fields of a recipe, by their dotted names, that may change: steps see the same, whatever they are."""

ORIGIN = "origin"
"""The section of a run's settings that is told, and is not held against a training that goes on: by which name the data
were called, and which weights it began from."""

MAX_DIFFERENCES = 4
"""The largest number of differences that are told."""


@dataclass(frozen=True, eq=False)
class TakenUp:
    """A training that goes on: the run's folder that its checkpoint lies in, the list of those there that are whole,
    the snapshot, the weights of the best evaluation before it, and the lines of the metrics up to it; the last of them
    is the `end` where the training came to its end there."""

    folder: Path
    manifest: Manifest
    snapshot: Snapshot
    chosen: Mapping[str, Tensor] | None
    earlier: list[dict[str, Any]]
    end: Mapping[str, Any] | None = None

    def is_whole(self, folder: Path) -> bool:
        """Tell whether a folder is the run's own, and has all that training leaves in it."""
        own = folder.resolve() == self.folder.resolve()
        return own and self.end is not None and len(list_trained(folder)) == len(TRAINED)


def read_settings(folder: str | Path, how: str) -> Mapping[str, Any]:
    """Read the settings of the run whose checkpoint is asked for. Raises InputError where there is none."""
    return _read_manifest(*_locate(folder, how)[:1]).settings


def take_up(folder: str | Path, how: str, settings: Mapping[str, Any]) -> TakenUp:
    """Read the checkpoint that is asked for: the newest that is whole of the run's own folder (`auto`) or of another
    one, or that of a checkpoint's own folder.

    What is damaged is told in the log and passed over. Raises InputError where there is none, and where it was saved
    with other settings, with the difference.
    """
    run, name = _locate(folder, how)
    manifest = _read_manifest(run)
    check_settings(run, manifest.settings, settings)
    if name is not None:
        found = manifest.find(name)
        if found is None:
            raise InputError(f"{run / CHECKPOINTS / name} is not in the list of checkpoints, {_list(manifest)}")
        try:
            snapshot: Snapshot | None = read_checkpoint(run / CHECKPOINTS, found)
        except ModelError as error:
            raise InputError(f"{error}; whole may be {_list(manifest)}") from error
        problems: list[str] = []
    else:
        snapshot, problems = read_newest(run / CHECKPOINTS, manifest)
    if snapshot is None:
        raise InputError(_refuse(run, f"no checkpoint in {run / CHECKPOINTS} is whole: {list_some(problems)}"))
    last = manifest.last
    if problems and last is not None:
        again = tell_count(last.step - snapshot.step, "step")
        warn(f"{list_some(problems)}: it goes on from step {snapshot.step}, and {again} after it are taken again")
    whole = tuple(item for item in manifest.checkpoints if item.step <= snapshot.step or not problems)
    best = manifest.best if manifest.best in [item.name for item in whole] else None
    manifest = replace(manifest, checkpoints=whole, best=best)
    rows = read_metrics(run / METRICS, snapshot.step)
    end = next((row for row in rows if row.get("kind") == "end"), None)
    earlier = [row for row in rows if row.get("kind") != "end"]
    return TakenUp(run, manifest, snapshot, _read_chosen(run, manifest, snapshot), earlier, end)


def fill_in(recipe: Recipe, stored: object) -> Recipe:
    """Fill in what a recipe leaves open (`auto`) with what the run that is gone on with chose."""
    if not isinstance(stored, dict):
        return recipe
    names = [name for name in ("batch", "precision", "memory_format") if getattr(recipe, name) == AUTO]
    found = {name: stored[name] for name in names if stored.get(name) not in (None, AUTO)}
    return Recipe.model_validate({**recipe.to_dict(), **found}) if found else recipe


def identify_data(data: Dataset) -> dict[str, Any]:
    """Tell by what a training that goes on knows its data: what is asked, how images are prepared, how many there are
    in each part, and, of files, their names and lengths as one digest, wherever they lie."""
    facts: dict[str, Any] = {**describe_data(data)}
    for part, samples in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        facts[part] = 0 if samples is None else len(samples)
    files = [path for index in range(len(data.train)) for path in list_files(data.train, index)]
    if files:
        digest = hashlib.sha256()
        for path in files:
            digest.update(f"{path.parent.name}/{path.name}\0{os.stat(path).st_size}\0".encode(errors="surrogateescape"))
        facts = {name: fact for name, fact in facts.items() if name != DATA} | {"files": digest.hexdigest()}
    return facts


def check_settings(run: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises InputError where a training has other settings than the run that it is to go on with."""
    differences = [
        f"{name}: {before!r} there, {now!r} now"
        for name, before, now in _compare(found, wanted)
        if name.removeprefix("recipe.") not in FREE and name.partition(".")[0] != ORIGIN
    ]
    if differences:
        raise InputError(
            f"{run} cannot be gone on with, since it was trained with other settings "
            f"({list_some(differences, MAX_DIFFERENCES)}); give the same ones, or begin anew from its weights: "
            f"--init {as_argument(run / WEIGHTS)} -o another folder"
        )


def _compare(found: Any, wanted: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The differences of two nested objects, by dotted names."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*found, *wanted]):
            yield from _compare(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)
    elif found != wanted:
        yield name, found, wanted


def _locate(folder: str | Path, how: str) -> tuple[Path, str | None]:
    """The run's folder and the name of the checkpoint in it; None is the newest."""
    if how == AUTO:
        return Path(folder), None
    place = Path(os.path.abspath(how))
    if is_checkpoint_name(place.name) and place.parent.name == CHECKPOINTS:
        return Path(how).parent.parent, place.name
    return Path(how), None


def _read_manifest(run: Path) -> Manifest:
    """Raises InputError where a folder has no list of checkpoints, or one that says nothing."""
    path = run / CHECKPOINTS / MANIFEST
    if not os.path.lexists(path):
        raise InputError(_refuse(run, f"{run} has no checkpoint to go on from ({path} is not there)"))
    try:
        manifest = Manifest.read(run / CHECKPOINTS)
    except ModelError as error:
        raise InputError(_refuse(run, f"the list of checkpoints is damaged: {error}")) from error
    if manifest.last is None:
        raise InputError(_refuse(run, f"{path} lists no checkpoint"))
    return manifest


def _refuse(run: Path, what: str) -> str:
    """Say what to do where there is no checkpoint."""
    advice = "begin anew, without --resume"
    if os.path.lexists(run / WEIGHTS):
        advice += f", or from the weights that are there: --init {as_argument(run / WEIGHTS)} -o another folder"
    return f"{what}; {advice}"


def _list(manifest: Manifest) -> str:
    return ", ".join(item.name for item in manifest.checkpoints)


def _read_chosen(run: Path, manifest: Manifest, snapshot: Snapshot) -> Mapping[str, Tensor] | None:
    """The weights of the best evaluation before a snapshot, which has a checkpoint of its own; None where nothing was
    evaluated yet, or it is lost, and will be come by again."""
    step = snapshot.state.get("choice", {}).get("step")
    if step is None:
        return None
    best = manifest.find(name_checkpoint(step))
    if best is None:
        return None
    try:
        tensors = snapshot.tensors if step == snapshot.step else read_checkpoint(run / CHECKPOINTS, best).tensors
    except ModelError as error:
        warn(f"{error}: the best weights so far, of step {step}, are lost")
        return None
    return tensors.get(EMA) or tensors[WEIGHTS]
