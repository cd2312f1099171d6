"""What a model is asked: by its metadata, or by the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from archspec.errors import InputError, ModelError, raising, suggest
from archspec.log import warn
from compiler.onnx_file.metadata import CLASSES, PREPROCESS, STRIDE, TASK, MetadataKey
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import UNNAMED, find_task
from runtime.tasks.task import Task

if TYPE_CHECKING:
    from runtime.session.session import Session


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """The question to a model: the task, which output answers it, the names of its channels (None: numbers), how a
    picture becomes its input (None: only .npy files do), and the output's stride in pixels (None: from its extents)."""

    task: Task
    output: str
    names: tuple[str, ...] | None
    preprocess: Preprocess | None
    stride: int | None


def find_task_spec(session: Session, task: str | None = None, output: str | None = None) -> TaskSpec | None:
    """Find what a model is asked, by its metadata; `task` and `output` come before those.

    None where nothing says what its task is: only its numbers can be had. Raises InputError for unknown names, and
    ModelError for malformed metadata, and for labels from a model that does not name its classes or does not read
    pictures.
    """
    named = PREPROCESS in session.metadata and CLASSES in session.metadata
    word = task or session.metadata.get(TASK) or (UNNAMED if named else None)
    if word is None:
        return None
    with raising(InputError if task else ModelError):
        found = find_task(word)
    own = session.metadata.get(TASK, word)
    if own != word:
        warn(f"{session.path} says that its task is {own}, and is asked for {word}")
    if output is not None and output not in session.outputs:
        known = ", ".join(session.outputs)
        raise InputError(f"{session.path} has no output '{output}'{suggest(output, session.outputs)} (has: {known})")
    last = list(session.outputs)[-1]  # whose stride the metadata say
    return TaskSpec(
        task=found,
        output=output or last,
        names=read_classes(session) if CLASSES in session.metadata or found.needs_names else None,
        preprocess=read_preprocess(session) if PREPROCESS in session.metadata or found.needs_names else None,
        stride=STRIDE.read(session.metadata, session.path) if output in (None, last) else None,
    )


def read_preprocess(session: Session) -> Preprocess:
    """Read how the model's input is made from a picture. Raises ModelError, with how to get a model that tells."""
    return Preprocess.from_json(_read(session, PREPROCESS))


def read_classes(session: Session) -> tuple[str, ...]:
    """Read the names of the model's classes, in the order of its output. Raises ModelError where it has none."""
    return _read(session, CLASSES)


def _read(session: Session, key: MetadataKey[T]) -> T:
    found = key.read(session.metadata, session.path)
    if found is None:
        raise ModelError(explain_missing(session, key))
    return found


def explain_missing(session: Session, key: str) -> str:
    """Tell what a model does not say of itself, PREPROCESS or CLASSES, and how to have it said."""
    what = {PREPROCESS: "how pictures become its input", CLASSES: "the names of its classes"}[key]
    return (
        f"{session.path} does not say {what} ('{key}'): export it with weights that `archspec train` or `weights "
        "convert` wrote, or with --preprocess and --classes, as docs/weights.md (Pictures and names) shows"
    )
