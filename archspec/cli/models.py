"""Commands on models: train, export, evaluate, run, bench, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.options import (
    MAX_NODES,
    JsonOption,
    MaxNodesOption,
    ProviderOption,
    SetOption,
    SizeOption,
    SpecArgument,
    ThreadsOption,
    parse_params,
    parse_sizes,
    print_json,
)

RAW = "raw"

MC_BATCH = 32
"""As `runtime.monte_carlo` has it, which help texts should not have to import; a test compares them."""

McBatchOption = Annotated[
    int | None,
    typer.Option("--mc-batch", metavar="N", min=2, help=f"Images in such a mini-batch (default: {MC_BATCH})."),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")]


def train(
    spec: SpecArgument,
    data: Annotated[
        str, typer.Option("--data", metavar="NAME", help="The data set: digits, digit_maps or digit_points.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Folder (default: runs/NAME).")
    ] = None,
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
    from runtime.train import TrainSettings

    settings = TrainSettings(
        epochs=epochs, batch=batch, learning_rate=learning_rate, ramp_drop=ramp_drop, seed=seed, threads=threads
    )
    loaded = api.load(spec, parse_params(set_))
    folder = output or Path("runs") / loaded.name
    with follow_training() as on_step:
        result = api.train(loaded, data, folder, settings, sizes=parse_sizes(size), on_step=on_step)
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
        return
    scores = ", ".join(f"test {name.replace('_', ' ')} {score:.4f}" for name, score in result.test_scores.items())
    print(f"{scores} on {result.test_images} held-out images; {result.seconds:.0f} s")
    print(f"wrote {folder}/: spec.yaml, weights.safetensors, metrics.jsonl")
    print(f"next: archspec export {folder}/spec.yaml --weights {folder}/weights.safetensors -o {folder}/model.onnx")


def export(
    spec: SpecArgument,
    weights: Annotated[
        list[Path] | None,
        typer.Option("--weights", metavar="FILE...", help="safetensors; several with --combine (default: fresh ones)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="MODEL.onnx", help="The file (default: NAME.onnx).")
    ] = None,
    combine: Annotated[
        str | None, typer.Option(metavar="HOW", help="An ensemble of the files: the outputs' mean, or a vote.")
    ] = None,
    monte_carlo: Annotated[
        int | None,
        typer.Option(metavar="T", min=2, help="An ensemble by the batch statistics of T mini-batches of --data."),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="NAME", help="The data set for --monte-carlo.")] = None,
    mc_batch: McBatchOption = None,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of fresh weights, and of --monte-carlo (default: 0).")
    ] = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove the file against torch first.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write an ONNX model for inference: BatchNorm folded, batch and sizes dynamic, proven against torch."""
    from archspec import api

    loaded = api.load(spec, parse_params(set_))
    graph = api.elaborate(loaded, parse_sizes(size), max_nodes=max_nodes)
    path = output or Path(f"{graph.name}.onnx")
    files = weights or []
    _check_ensemble(len(files), combine, monte_carlo, data)
    _refuse_idle("--mc-batch", mc_batch, monte_carlo is None, "--monte-carlo T")
    _refuse_idle("--seed", seed, bool(files) and monte_carlo is None, "fresh weights and by --monte-carlo T")
    metadata: dict[str, str] = {}
    if len(files) > 1:
        graph, arrays, metadata = api.combine_weights(graph, files, combine or "")
    elif files:
        arrays, metadata = api.read_weights(files[0])
    else:
        arrays = dict(api.to_torch(graph, seed=seed or 0).state_dict())
    if monte_carlo is not None:
        graph, arrays, facts = api.sample_ensemble(
            graph,
            arrays,
            combine or "mean",
            data=data or "",
            passes=monte_carlo,
            batch=mc_batch,
            seed=seed or 0,
            metadata=metadata,
        )
        metadata |= facts
    proof = api.to_onnx(graph, arrays, path, verify=verify, metadata=metadata)
    accepted = {name: str(rule) for name, rule in api.accepted_sizes(graph).items()}
    size_in_bytes = path.stat().st_size
    if as_json:
        row = {"file": str(path), "bytes": size_in_bytes, "sizes": accepted, "trained": bool(files)}
        row |= {"members": monte_carlo or max(1, len(files)), "combine": metadata.get("archspec.combine")}
        print_json({**row, "proof": proof.to_dict() if proof else None})
        return
    print(f"wrote {path}: {size_in_bytes:,} bytes{'' if files else ', with fresh weights: it has not been trained'}")
    if "archspec.combine" in metadata:
        print(f"  {metadata['archspec.combine']} of {metadata['archspec.members']} members")
    for name, rule in accepted.items():
        print(f"  {name}: {rule}")
    if proof:
        for case in proof.cases:
            print(f"  {case}")
    else:
        print("  not proven: --no-verify")


