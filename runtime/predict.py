"""From files to answers: what the model's task asks where the model says it, else the numbers themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from archspec.files import write_whole
from runtime.preprocess import Preprocess, load_array, load_images, measure_picture
from runtime.run_folder import CLASSES, PREPROCESS, STRIDE, TASK, parse_classes
from runtime.session import Session
from runtime.strict_json import check_integer, read_json
from runtime.tasks.answers import ANSWERS, Answer, Sheet
from runtime.tasks.grid import Grid
from runtime.tasks.task import Task, find_task

Array = npt.NDArray[Any]

MOST_STRIDE = 1 << 15


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the task, which output answers it, the names of its channels (None: numbers), how a
    picture becomes its input (None: only .npy files do), and the output's stride in pixels (None: from its extents)."""

    task: Task
    output: str
    names: tuple[str, ...] | None
    preprocess: Preprocess | None
    stride: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One image as the network read it, (C, *extents), what it gave, by output name, where its answering output lies,
    and the answer."""

    image: npt.NDArray[np.float32]
    outputs: dict[str, Array]
    grid: Grid
    answer: Answer


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What a model gave for one .npy file, or for one image: arrays by output name."""

    path: str
    arrays: dict[str, Array]

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "outputs": {name: array.tolist() for name, array in self.arrays.items()}}


@dataclass(frozen=True, slots=True, eq=False)
class _Image:
    """`scale` is how many of the file's pixels make one of the network's, along each axis of a picture."""

    path: str
    array: npt.NDArray[np.float32]
    scale: tuple[float, float] = (1.0, 1.0)


def find_question(session: Session, task: str | None = None, output: str | None = None) -> Question | None:
    """What a model is asked, by its metadata; `task` and `output` come before those.

    None where nothing says what its task is: only its numbers can be had. Raises ArchspecError for unknown names, for
    malformed metadata, and for labels from a model that does not name its classes or does not read pictures.
    """
    named = PREPROCESS in session.metadata and CLASSES in session.metadata
    word = task or session.metadata.get(TASK) or ("labels" if named else None)
    if word is None:
        return None
    found = find_task(word)
    if output is not None and output not in session.outputs:
        known = ", ".join(session.outputs)
        raise ArchspecError(f"{session.path} has no output '{output}'{suggest(output, session.outputs)} (has: {known})")
    last = list(session.outputs)[-1]  # whose stride the metadata say
    lenient = found.name != "labels"
    return Question(
        task=found,
        output=output or last,
        names=None if lenient and CLASSES not in session.metadata else read_classes(session),
        preprocess=None if lenient and PREPROCESS not in session.metadata else read_preprocess(session),
        stride=read_stride(session.metadata, session.path) if output in (None, last) else None,
    )


def predict(
    session: Session,
    paths: Sequence[str | Path],
    question: Question | None = None,
    *,
    top: int = 5,
    batch: int = 32,
    on_answer: Callable[[Answered], None] = lambda answered: None,
) -> list[Answer]:
    """Answer for pictures (PNG, JPEG) and preprocessed .npy files, in order; at most `batch` images lie in memory.

    Without a question, the model's own. `top` is how many of the likeliest labels are given. Calls `on_answer` for each
    image. Raises ArchspecError where a file is unreadable, or the model cannot answer.
    """
    question = question or find_question(session)
    if question is None:
        raise ArchspecError(_explain_missing(session, PREPROCESS if PREPROCESS not in session.metadata else CLASSES))
    found: list[Answer] = []
    for group in _group(_load(paths, question, session), batch):
        outputs = compute_outputs(session, np.stack([image.array for image in group]), batch)
        sheet = _lay_out(session, question, group, outputs[question.output], top)
        for number, answer in enumerate(ANSWERS[question.task.name](sheet)):
            one = {name: output[number] for name, output in outputs.items()}
            on_answer(Answered(group[number].array, one, sheet.grid, answer))
            found.append(answer)
    return found


