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

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")]


def train(
    spec: SpecArgument,
    data: Annotated[str, typer.Option("--data", metavar="NAME", help="The data set: digits.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="RUN", help="Folder [default: runs/NAME].")
    ] = None,
    set_: SetOption = [],  # noqa: B006  (typer copies it)
    size: SizeOption = [],  # noqa: B006
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 30,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 32,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", help="The highest, after the warm-up.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, the order and the augmentation.")] = 0,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on a data set; leaves spec.yaml, weights.safetensors and metrics.jsonl in the run's folder."""
    from archspec import api
    from archspec.cli.progress import follow_training
    from runtime.train import TrainSettings

    settings = TrainSettings(epochs=epochs, batch=batch, learning_rate=learning_rate, seed=seed, threads=threads)
    loaded = api.load(spec, parse_params(set_))
    folder = output or Path("runs") / loaded.name
    with follow_training() as on_step:
        result = api.train(loaded, data, folder, settings, sizes=parse_sizes(size), on_step=on_step)
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
        return
    print(f"test accuracy {result.test_accuracy:.4f} on {result.test_images} held-out images; {result.seconds:.0f} s")
    print(f"wrote {folder}/: spec.yaml, weights.safetensors, metrics.jsonl")
    print(f"next: archspec export {folder}/spec.yaml --weights {folder}/weights.safetensors -o {folder}/model.onnx")


def export(
    spec: SpecArgument,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="safetensors [default: fresh ones, from --seed].")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="MODEL.onnx", help="The file [default: NAME.onnx].")
    ] = None,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Of fresh weights.")] = 0,
    max_nodes: MaxNodesOption = MAX_NODES,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove the file against torch first.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write an ONNX model for inference: BatchNorm folded, batch and sizes dynamic, proven against torch."""
    from archspec import api

    loaded = api.load(spec, parse_params(set_))
    graph = api.elaborate(loaded, parse_sizes(size), max_nodes=max_nodes)
    path = output or Path(f"{graph.name}.onnx")
    if weights is not None:
        arrays, metadata = api.read_weights(weights)
    else:
        arrays, metadata = dict(api.to_torch(graph, seed=seed).state_dict()), {}
    proof = api.to_onnx(graph, arrays, path, verify=verify, metadata=metadata)
    accepted = {name: str(rule) for name, rule in api.accepted_sizes(graph).items()}
    size_in_bytes = path.stat().st_size
    if as_json:
        row = {"file": str(path), "bytes": size_in_bytes, "sizes": accepted, "trained": weights is not None}
        print_json({**row, "proof": proof.to_dict() if proof else None})
        return
    print(f"wrote {path}: {size_in_bytes:,} bytes{'' if weights else ', with fresh weights: it has not been trained'}")
    for name, rule in accepted.items():
        print(f"  {name}: {rule}")
    if proof:
        for case in proof.cases:
            print(f"  {case}")
    else:
        print("  not proven: --no-verify")


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder with spec.yaml, weights and model.onnx.")],
    as_json: JsonOption = False,
) -> None:
    """Compare torch and ONNX Runtime on the held-out images; leaves a picture of predictions and a few samples."""
    from archspec import api
    from archspec.cli.tables import print_evaluation

    evaluation = api.evaluate(folder)
    print_json(evaluation.to_dict()) if as_json else print_evaluation(evaluation, folder)


def run(
    model: ModelArgument,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="PNG, JPEG or .npy files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.npz", help="Keep a network's raw outputs.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the likeliest classes.")] = 3,
    provider: ProviderOption = [],  # noqa: B006
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model on images, or on arrays; a classifier that archspec trained answers with labels."""
    from archspec.cli.tables import print_outputs, print_predictions
    from runtime.predict import can_label, predict, run_arrays, save_outputs
    from runtime.session import Session

    session = Session(model, providers=provider or None, threads=threads)
    if can_label(session) and output is None:
        predictions = predict(session, inputs, top=top)
        rows = [prediction.to_dict() for prediction in predictions]
        print_json(rows) if as_json else print_predictions(predictions, session.provider)
        return
    results = run_arrays(session, inputs)
    if output is not None:
        save_outputs(output, results)
    rows = [result.to_dict() for result in results]
    print_json(rows) if as_json else print_outputs(results, session.provider, output)


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
    from archspec.cli.tables import print_bench
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
    from archspec.cli.tables import print_doctor
    from runtime.doctor import examine

    report = examine()
    print_json(report.to_dict()) if as_json else print_doctor(report)
