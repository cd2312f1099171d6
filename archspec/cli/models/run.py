"""The command `run`: pictures and arrays through a model, to labels, class maps, joints or plain numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from archspec.cli.ending import COULD_NOT, print_error
from archspec.cli.options import (
    GroundOption,
    JsonOption,
    ModelArgument,
    ProviderOption,
    ThreadsOption,
    check_output,
    list_files,
    output_option,
    refuse_idle,
)
from archspec.cli.output import print_json
from archspec.errors import ArchspecError, suggest

if TYPE_CHECKING:
    from runtime.prediction.reader import Failure

RAW = "raw"

Result = TypeVar("Result")


def run(
    model: ModelArgument,
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT", help="PNG, JPEG or .npy files, or folders of pictures.")
    ],
    output: Annotated[Path | None, output_option("FILE.npz", "outputs.npz", "the raw outputs, and the answers")] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="labels, maps (classes by pixel), joints or raw (default: the model's own)."),
    ] = None,
    output_name: Annotated[
        str | None, typer.Option("--output-name", metavar="NAME", help="The output that answers (default: the last).")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw maps or joints over each image, as PNG files.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="How many of the likeliest classes, for labels (default: 3).")
    ] = None,
    ground: GroundOption = None,
    resize: Annotated[
        bool, typer.Option("--resize", help="For maps and joints, make pictures as large as those of training were.")
    ] = False,
    provider: ProviderOption = [],
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model on images, or on arrays; what archspec trained answers with labels, class maps or joints.

    A file that has no answer is named, and the others are answered; the exit code is 2 then.
    """
    from archspec.cli.tables.run import print_answers, print_outputs
    from archspec.replacing import ARRAYS
    from runtime.prediction.answer_writer import AnswerWriter, open_numbers
    from runtime.prediction.predict import Answered, RawOutputs, answer_files, run_arrays
    from runtime.prediction.task_spec import find_task_spec
    from runtime.session.session import Session

    check_output(output, ARRAYS, [model, *inputs, *_list_data(model)])
    _check_task(task)
    session = Session(model, providers=provider or None, threads=threads)
    spec = None if task == RAW else find_task_spec(session, task, output_name)
    refuse_idle("--top", top, spec is None or not spec.task.ranked, "models that answer with labels")
    refuse_idle("--resize", resize or None, spec is None or not spec.task.has_picture, "maps and joints")
    if spec is None:
        _refuse_without_task(task, {"--pictures": pictures, "--output-name": output_name})
    with open_numbers(output) as numbers:
        if spec is None:
            describe = RawOutputs.to_dict if as_json else RawOutputs.summarize
            rows = _collect(run_arrays(session, inputs, ground), numbers.add, describe, as_json)
            kept = f"wrote {numbers}" if str(numbers) else "--output FILE.npz keeps the numbers"
        else:
            writer = AnswerWriter(spec, numbers, pictures, ground)
            _refuse_drawing_among(pictures, inputs)
            answers = answer_files(session, inputs, spec, top=top or 3, ground=ground, resize=resize)
            rows = _collect(answers, writer, Answered.to_dict, as_json)
            kept = str(writer)
    answered = [row for row in rows if "error" not in row]
    if as_json:
        print_json(rows)
    elif answered and spec is None:
        print_outputs(answered, session.provider, kept)
    elif answered and spec is not None:
        print_answers(spec.task, answered, session.provider, kept)
    if len(answered) < len(rows):
        raise typer.Exit(COULD_NOT)


def _refuse_drawing_among(pictures: Path | None, read: Iterable[Path]) -> None:
    """Refuse to draw into a folder of pictures that are read."""
    for source in list_files(read) if pictures is not None and pictures.is_dir() else ():
        if os.path.isfile(source) and os.path.samefile(Path(source).parent, pictures or ""):
            raise typer.BadParameter(f"--pictures would draw beside {source}, which is read: give another folder")


def _check_task(task: str | None) -> None:
    from runtime.tasks.registry import TASKS

    known = (*TASKS, RAW)
    if task is not None and task not in known:
        raise ArchspecError(f"no task '{task}'{suggest(task, known)} (available: {', '.join(known)})")


def _refuse_without_task(task: str | None, given: Mapping[str, object]) -> None:
    """Refuse options that ask for answers, where there is no task. Raises typer.BadParameter."""
    why = "--task raw is none" if task == RAW else "the model does not say its own"
    for option, value in given.items():
        if value:
            raise typer.BadParameter(f"{option} needs a task, and {why}: give --task maps or joints")


def _list_data(model: Path) -> Iterator[Path]:
    """The files in which the model has numbers, beside its own."""
    from runtime.session.model_file import ModelFile

    yield from (model.parent / name for name in ModelFile.open(model).check().data)


def _collect(
    results: Iterable[Result | Failure],
    keep: Callable[[Result], None],
    describe: Callable[[Result], dict[str, Any]],
    as_json: bool,
) -> list[dict[str, Any]]:
    """A row for each result, which is kept, and for each failure, which is told at once where rows are no JSON."""
    from runtime.prediction.reader import Failure

    rows = []
    for result in results:
        if isinstance(result, Failure):
            rows.append(result.to_dict())
            if not as_json:
                print_error(result.error)
        else:
            keep(result)
            rows.append(describe(result))
    return rows
