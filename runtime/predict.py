"""From files to answers: labels where the model says how to read its input and output, else the numbers themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import write_whole
from runtime.preprocess import Preprocess, load_array, load_images
from runtime.run_folder import CLASSES, PREPROCESS
from runtime.session import Session
from runtime.strict_json import read_json

Array = npt.NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest class of one image, and the likeliest few with their probabilities, in falling order.

    `path` is the file, with the image's number behind it (`digits.npy[3]`) where the file holds several.
    """

    path: str
    label: str
    index: int
    probability: float
    top: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "label": self.label,
            "index": self.index,
            "probability": self.probability,
            "top": [{"label": label, "probability": probability} for label, probability in self.top],
        }


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What a model gave for one .npy file: arrays by output name."""

    path: str
    arrays: dict[str, Array]

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "outputs": {name: array.tolist() for name, array in self.arrays.items()}}


def can_label(session: Session) -> bool:
    """Whether the model's metadata tells preprocessing and class names, so that `predict` works."""
    return PREPROCESS in session.metadata and CLASSES in session.metadata


def predict(session: Session, paths: Sequence[str | Path], *, top: int = 5, batch: int = 32) -> list[Prediction]:
    """Classify pictures (PNG, JPEG) and preprocessed .npy files, in order; at most `batch` of them lie in memory.

    Raises ArchspecError where a file is unreadable, or the model is no classifier that says how to read it.
    """
    preprocess, classes = read_preprocess(session), read_classes(session)
    found: list[Prediction] = []
    for group in _group(_load(paths, preprocess), batch):
        logits = compute_logits(session, np.stack([image for _, image in group]), batch)
        if logits.shape[1] != len(classes):
            raise ArchspecError(f"{session.path} gives {logits.shape[1]} numbers per image, for {len(classes)} classes")
        found += [_label(name, row, classes, top) for (name, _), row in zip(group, softmax(logits), strict=True)]
    return found


def run_arrays(session: Session, paths: Iterable[str | Path]) -> list[RawOutputs]:
    """Run each .npy file, as it is or with a batch axis put before it, and give the outputs by name.

    For models without preprocessing and class names. Raises ArchspecError for other files and for wrong shapes.
    """
    name = _only_input(session)
    results = []
    for path in paths:
        if Path(path).suffix.lower() != ".npy":
            raise ArchspecError(f"{path}: {_explain_missing(session, PREPROCESS)}, or give .npy files")
        array = load_array(path)
        array = array[None] if array.ndim == len(session.inputs[name]) - 1 else array
        results.append(RawOutputs(str(path), session.run(array.astype(session.dtypes[name]))))
    return results


def save_outputs(path: str | Path, results: Sequence[RawOutputs]) -> None:
    """Keep the outputs of one or several files in a .npz: by name, or by the file's number and name."""
    arrays = {
        name if len(results) == 1 else f"{number}.{name}": array
        for number, result in enumerate(results)
        for name, array in result.arrays.items()
    }
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def compute_logits(session: Session, images: npt.NDArray[np.float32], batch: int = 32) -> npt.NDArray[np.float64]:
    """(N, C, H, W) to (N, classes), in runs of `batch`, or of the only batch that the file takes.

    Raises ArchspecError where the model has more than one input or output, or gives something else than finite rows.
    """
    name = _only_input(session)
    if len(session.outputs) != 1:
        raise ArchspecError(f"{session.path} has several outputs ({', '.join(session.outputs)}): it is no classifier")
    size = session.fixed_batch or batch
    images = images.astype(session.dtypes[name])
    parts = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part) if session.fixed_batch else 0
        padded = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        (rows,) = session.run(padded).values()
        parts.append(rows[: len(part)])
    logits = np.concatenate(parts).astype(np.float64)
    if logits.ndim != 2 or len(logits) != len(images):
        raise ArchspecError(f"{session.path} gives {logits.shape} for {len(images)} images: it is no classifier")
    if not np.isfinite(logits).all():
        raise ArchspecError(f"{session.path} gives infinite numbers or NaN")
    return logits


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows of logits to rows of probabilities; the largest is subtracted first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def read_preprocess(session: Session) -> Preprocess:
    """How the model's input is made from a picture; ArchspecError says how to get a model that tells."""
    return Preprocess.from_json(_read(session, PREPROCESS))


def read_classes(session: Session) -> tuple[str, ...]:
    """The names of the model's classes, in the order of its output."""
    classes = read_json(_read(session, CLASSES), f"the metadata '{CLASSES}'")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise ArchspecError(f"the metadata '{CLASSES}' of {session.path} must be a list of names")
    return tuple(classes)


def _read(session: Session, key: str) -> str:
    if key not in session.metadata:
        raise ArchspecError(_explain_missing(session, key))
    return session.metadata[key]


def _explain_missing(session: Session, key: str) -> str:
    what = {PREPROCESS: "how pictures become its input", CLASSES: "the names of its classes"}[key]
    return f"{session.path} does not say {what} ('{key}'): export it with weights that `archspec train` wrote"


def _only_input(session: Session) -> str:
    if len(session.inputs) != 1:
        raise ArchspecError(f"{session.path} takes several inputs ({', '.join(session.inputs)}); files feed only one")
    name = next(iter(session.inputs))
    if session.dtypes[name].kind != "f":
        raise ArchspecError(f"{session.path} takes {session.describe_input(name)}, no floating-point numbers")
    return name


def _load(paths: Iterable[str | Path], preprocess: Preprocess) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for path in paths:
        images = load_images(path, preprocess)
        for number, image in enumerate(images):
            yield (f"{path}[{number}]" if len(images) > 1 else str(path)), image


def _group(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while group := list(islice(items, size)):
        yield group


def _label(path: str, row: npt.NDArray[np.float64], classes: Sequence[str], top: int) -> Prediction:
    order = np.argsort(-row, kind="stable")[: max(top, 1)]
    ranked = tuple((classes[index], float(row[index])) for index in order)
    return Prediction(path, ranked[0][0], int(order[0]), ranked[0][1], ranked)