def _check_ensemble(files: int, combine: str | None, monte_carlo: int | None, data: str | None) -> None:
    """Refuse options that do not belong together. Raises typer.BadParameter."""
    if monte_carlo is not None and (files > 1 or data is None):
        problem = "samples the statistics of one network" if files > 1 else "needs --data, whose images it reads"
        raise typer.BadParameter(f"--monte-carlo {problem}")
    if monte_carlo is None and data is not None:
        raise typer.BadParameter("--data is read by --monte-carlo T alone")
    if monte_carlo is None and files > 1 and combine is None:
        raise typer.BadParameter(f"{files} files of weights make an ensemble: say --combine mean or --combine vote")
    if monte_carlo is None and files < 2 and combine is not None:
        found = "one was given" if files else "none was given"
        raise typer.BadParameter(f"--combine makes an ensemble of several files of weights, of which {found}")


def _refuse_idle(option: str, value: int | None, idle: bool, reader: str) -> None:
    """An option that would change nothing is a misunderstanding, and not passed over."""
    if value is not None and idle:
        raise typer.BadParameter(f"{option} is read by {reader} alone")


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder with spec.yaml, weights and model.onnx.")],
    monte_carlo: Annotated[
        int | None,
        typer.Option(metavar="T", min=1, help="Also predict with the batch statistics of T training mini-batches."),
    ] = None,
    mc_batch: McBatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare torch and ONNX Runtime on the held-out images; leaves a picture of predictions and a few samples."""
    from archspec import api
    from archspec.cli.tables.models import print_evaluation

    _refuse_idle("--mc-batch", mc_batch, monte_carlo is None, "--monte-carlo T")
    evaluation = api.evaluate(folder, monte_carlo=monte_carlo, mc_batch=mc_batch)
    print_json(evaluation.to_dict()) if as_json else print_evaluation(evaluation, folder)


def run(
    model: ModelArgument,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="PNG, JPEG or .npy files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.npz", help="Keep the raw outputs, and the answers.")
    ] = None,
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
    provider: ProviderOption = [],  # noqa: B006
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model on images, or on arrays; what archspec trained answers with labels, class maps or joints."""
    from archspec.cli.tables.models import print_answers, print_outputs
    from runtime.keep import Keeper
    from runtime.predict import find_question, predict, run_arrays, save_outputs
    from runtime.session import Session

    session = Session(model, providers=provider or None, threads=threads)
    question = None if task == RAW else find_question(session, task, output_name)
    _refuse_idle("--top", top, question is None or question.task.name != "labels", "models that answer with labels")
    if question is None:
        if pictures or output_name:
            option = "--pictures" if pictures else "--output-name"
            why = "--task raw is none" if task == RAW else "the model does not say its own"
            raise typer.BadParameter(f"{option} needs a task, and {why}: give --task maps or joints")
        results = run_arrays(session, inputs)
        if output is not None:
            save_outputs(output, results)
        rows = [result.to_dict() for result in results]
        print_json(rows) if as_json else print_outputs(results, session.provider, output)
        return
    keeper = Keeper(question, output, pictures)
    answers = predict(session, inputs, question, top=top or 3, on_answer=keeper)
    keeper.finish()
    rows = [answer.to_dict() for answer in answers]
    print_json(rows) if as_json else print_answers(question.task.name, answers, session.provider, str(keeper))


def bench(
    model: ModelArgument,
    batch: Annotated[list[int], typer.Option("--batch", min=1, help="Batch to time; may be repeated.")] = [1, 8, 32],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each batch is timed.")] = 2.0,
    provider: ProviderOption = [],  # noqa: B006
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency (percentiles) and throughput by batch, copies to and from the device included."""
    from archspec.cli.tables.models import print_bench
    from runtime.bench import bench as measure
    from runtime.session import Session

    session = Session(model, providers=provider or None, threads=threads)
    rows = measure(session, batch, sizes=parse_sizes(size), seconds=seconds)
    if as_json:
        print_json({"model": str(model), "provider": session.provider, "rows": [row.to_dict() for row in rows]})
    else:
        print_bench(rows, session.provider)


def doctor(as_json: JsonOption = False) -> None:
    """Show versions and providers, and say what is missing for training, export and the GPU."""
    from archspec.cli.tables.models import print_doctor
    from runtime.doctor import examine

    report = examine()
    print_json(report.to_dict()) if as_json else print_doctor(report)
