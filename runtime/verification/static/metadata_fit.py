"""The check whether what a model says of its answers and of pictures fits what it takes and gives.

The row of a verification that says so is made in `metadata_row`: an export checks here too, without ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from archspec.errors import ArchspecError, ModelError
from archspec.wording import tell_count, write_shape
from compiler.onnx_file.metadata import CLASSES, EPOCH, PREPROCESS, STRIDE, TASK, read_sizes, tell_epoch
from runtime.pictures.preprocess import Preprocess
from runtime.session.sizes import check_size
from runtime.tasks.registry import TASKS, UNNAMED, find_task
from runtime.tasks.task import Task

Axes: TypeAlias = Sequence[int | str]
"""The extents of a value, or the names of those that are free."""

FORM = '{"channels": 3, "height": 224, "width": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}'
"""An example of how pictures become an input."""


def check_answers(metadata: Mapping[str, str], inputs: Mapping[str, Axes], outputs: Mapping[str, Axes | None]) -> None:
    """Raises ModelError where what a model says of its answers and of pictures is malformed, or contradicts its
    inputs and outputs: extents by name, with the batch; names are free ones, None is not known."""
    given = {name: None if shape is None else shape[1:] for name, shape in outputs.items()}
    taken = {name: shape[1:] for name, shape in inputs.items()}
    checks: list[tuple[set[str], Callable[[], object]]] = [
        ({TASK, CLASSES}, lambda: _check_task(metadata, given)),
        ({PREPROCESS}, lambda: _check_preprocess(metadata, taken)),
        ({STRIDE}, lambda: STRIDE.read(metadata, "the model")),
        ({EPOCH}, lambda: tell_epoch(metadata)),
    ]
    problems = [problem for keys, check in checks if keys & metadata.keys() and (problem := _find_problem(check))]
    if problems:
        raise ModelError("; ".join(problems))


def _find_problem(check: Callable[[], object]) -> str | None:
    try:
        check()
    except ArchspecError as error:
        return str(error)
    return None


def _check_preprocess(metadata: Mapping[str, str], inputs: Mapping[str, Axes]) -> None:
    what = f"the metadata '{PREPROCESS}'"
    try:
        wanted = Preprocess.from_json(metadata[PREPROCESS]).shape
    except ArchspecError as error:
        raise ModelError(f"{what}: {error}; the form is {FORM}") from error
    if len(inputs) != 1:
        raise ModelError(f"{what} say how a picture becomes the input, and the network has {len(inputs)}")
    (name, taken), *_ = inputs.items()
    misfit = f"{what} make pictures {write_shape(wanted)}, and '{name}' takes {write_shape(taken, 'a single number')}"
    if len(taken) != len(wanted):
        raise ModelError(misfit)
    sizes = read_sizes(metadata)
    for extent, axis in zip(wanted, taken, strict=True):
        if isinstance(axis, int) and axis != extent:
            raise ModelError(misfit)
        if isinstance(axis, str):
            check_size(misfit, axis, extent, sizes)


def _check_task(metadata: Mapping[str, str], outputs: Mapping[str, Axes | None]) -> None:
    """Check that some output answers the task, which is that of labels where none is named and any output that is not
    known does, and has as many channels as there are names."""
    if TASK in metadata:
        try:
            tasks: Sequence[Task] = [find_task(metadata[TASK])]
        except ArchspecError as error:
            raise ModelError(f"the metadata '{TASK}': {error}") from error
    else:
        tasks = [TASKS[UNNAMED]] if PREPROCESS in metadata else list(TASKS.values())
    names = CLASSES.read(metadata, "the model")
    counts = set[int | None]()
    for task in tasks:
        for shape in outputs.values():
            if shape is not None and not task.fits(shape):
                continue
            known = shape is not None and isinstance(shape[0], int)
            counts.add(task.count_channels([int(shape[0])]) if known and shape else None)
    if not counts:
        shown = ", ".join(
            f"'{name}' {write_shape(shape, 'a single number')}" for name, shape in outputs.items() if shape is not None
        )
        said = f"the metadata '{TASK}' say" if TASK in metadata else f"without '{TASK}' the task is"
        raise ModelError(f"{said} {tasks[0].name}, and no output is {tasks[0].needed}: {shown}")
    if names is not None and None not in counts and len(names) not in counts:
        channels = " or ".join(str(count) for count in sorted(filter(None, counts)))
        raise ModelError(f"the metadata '{CLASSES}' have {tell_count(len(names), 'name')} for {channels} channels")
