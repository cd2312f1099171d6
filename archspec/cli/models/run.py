"""The command `run`: pictures and arrays through a model, to labels, class maps, joints or plain numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
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
    names_file,
    refuse_idle,
    shared_option,
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
        list[Path], typer.Argument(metavar="INPUT", help="PNG, JPEG, .npy or volume files, or folders of these.")
    ],
    output: Annotated[
        str | None,
        shared_option(
            "--output",
            "-o",
            metavar="FILE.npz|DIR",
            note="the raw outputs, and the answers; for volumes, a folder of labels",
        ),
    ] = None,
    task: Annotated[
        str | None,
        shared_option("--task", metavar="TASK", note="labels, maps, joints or raw; default: the model's own"),
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
    from archspec.callbacks import ignore_step
    from archspec.cli.progress import follow_steps
    from archspec.cli.tables.run import print_answers, print_outputs
    from runtime.prediction.answer_writer import AnswerWriter, open_numbers
    from runtime.prediction.answered import Answered, RawOutputs
    from runtime.prediction.predict import answer_files, run_arrays
    from runtime.prediction.task_spec import find_task_spec
    from runtime.prediction.volume_writer import VolumeWriter
    from runtime.prediction.volumes import answer_volumes, takes_volumes
    from runtime.session.session import Session

    _check_task(task)
    session = Session(model, providers=provider or None, threads=threads)
    spec = None if task == RAW else find_task_spec(session, task, output_name)
    of_volumes = spec is not None and takes_volumes(spec.preprocess)
    arrays, folder = _choose_output(output, [model, *inputs, *_list_data(model)], of_volumes)
    refuse_idle("--top", top, spec is None or not spec.task.ranked, "models that answer with labels")
    refuse_idle("--resize", resize or None, spec is None or not spec.task.has_picture or of_volumes, "maps and joints")
    refuse_idle("--ground", ground, of_volumes, "pictures, which may be transparent")
    if spec is None:
        _refuse_without_task(task, {"--pictures": pictures, "--output-name": output_name})
    with open_numbers(arrays) as numbers:
        if spec is None:
            describe = RawOutputs.to_dict if as_json else RawOutputs.summarize
            rows = _collect(run_arrays(session, inputs, ground), numbers.add, describe, as_json)
            kept = f"wrote {numbers}" if str(numbers) else "--output FILE.npz keeps the numbers"
        else:
            writer = AnswerWriter(spec, numbers, pictures, ground)
            _refuse_drawing_among(pictures, inputs)
            writers: list[AnswerWriter | VolumeWriter] = [writer]
            if folder is not None:
                writers.append(VolumeWriter(folder, inputs))
            with follow_steps("windows") if of_volumes else nullcontext(ignore_step) as on_step:
                if of_volumes:
                    answers = answer_volumes(session, inputs, spec, on_step)
                else:
                    answers = answer_files(session, inputs, spec, top=top or 3, ground=ground, resize=resize)
                rows = _collect(answers, lambda item: [keep(item) for keep in writers], Answered.to_dict, as_json)
            kept = "; ".join(filter(None, map(str, writers)))
    answered = [row for row in rows if "error" not in row]
    if as_json:
        print_json(rows)
    elif answered and spec is None:
        print_outputs(answered, session.provider, kept)
    elif answered and spec is not None:
        print_answers(spec.task, answered, session.provider, kept)
    if len(answered) < len(rows):
        raise typer.Exit(COULD_NOT)


def _choose_output(text: str | None, read: Iterable[Path], of_volumes: bool) -> tuple[Path | None, Path | None]:
    """The file of arrays that --output names, or the folder of label volumes."""
    from archspec.replacing import ARRAYS

    if text is not None and of_volumes and not text.lower().endswith(".npz"):
        return None, Path(text)
    path = None if text is None else names_file("outputs.npz")(text)
    check_output(path, ARRAYS, read)
    return path, None


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
    keep: Callable[[Result], object],
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
