"""From files to answers: what the model's task asks where the model says it, else the numbers themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, ModelError
from archspec.wording import list_some
from compiler.onnx_file.metadata import CLASSES, PREPROCESS
from runtime.pictures.file import Ground
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import FaintNote, PictureReading
from runtime.prediction.reader import Failure, Reader, attempt, list_files, naming, only_input
from runtime.prediction.task_spec import TaskSpec, explain_missing, find_task_spec, read_preprocess
from runtime.session.array_file import cast
from runtime.session.session import Session
from runtime.tasks.task import Answer, AnswerInput, Task

MAX_AT_ONCE = 1 << 25
"""The largest number of values in the images of one run, 128 MiB; of large images fewer than the batch go at once."""

MAX_PADDED = 1 << 28
"""The largest number of values in a batch that is filled up for a model that takes no smaller one."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file, and how many images it holds."""

    path: str
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class InputImage:
    """One image of a file, by its number there, as the network reads it, (C, *extents), and where its own pixels lie on
    that; `reading` says how it was read if it is a picture."""

    source: Source
    number: int
    image: Array
    frame: Frame
    reading: PictureReading | None = None

    @property
    def path(self) -> str:
        """The file, with the image's number behind it where that holds several."""
        return f"{self.source.path}[{self.number}]" if self.source.images > 1 else self.source.path


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One image, what the network gave for it, by output name, the names of the answering channels, and the answer."""

    input: InputImage
    outputs: dict[str, Array]
    names: tuple[str, ...]
    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        return self.answer.to_dict() | _describe(self.input.reading)


@dataclass(frozen=True, slots=True, eq=False)
class Unanswered:
    """One image, and why it has no answer."""

    input: InputImage
    error: ArchspecError


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """The outputs of a model for one .npy file, or for one image: arrays by name."""

    path: str
    arrays: dict[str, Array]
    reading: PictureReading | None = None

    def to_dict(self) -> dict[str, Any]:
        outputs = {name: array.tolist() for name, array in self.arrays.items()}
        return {"path": self.path, "outputs": outputs} | _describe(self.reading)

    def summarize(self) -> dict[str, Any]:
        """Write the answer with the shape, mean, least and largest of each output; None where it has no numbers."""
        outputs = {name: _summarize(array) for name, array in self.arrays.items()}
        return {"path": self.path, "outputs": outputs} | _describe(self.reading)


def predict(
    session: Session,
    paths: Sequence[str | Path],
    spec: TaskSpec | None = None,
    *,
    top: int = 5,
    batch: int = 32,
    ground: Ground | None = None,
    resize: bool = False,
) -> list[Answer]:
    """Give the answers of `answer_files`, in order. Raises ArchspecError at the first file that has none.

    >>> from runtime.prediction.predict import predict
    >>> from runtime.training.recipe import Recipe
    >>> spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    >>> _ = archspec.train(spec, "digits", "run", Recipe(epochs=1, batch=500))
    >>> weights, facts = archspec.read_weights("run/weights.safetensors")
    >>> _ = archspec.to_onnx(archspec.elaborate(spec), weights, "run/model.onnx", metadata=facts, verify=False)
    >>> pictures = archspec.evaluate("run").samples
    >>> (answer,) = predict(archspec.Session("run/model.onnx", providers=["cpu"]), pictures[:1], top=2)
    >>> answer.to_dict()["label"] in "0123456789"
    True
    """
    found: list[Answer] = []
    for item in answer_files(session, paths, spec, top=top, batch=batch, ground=ground, resize=resize):
        if isinstance(item, Failure):
            raise item.error
        found.append(item.answer)
    return found


def answer_files(
    session: Session,
    paths: Iterable[str | Path],
    spec: TaskSpec | None = None,
    *,
    top: int = 5,
    batch: int = 32,
    ground: Ground | None = None,
    resize: bool = False,
) -> Iterator[Answered | Failure]:
    """Answer for pictures (PNG, JPEG), for those in folders, and for preprocessed .npy files, in order; for a file that
    cannot be read, or of which images have no answer, say once why. At most `batch` images lie in memory.

    Without a `spec`, the model's own. `top` is how many of the likeliest labels are given; transparent pictures lie
    on `ground`. Maps and joints are in each picture's own pixels, and it is read at its own size where the model takes
    that, or a larger one, unless `resize` says otherwise. Raises ModelError where the model cannot answer.
    """
    spec = spec or find_task_spec(session)
    if spec is None:
        raise ModelError(explain_missing(session, PREPROCESS if PREPROCESS not in session.metadata else CLASSES))
    reader = Reader(session, spec.preprocess, not resize and _sees_all(spec.preprocess, spec.task), ground)
    name, _ = only_input(session)
    if not session.inputs[name]:
        raise ModelError(f"{session.path} takes a single number, and no images")

    def answer_images() -> Iterator[Answered | Unanswered | Failure]:
        for group in _group(_load(reader, paths), batch):
            if isinstance(group, Failure):
                yield group
            else:
                yield from _answer(session, spec, group, batch, top)

    for _, results in groupby(
        answer_images(), key=lambda item: item if isinstance(item, Failure) else item.input.source
    ):
        failed = []
        for item in results:
            if isinstance(item, Unanswered):
                failed.append(item)
            else:
                yield item
        if failed:
            yield _tell_failed(failed)


def run_arrays(
    session: Session, paths: Iterable[str | Path], ground: Ground | None = None
) -> Iterator[RawOutputs | Failure]:
    """Run each .npy file, as it is or with a batch axis put before it, and give the outputs by name; and each picture,
    where the model says how pictures become its input. For a file that cannot be read or run, say why.

    Raises ModelError where the model takes several inputs, or says of pictures what makes no sense.
    """
    name, _ = only_input(session)
    preprocess = read_preprocess(session) if PREPROCESS in session.metadata else None
    reader = Reader(session, preprocess, _sees_all(preprocess), ground)
    note = FaintNote()

    def run(path: Path) -> RawOutputs:
        images, reading = reader.read(path)
        if reading:
            note(path, reading)
        with naming(path):
            return RawOutputs(str(path), session.run({name: images}), reading)

    for path in list_files(paths):
        yield path if isinstance(path, Failure) else attempt(path, partial(run, path))


def _sees_all(preprocess: Preprocess | None, task: Task | None = None) -> bool:
    """Tell whether all of a picture is seen: for answers that are said of its pixels, and where it is not resized."""
    return (task is not None and task.has_picture) or (preprocess is not None and preprocess.resize == "none")


def compute_outputs(session: Session, images: Array) -> dict[str, Array]:
    """Compute what `run_images` does, in float64."""
    return {name: rows.astype(np.float64) for name, rows in run_images(session, images).items()}


def run_images(session: Session, images: Array, batch: int = 32) -> dict[str, Array]:
    """Compute all outputs for images (N, C, *extents), by name, (N, ...) in the types that the model gives them in; in
    runs of `batch`, or of the only batch that the file takes.

    Raises ModelError where the model has more than one input, or gives something else than finite rows, and InputError
    where it does not take such numbers.
    """
    name, dtype = only_input(session)
    size = session.fixed_batch or batch
    images = images if images.dtype == dtype else cast(images, dtype, "an image")
    parts: dict[str, list[Array]] = {}
    for start in range(0, len(images), size):
        part = images[start : start + size]
        padded = _fill(session, part) if session.fixed_batch else part
        for output, rows in session.run({name: padded}).items():
            if rows.shape[:1] != padded.shape[:1]:
                raise ModelError(f"{session.path} gives '{output}' {rows.shape} for {len(padded)} images, no row each")
            parts.setdefault(output, []).append(rows[: len(part)])
    found = {output: np.concatenate(rows) for output, rows in parts.items()}
    for output, rows in found.items():
        if rows.dtype.kind not in "biuf":
            raise ModelError(f"{session.path} gives '{output}' in {rows.dtype}, which are no numbers")
        if not np.isfinite(rows).all():
            raise ModelError(f"{session.path} gives infinite numbers or NaN in '{output}'")
    return found


def _describe(reading: PictureReading | None) -> dict[str, Any]:
    return reading.to_dict() if reading else {}


def _summarize(array: Array) -> dict[str, Any]:
    numbers = array.size and array.dtype.kind in "biuf"
    figures = (float(array.mean()), float(array.min()), float(array.max())) if numbers else (None,) * 3
    return {"shape": list(array.shape), **dict(zip(("mean", "min", "max"), figures, strict=True))}


def _fill(session: Session, images: Array) -> Array:
    """Give as many images as the file takes at once, the last one repeated."""
    missing = (session.fixed_batch or 0) - len(images)
    if missing * prod(images.shape[1:]) > MAX_PADDED:
        raise ModelError(f"{session.path} takes batches of {session.fixed_batch} alone, which are too large to fill up")
    return np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images


def _answer(
    session: Session, spec: TaskSpec, group: Sequence[InputImage], batch: int, top: int
) -> Iterator[Answered | Unanswered]:
    """The answers of images of one shape. Where they fail together, each is asked alone."""

    def run() -> dict[str, Array]:
        return run_images(session, np.stack([given.image for given in group]), batch)

    outputs = attempt(group[0].path, run)
    if isinstance(outputs, Failure):
        if len(group) == 1:
            yield Unanswered(group[0], outputs.error)
            return
        for given in group:
            yield from _answer(session, spec, [given], batch, top)
        return
    laid = _lay_out(session, spec, group, outputs[spec.output], top)
    for number, answer in enumerate(spec.task.answer(laid)):
        one = {name: output[number] for name, output in outputs.items()}
        yield Answered(group[number], one, tuple(laid.names), answer)


def _tell_failed(failed: Sequence[Unanswered]) -> Failure:
    """Tell why images of one file have no answer."""
    source, where = failed[0].input.source, ""
    if len(failed) == source.images > 1:
        where = f"none of its {source.images:,} images has an answer: "
    elif source.images > 1:
        numbers = list_some([item.input.number for item in failed], separator=", ")
        where = f"no answer for {len(failed):,} of its {source.images:,} images ({numbers}): "
    reasons = list_some(list(dict.fromkeys(str(item.error) for item in failed)), most=1)
    return Failure(source.path, type(failed[0].error)(f"{source.path}: {where}{reasons}"))


def _lay_out(session: Session, spec: TaskSpec, group: Sequence[InputImage], output: Array, top: int) -> AnswerInput:
    """An output with what its answer needs. Raises ModelError where it does not fit the task or the names."""
    shape = output.shape[1:]
    try:
        grid = spec.task.place(group[0].image.shape, shape, spec.stride)
    except ArchspecError as error:
        raise ModelError(f"{session.path}, output '{spec.output}': {error}; --task names another task") from error
    task, channels = spec.task, spec.task.count_channels(shape)
    names = spec.names or tuple(f"{task.channel} {number}" for number in range(channels))
    if channels != len(names):
        raise ModelError(f"{session.path} gives {channels} {task.given}, for {len(names)} {task.names}")
    paths, frames = tuple(given.path for given in group), tuple(given.frame for given in group)
    return AnswerInput(paths, frames, output, grid, names, session.metadata, top)


def _load(reader: Reader, paths: Iterable[str | Path]) -> Iterator[InputImage | Failure]:
    """Load each file's images."""
    note = FaintNote()
    for path in list_files(paths):
        found = path if isinstance(path, Failure) else attempt(path, partial(reader.read, path))
        if isinstance(found, Failure):
            yield found
            continue
        images, reading = found
        if reading:
            note(str(path), reading)
        source = Source(str(path), len(images))
        for number, image in enumerate(images):
            frame = reading.frame if reading else Frame.whole(image.shape[1:])
            yield InputImage(source, number, image, frame, reading)


def _group(images: Iterator[InputImage | Failure], size: int) -> Iterator[Failure | list[InputImage]]:
    """Group at most `size` neighbours of one shape at a time, and as many as fit into one run."""
    for shape, alike in groupby(images, key=lambda item: None if isinstance(item, Failure) else item.image.shape):
        most = max(1, min(size, MAX_AT_ONCE // max(1, prod(shape or ()))))
        while group := list(islice(alike, most)):
            failed = [item for item in group if isinstance(item, Failure)]
            yield from failed
            if not failed:
                yield [item for item in group if isinstance(item, InputImage)]
