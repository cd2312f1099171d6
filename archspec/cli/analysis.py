"""The command that analyses a network. It needs no torch but to measure, and onnx but for ONNX files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from archspec.cli.options import (
    MAX_NODES,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    open_network,
    parse_sizes,
    print_json,
)

CHOICES = ("scaling", "norm", "init")


def analyze(
    spec: NetworkArgument,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    paths: Annotated[bool, typer.Option("--paths", help="Paths by length, and through each block.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Cost by stage and block, and as other tools count it.")] = False,
    receptive_field: Annotated[
        bool, typer.Option("--receptive-field", help="What one position sees of the input, and merges that do not fit.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Memory of inference and of training.")] = False,
    variance: Annotated[
        bool, typer.Option("--variance", help="How large values and gradients are at initialization.")
    ] = False,
    gradient: Annotated[
        bool, typer.Option("--gradient", help="Which lengths of paths carry the gradient at initialization.")
    ] = False,
    lint: Annotated[bool, typer.Option("--lint", help="What compiles, and is probably not meant.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of these.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run --variance and --gradient in torch too, side by side.")
    ] = False,
    sampled: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --gradient --measure: by N random paths of each length, as Veit."),
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(metavar="|".join(CHOICES), help="With --variance: what each of these choices does."),
    ] = None,
    every: Annotated[bool, typer.Option("--every", help="A row for every operation, not for every block.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a batch, for memory and activations.")] = 1,
    precision: Annotated[str, typer.Option(metavar="fp32|fp16|bf16", help="Numbers that memory holds.")] = "fp32",
    optimizer: Annotated[
        str, typer.Option(metavar="sgd|momentum|adam", help="Whose state memory of training holds.")
    ] = "momentum",
    seed: Annotated[int, typer.Option(min=0, help="Of what is measured.")] = 0,
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Count parameters, buffers, MACs, activations and paths; and more where it is asked for.

    Counts are exact; what is an estimate says so. Nothing is run unless --measure asks for it.
    """
    from archspec import api

    _check_usage(spec, measure=measure, sampled=sampled, across=across, variance=variance, gradient=gradient)
    graph, written = open_network(spec, set_, size, max_nodes)
    asked = {"receptive_field": receptive_field, "memory": memory, "lint": lint}
    known = (
        {"variance": variance, "gradient": gradient} if written else {}
    )  # a model does not say how its weights start
    wanted = [part for part, wish in (asked | known).items() if wish or everything]
    paths, cost = paths or everything, cost or everything
    report = api.analyze(
        graph,
        written,
        wanted=wanted,
        by_length=paths or None,
        batch=batch,
        precision=precision,
        optimizer=optimizer,
    )
    measured: dict[str, Any] = {}
    if measure and variance:
        measured["variance"] = api.measure_signal(graph, seed=seed)
    if measure and gradient:
        measured["gradient"] = api.measure_path_gradient(graph, seed=seed, samples=sampled)
    choices = api.compare_choices(written, across, parse_sizes(size), max_nodes=max_nodes) if across else ()
    if as_json:
        result = report.to_dict()
        if everything or cost:
            result["nodes"] = [node.to_dict() for node in report.cost.nodes]
        result["activations"] |= {"batch": batch, "bytes_fp32": 4 * batch * report.cost.activations}
        result |= {f"{part}_measured": found.to_dict() for part, found in measured.items()}
        result |= {"across": {across: [choice.to_dict() for choice in choices]}} if across else {}
        print_json(result)
        return
    from archspec.cli.tables.report import print_report

    pair = (across, choices) if across else None
    print_report(report, batch=batch, paths=paths, cost=cost, measured=measured, across=pair, every=every)


def _check_usage(
    spec: str, *, measure: bool, sampled: int | None, across: str | None, variance: bool, gradient: bool
) -> None:
    """Refuse options that would do nothing."""
    if spec.lower().endswith(".onnx") and (variance or gradient):
        raise typer.BadParameter("--variance and --gradient are of specs: a model does not say how its weights started")
    if measure and not (variance or gradient):
        raise typer.BadParameter("--measure goes with --variance or --gradient")
    if sampled is not None and not (measure and gradient):
        raise typer.BadParameter("--sampled goes with --gradient --measure")
    if across is not None and not variance:
        raise typer.BadParameter("--across goes with --variance")
    if across is not None and across not in CHOICES:
        raise typer.BadParameter(f"--across takes {', '.join(CHOICES)}; found '{across[:40]}'")
