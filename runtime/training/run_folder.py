"""The folder of a training run: its files by name, what its weights remember, and the metrics as they came."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from archspec.errors import ArchspecError, InputError, ModelError
from archspec.files import as_argument, is_plain_file
from compiler.onnx_file.metadata import GRAPH, SPEC_HASH, TRAINED_INT8
from compiler.onnx_target.int8.scheme import RECIPES
from runtime.weights.safetensors_file import open_weights

SPEC = "spec.yaml"
RECIPE = "recipe.yaml"
WEIGHTS = "weights.safetensors"
MODEL = "model.onnx"
METRICS = "metrics.jsonl"
PICTURE = "predictions.png"
SAMPLES = "samples"

SHEET = "samples.png"
"""The picture of the first training images as the network sees them."""

CHECKPOINTS = "checkpoints"
"""The folder of a run's checkpoints."""

MANIFEST = "manifest.json"
"""The list of checkpoints in their folder, with the settings that a training which goes on has to have too."""

MAX_MANIFEST_BYTES = 1 << 26
"""The largest length of that list in bytes."""

TRAINED = (SPEC, RECIPE, WEIGHTS, METRICS)
"""The files that training leaves, beside its checkpoints."""

MADE = (MODEL, PICTURE, SAMPLES)
"""The files that other commands make of those."""

RUNS = Path("runs")
"""The folder of runs whose own nobody chose."""


def check_files(folder: str | Path, names: Iterable[str]) -> None:
    """Raises InputError where there is no such folder, or one of a run's files is missing, and says which command
    makes it. A run without weights is unfinished."""
    if not os.path.isdir(folder):
        if os.path.isfile(folder):
            raise InputError(f"{folder} is a file: give the folder of the run, {Path(folder).parent}")
        raise InputError(f"{folder} does not exist: give the folder of a run, as `archspec train -o` names it")
    for name in names:
        if not os.path.isfile(Path(folder) / name):  # of a name that is too long, Path.is_file raises
            unfinished = name == WEIGHTS and os.path.lexists(Path(folder) / METRICS)
            advice = "run `archspec train` first"
            if unfinished:
                advice = "its training was not finished: go on with --resume auto, or train again with --force"
            elif name == MODEL:
                advice = f"make it first: {write_export(Path(folder), _read_metadata(Path(folder) / WEIGHTS))}"
            raise InputError(f"{folder} has no {name}: {advice}")


def _read_metadata(weights: Path) -> Mapping[str, str]:
    """Read the metadata of weights; none where they cannot be read, which the command that reads them tells."""
    try:
        return open_weights(weights)[1]
    except ArchspecError:
        return {}


def hash_spec(text: str) -> str:
    """Hash a spec's text: weights know the spec that they were trained with by this, under SPEC_HASH."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_one_run(spec: str | Path, digest: Callable[[], str], weights: str | Path, facts: Mapping[str, str]) -> None:
    """Raises ModelError where a run's weights, by their metadata, are of another spec, and of another network than
    that whose graph has the `digest`: a spec may be edited, and an older one read, as long as it says the same."""
    known = facts.get(SPEC_HASH)
    if known in (None, hash_spec(Path(spec).read_text(encoding="utf-8"))) or facts.get(GRAPH) == digest():
        return
    raise ModelError(
        f"{weights} is of another network than {spec}: that was changed, or a training was killed while it replaced "
        "the run; train again, with --force"
    )


def name_sample(index: int, label: str | None) -> str:
    """Name the file of a data set's image among a run's samples, by its index and the name of its class:
    `17-label-NAME.png`, or `17.png` of an image without a class."""
    suffix = "" if label is None else f"-label-{re.sub(r'[^A-Za-z0-9]+', '_', label)}"
    return f"{index}{suffix}.png"


def write_export(folder: Path, metadata: Mapping[str, str] | None = None, more: Sequence[str] = ()) -> str:
    """Write the command that makes a run's model: in int8, for the runtime of its recipe, where the `metadata` of the
    weights say that they were trained so; it has `more` words."""
    spec, weights, model = (as_argument(folder / name) for name in (SPEC, WEIGHTS, MODEL))
    words = [f"archspec export {spec} --weights {weights}"]
    if trained := TRAINED_INT8.read(metadata or {}, folder / WEIGHTS):
        target = next((target for target, recipe in RECIPES.items() if recipe == trained.get("recipe")), "any")
        words += ["--precision int8", *([] if target == "any" else [f"--for {target}"])]
    return " ".join([*words, f"-o {model}", *more])


def list_trained(folder: str | Path) -> list[str]:
    """List the names of the files in a folder that training left there, or would replace."""
    return [name for name in TRAINED if os.path.lexists(Path(folder) / name)]


def check_vacant(folder: str | Path, *, force: bool = False) -> None:
    """Raises InputError where a folder holds what training left there, unless that is to be replaced and lies in the
    folder itself, and where a file stands in the place of it or of a folder around it."""
    above = (place for place in (Path(folder), *Path(folder).parents) if os.path.lexists(place))
    nearest = next(above, Path())
    if not os.path.isdir(nearest):
        raise InputError(f"{nearest} is not a folder, and a run leaves several files: choose another name (-o)")
    there = list_trained(folder)
    if there and not force:
        what = f"{folder} holds an earlier run ({', '.join(there)}), which is not replaced unasked"
        going_on = "go on with it (--resume auto), " if os.path.lexists(Path(folder) / CHECKPOINTS) else ""
        choices = f"{going_on}choose another folder (-o), or replace it (--force, in Python force=True)"
        raise InputError(f"{what}: {choices}")
    odd = [path for path in (Path(folder) / name for name in there) if not is_plain_file(path)]
    if odd:
        problem = f"{odd[0]} is a link or no file, and a run's files are replaced as one"
        raise InputError(f"{problem}: choose another folder (-o), or remove it")


def claim_folder(name: str) -> Path:
    """Make the first of `runs/NAME`, `runs/NAME-2`, `runs/NAME-3`, … that is not there: nobody else gets it then.

    Raises InputError where it cannot be made.
    """
    try:
        RUNS.mkdir(exist_ok=True)
        for number in itertools.count(1):
            folder = RUNS / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise InputError(f"cannot make a folder in {RUNS}/: {error.strerror or error}") from error
    raise AssertionError("there is always a next number")
