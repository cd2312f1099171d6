"""Commands on models: train, evaluate, bench, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.completion import complete_data
from archspec.cli.ending import FINDINGS, tell
from archspec.cli.options import (
    JsonOption,
    McBatchOption,
    ProviderOption,
    SetOption,
    SizeOption,
    SpecArgument,
    ThreadsOption,
    parse_params,
    parse_sizes,
    print_json,
    refuse_idle,
)

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")]


def train(
    spec: SpecArgument,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME",
            autocompletion=complete_data,
            help="The data set: digits, digit_maps or digit_points.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Folder (default: runs/NAME, or NAME-2, …).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is in the folder.")] = False,
    set_: SetOption = [],  # noqa: B006  (typer copies it)
    size: SizeOption = [],  # noqa: B006
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 30,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 32,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", help="The highest, after the warm-up.")
    ] = 0.05,
    ramp_drop: Annotated[
        bool,
        typer.Option("--ramp-drop", help="Let survival in stochastic depth and ShakeDrop fall from 1 to its value."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, the order and the augmentation.")] = 0,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on a data set; leaves spec.yaml, weights.safetensors and metrics.jsonl in the run's folder."""
    from archspec import api
    from archspec.cli.progress import follow_training
    from runtime.training.run import write_export
    from runtime.training.train import TrainSettings

    settings = TrainSettings(
        epochs=epochs, batch=batch, learning_rate=learning_rate, ramp_drop=ramp_drop, seed=seed, threads=threads
    )
    loaded = api.load(spec, parse_params(set_))
    refuse_idle("--force", force or None, output is None, "-o RUN")
    with _find_folder(output, loaded.name) as folder, follow_training() as on_step:
        result = api.train(loaded, data, folder, settings, sizes=parse_sizes(size), on_step=on_step, force=force)
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
        return
    scores = ", ".join(f"test {name.replace('_', ' ')} {score:.4f}" for name, score in result.test_scores.items())
    tell(f"{scores} on {result.test_images} held-out images; {result.seconds:.0f} s")
    tell(f"wrote {folder}/: spec.yaml, weights.safetensors, metrics.jsonl")
    tell(f"next: {write_export(folder)}")


@contextmanager
def _find_folder(output: Path | None, name: str) -> Iterator[Path]:
    """The folder that was chosen, or one that is new, which is gone again where nothing got into it."""
    if output is not None:
        yield output
        return
    from runtime.training.run import claim_folder

    folder = claim_folder(name)
    if folder.name != name:
        tell(f"{folder.with_name(name)} is there already: this run goes to {folder}", stderr=True)
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder with spec.yaml, weights and model.onnx.")],
    monte_carlo: Annotated[
        int | None,
        typer.Option(metavar="T", min=1, help="Also predict with the batch statistics of T training mini-batches."),
    ] = None,
    mc_batch: McBatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare torch and ONNX Runtime on the held-out images; leaves a picture of predictions and a few samples.

    Exits 1 where model.onnx says that it was made from other weights than those of the run.
    """
    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.cli.tables.models import print_evaluation

    refuse_idle("--mc-batch", mc_batch, monte_carlo is None, "--monte-carlo T")
    with show_work(f"evaluating {folder}"):
        evaluation = api.evaluate(folder, monte_carlo=monte_carlo, mc_batch=mc_batch)
    print_json(evaluation.to_dict()) if as_json else print_evaluation(evaluation, folder)
    if evaluation.same_weights is False:
        raise typer.Exit(FINDINGS)


def bench(
    model: ModelArgument,
    batch: Annotated[
        list[int], typer.Option("--batch", min=1, help="Batch to time; may be repeated (default: 1, 8 and 32).")
    ] = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each batch is timed.")] = 2.0,
    provider: ProviderOption = [],  # noqa: B006
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency (percentiles) and throughput by batch, copies to and from the device included.

    Images per second are of all runs together: they follow the mean, which few slow runs move, and not the median.
    """
    from archspec.cli.progress import show_work
    from archspec.cli.tables.models import print_bench
    from runtime.measuring.bench import bench as measure
    from runtime.session.session import Session

    session = Session(model, providers=provider or None, threads=threads)
    with show_work(f"timing {model}, {seconds:g} s for each batch"):
        rows = measure(session, batch or None, sizes=parse_sizes(size), seconds=seconds)
    if as_json:
        settings = {"settings": session.settings.to_dict(), "settings_source": session.settings_source}
        rows_ = [row.to_dict() for row in rows]
        where = {"model": str(model), "loaded": str(session.loaded), "provider": session.provider}
        print_json({**where, **settings, "rows": rows_})
    else:
        print_bench(rows, session)


def doctor(as_json: JsonOption = False) -> None:
    """Show versions and providers, and say what is missing for training, export and the GPU."""
    from archspec.cli.tables.models import print_doctor
    from runtime.doctor import examine

    report = examine()
    print_json(report.to_dict()) if as_json else print_doctor(report)
