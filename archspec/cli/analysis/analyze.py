"""The command that analyses a network. It needs no torch but to measure, and onnx but for ONNX files."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, NamedTuple

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    BatchOption,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    OptimizerOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SizeOption,
    ThreadsOption,
    on_threads,
    open_network,
    parse_sizes,
    refuse_idle,
    refusing,
)
from archspec.cli.output import print_json


class Budget(NamedTuple):
    """A number of bytes, and the largest batch whose training they hold."""

    bytes: int
    batch: int


def analyze(
    spec: NetworkArgument,
    set_: SetOption = [],
    size: SizeOption = [],
    paths: Annotated[bool, typer.Option("--paths", help="Paths by length, and through each block.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Cost by stage and block, and as other tools count it.")] = False,
    receptive_field: Annotated[
        bool, typer.Option("--receptive-field", help="What one position sees of the input, and merges that do not fit.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Memory of inference and of training.")] = False,
    fits: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="With --memory: the largest batch whose training fits, as in 24GiB."),
    ] = None,
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
        Literal["scaling", "norm", "init"] | None,
        typer.Option(help="With --variance: what each choice of this does."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="With --variance: a row for every operation, not for every block.")
    ] = False,
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Count parameters, buffers, MACs, activations and paths; and more where it is asked for.

    Counts are exact; what is an estimate says so. Nothing is run unless --measure asks for it.
    """
    from archspec import api
    from archspec.file_types import is_onnx
    from compiler.analysis.certainty import at_most, find_mark

    model = is_onnx(spec)  # which does not say how its weights started
    asked = {"receptive_field": receptive_field, "memory": memory, "lint": lint}
    starts = {"variance": variance, "gradient": gradient}
    if model and any(starts.values()):
        raise typer.BadParameter("--variance and --gradient are of specs: a model does not say how its weights started")
    wanted = {part for part, wish in asked.items() if wish or everything}
    wanted |= {part for part, wish in starts.items() if wish or (everything and not model)}
    refuse_idle("--threads", threads, not measure, "--measure")
    _check_usage(wanted, fits=fits, measure=measure, sampled=sampled, across=across, every=every)
    paths, cost = paths or everything, cost or everything
    budget = _read_bytes(fits) if fits is not None else None
    graph, written = open_network(spec, set_, size, max_nodes, allow)
    report = api.analyze(
        graph,
        written,
        wanted=wanted,
        by_length=paths or None,
        batch=batch,
        precision=precision,
        optimizer=optimizer,
    )
    with on_threads(threads):
        measured = _measure(graph, wanted, seed, sampled) if measure else {}
    largest = None
    if budget is not None:
        largest = Budget(budget, api.largest_batch(graph, budget, precision=precision, optimizer=optimizer))
    choices: Any = ()
    if across:
        from archspec.cli.progress import show_work

        with show_work(f"comparing each choice of {across}"):
            choices = api.compare_choices(written, across, parse_sizes(size), max_nodes=max_nodes)
    if as_json:
        result = report.to_dict(nodes=cost)
        if largest:
            result["largest_batch"] = largest._asdict()
            least = find_mark(report.marks, "memory.training_total_bytes")
            result["marks"] |= {"largest_batch": at_most(least.why).to_dict()} if least else {}
        result |= {f"{part}_measured": found.to_dict() for part, found in measured.items()}
        result |= {"across": {across: [choice.to_dict() for choice in choices]}} if across else {}
        print_json(result)
        return
    from archspec.cli.tables.report import print_report

    pair = (across, choices) if across else None
    print_report(
        report, batch=batch, paths=paths, cost=cost, largest=largest, measured=measured, across=pair, every=every
    )


def _measure(graph: Any, wanted: Collection[str], seed: int, sampled: int | None) -> dict[str, Any]:
    """Measure what is wanted of the start of a network, by running it."""
    from archspec import api
    from archspec.cli.progress import show_work

    measured: dict[str, Any] = {}
    with show_work(f"measuring {graph.name}"):
        if "variance" in wanted:
            measured["variance"] = api.measure_signal(graph, seed=seed)
        if "gradient" in wanted:
            measured["gradient"] = api.measure_path_gradient(graph, seed=seed, samples=sampled)
    return measured


def _check_usage(
    wanted: Collection[str],
    *,
    fits: str | None,
    measure: bool,
    sampled: int | None,
    across: str | None,
    every: bool,
) -> None:
    """Refuse options that would do nothing."""
    if fits is not None and "memory" not in wanted:
        raise typer.BadParameter("--fits goes with --memory")
    if measure and not {"variance", "gradient"} & {*wanted}:
        raise typer.BadParameter("--measure goes with --variance or --gradient, of a spec")
    if sampled is not None and not (measure and "gradient" in wanted):
        raise typer.BadParameter("--sampled goes with --gradient --measure")
    if across is not None and "variance" not in wanted:
        raise typer.BadParameter("--across goes with --variance, of a spec")
    if every and "variance" not in wanted:
        raise typer.BadParameter("--every goes with --variance, of a spec")


def _read_bytes(text: str) -> int:
    from compiler.analysis.compare.units import ConditionError, read_number

    with refusing(ConditionError, "--fits"):
        return int(read_number(text))