def _lay_out(session: Session, question: Question, group: Sequence[_Image], output: Array, top: int) -> Sheet:
    """An output with what its answer needs. Raises ArchspecError where it does not fit the task or the names."""
    shape = output.shape[1:]
    try:
        grid = question.task.place(group[0].array.shape, shape, question.stride)
    except ArchspecError as error:
        raise ArchspecError(
            f"{session.path}, output '{question.output}': {error}; --task names another task"
        ) from error
    task, channels = question.task, question.task.count_channels(shape)
    names = question.names or tuple(f"{task.channel} {number}" for number in range(channels))
    if channels != len(names):
        raise ArchspecError(f"{session.path} gives {channels} {task.given}, for {len(names)} {task.names}")
    paths, scales = tuple(image.path for image in group), tuple(image.scale for image in group)
    return Sheet(paths, scales, output, grid, names, session.metadata, top)


def run_arrays(session: Session, paths: Iterable[str | Path]) -> list[RawOutputs]:
    """Run each .npy file, as it is or with a batch axis put before it, and give the outputs by name; and each picture,
    where the model says how pictures become its input.

    Raises ArchspecError for other files and for wrong shapes.
    """
    name = _only_input(session)
    preprocess = read_preprocess(session) if PREPROCESS in session.metadata else None
    results = []
    for path in paths:
        if preprocess and Path(path).suffix.lower() != ".npy":
            array = load_images(path, preprocess)
        else:
            array = _load_batch(session, path)
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


def compute_outputs(session: Session, images: npt.NDArray[np.float32], batch: int = 32) -> dict[str, Array]:
    """For images (N, C, *extents) all outputs by name, (N, ...) in float64, in runs of `batch`, or of the only batch
    that the file takes.

    Raises ArchspecError where the model has more than one input, or gives something else than finite rows.
    """
    name = _only_input(session)
    size = session.fixed_batch or batch
    images = images.astype(session.dtypes[name])
    parts: dict[str, list[Array]] = {}
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part) if session.fixed_batch else 0
        padded = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        for output, rows in session.run(padded).items():
            if rows.shape[:1] != padded.shape[:1]:
                raise ArchspecError(
                    f"{session.path} gives '{output}' {rows.shape} for {len(padded)} images, no row each"
                )
            parts.setdefault(output, []).append(rows[: len(part)].astype(np.float64))
    found = {output: np.concatenate(rows) for output, rows in parts.items()}
    for output, rows in found.items():
        if not np.isfinite(rows).all():
            raise ArchspecError(f"{session.path} gives infinite numbers or NaN in '{output}'")
    return found


def read_preprocess(session: Session) -> Preprocess:
    """How the model's input is made from a picture; ArchspecError says how to get a model that tells."""
    return Preprocess.from_json(_read(session, PREPROCESS))


def read_classes(session: Session) -> tuple[str, ...]:
    """The names of the model's classes, in the order of its output."""
    return parse_classes(_read(session, CLASSES), session.path)


def read_stride(metadata: Mapping[str, str], where: str | Path) -> int | None:
    """The stride of the answering output, in pixels, as weights or a model say it; None where they do not."""
    if STRIDE not in metadata:
        return None
    what = f"the metadata '{STRIDE}' of {where}"
    return check_integer(read_json(metadata[STRIDE], what), what, most=MOST_STRIDE)


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


def _load(paths: Iterable[str | Path], question: Question, session: Session) -> Iterator[_Image]:
    """Each file's images; without preprocessing they are those of .npy files, at any size that the model takes."""
    preprocess = question.preprocess
    for path in paths:
        images = load_images(path, preprocess) if preprocess else _load_batch(session, path)
        scale = (1.0, 1.0)
        if preprocess and question.task.located and Path(path).suffix.lower() != ".npy":
            height, width = measure_picture(path)
            scale = (height / preprocess.height, width / preprocess.width)
        for number, image in enumerate(images):
            yield _Image(f"{path}[{number}]" if len(images) > 1 else str(path), image, scale)


def _load_batch(session: Session, path: str | Path) -> npt.NDArray[np.float32]:
    """A .npy as the model takes it, with a batch axis put before it where it has none."""
    if Path(path).suffix.lower() != ".npy":
        raise ArchspecError(f"{path}: {_explain_missing(session, PREPROCESS)}, or give .npy files")
    array = load_array(path)
    if not array.size:
        raise ArchspecError(f"{path} is empty: its shape is {array.shape}")
    return array[None] if array.ndim == len(session.inputs[_only_input(session)]) - 1 else array


def _group(images: Iterator[_Image], size: int) -> Iterator[list[_Image]]:
    """At most `size` neighbours of one shape at a time."""
    for _, alike in groupby(images, key=lambda image: image.array.shape):
        while group := list(islice(alike, size)):
            yield group
