"""From files to answers: what the model's task asks where the model says it, else the numbers themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from math import prod
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, ModelError
from archspec.wording import list_some
from compiler.onnx_file.metadata import CLASSES, PREPROCESS
from runtime.pictures.file import Ground
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import FaintNote
from runtime.prediction.answered import Answered, AnsweredFile, InputImage, RawOutputs, Unanswered
from runtime.prediction.network_outputs import run_images
from runtime.prediction.reader import Failure, Reader, attempt, list_files, naming, only_input
from runtime.prediction.task_spec import TaskSpec, explain_missing, find_task_spec, read_preprocess
from runtime.prediction.volumes import answer_volumes, takes_volumes
from runtime.session.session import Session
from runtime.tasks.task import Answer, AnswerInput, Task

MAX_BATCH_VALUES = 1 << 25
"""The largest number of values in the images of one run, 128 MiB; of large images fewer than the batch go at once."""


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
    >>> spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    >>> _ = archspec.train(spec, "digits", archspec.Recipe(epochs=1, batch=500), folder="run")
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
    cannot be read, or of which images have no answer, say once why. At most `batch` images lie in memory. Where the
    model was trained on volumes, these are read, as `answer_volumes` says.

    Without a `spec`, the model's own. `top` is how many of the likeliest labels are given; transparent pictures lie
    on `ground`. Maps and joints are in each picture's own pixels, and it is read at its own size where the model takes
    that, or a larger one, unless `resize` says otherwise. Raises ModelError where the model cannot answer.
    """
    spec = spec or find_task_spec(session)
    if spec is None:
        raise ModelError(explain_missing(session, PREPROCESS if PREPROCESS not in session.metadata else CLASSES))
    if takes_volumes(spec.preprocess):
        yield from answer_volumes(session, paths, spec)
        return
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

    yield from _tell_by_file(answer_images())


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


def _tell_by_file(items: Iterable[Answered | Unanswered | Failure]) -> Iterator[Answered | Failure]:
    """The answers, and behind those of a file why others of its images have none."""
    for _, results in groupby(items, key=lambda item: item if isinstance(item, Failure) else item.input.source):
        failed = []
        for item in results:
            if isinstance(item, Unanswered):
                failed.append(item)
            else:
                yield item
        if failed:
            yield _tell_failed(failed)


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
        source = AnsweredFile(str(path), len(images))
        for number, image in enumerate(images):
            frame = reading.frame if reading else Frame.whole(image.shape[1:])
            yield InputImage(source, number, image, frame, reading)


def _group(images: Iterator[InputImage | Failure], size: int) -> Iterator[Failure | list[InputImage]]:
    """Group at most `size` neighbours of one shape at a time, and as many as fit into one run."""
    for shape, alike in groupby(images, key=lambda item: None if isinstance(item, Failure) else item.image.shape):
        most = max(1, min(size, MAX_BATCH_VALUES // max(1, prod(shape or ()))))
        while group := list(islice(alike, most)):
            failed = [item for item in group if isinstance(item, Failure)]
            yield from failed
            if not failed:
                yield [item for item in group if isinstance(item, InputImage)]
