"""The command `export`: a spec and weights → an ONNX model for inference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.completion import complete_data
from archspec.cli.options import (
    ClassesOption,
    GroundOption,
    JsonOption,
    MaxNodesOption,
    McBatchOption,
    PreprocessOption,
    SetOption,
    SizeOption,
    SpecArgument,
    ThreadsOption,
    on_threads,
    output_option,
    parse_params,
    parse_share,
    parse_sizes,
    refuse_idle,
    refuse_replacing,
    refusing,
    shared_option,
)
from archspec.cli.output import print_json, tell
from compiler.onnx_target.options import Io, Precision, Target

if TYPE_CHECKING:
    from runtime.export.answers import AnswerWords
    from runtime.export.export import Export
    from runtime.export.members import Members, Network
    from runtime.export.plan import Calibration
    from runtime.pictures.file import Ground


def export(
    spec: SpecArgument,
    weights: Annotated[
        list[Path] | None,
        shared_option("--weights", metavar="FILE...", note="several with --combine; default: fresh ones"),
    ] = None,
    output: Annotated[Path | None, output_option("MODEL.onnx", "model.onnx", "the model; default: NAME.onnx")] = None,
    combine: Annotated[
        str | None, typer.Option(metavar="HOW", help="An ensemble of the files: the outputs' mean, or a vote.")
    ] = None,
    monte_carlo: Annotated[
        int | None,
        shared_option("--monte-carlo", metavar="T", min=2, note="an ensemble of T members"),
    ] = None,
    data: Annotated[
        str | None,
        shared_option(
            "--data",
            metavar="NAME|DIR|FILE.npy",
            autocompletion=complete_data,
            note="int8 its ranges, from any of these; --monte-carlo its statistics, from a data set by name",
        ),
    ] = None,
    mc_batch: McBatchOption = None,
    set_: SetOption = [],
    size: SizeOption = [],
    seed: Annotated[
        int | None,
        shared_option("--seed", min=0, metavar="N", note="fresh weights, --monte-carlo; default: 0"),
    ] = None,
    precision: Annotated[Precision, shared_option("--precision")] = "fp32",
    io: Annotated[Io, typer.Option(help="The type of inputs and outputs: the precision's own, or fp32.")] = "same",
    target: Annotated[
        Target,
        typer.Option("--for", help="The runtime: cpu takes forms that are faster there, tensorrt its int8 recipe."),
    ] = "any",
    calibration: Annotated[
        Literal["mse", "minmax", "entropy", "percentile"] | None,
        typer.Option(help="How int8 chooses a range (default: mse, the least squared error of the numbers)."),
    ] = None,
    max_drop: Annotated[
        str | None,
        shared_option("--max-drop", metavar="SHARE", note="layers stay in float until int8 loses no more"),
    ] = None,
    reduce_range: Annotated[
        bool, typer.Option("--reduce-range", help="int8 weights of seven bits, for CPUs without VNNI.")
    ] = False,
    ground: GroundOption = None,
    preprocess: PreprocessOption = None,
    classes: ClassesOption = None,
    task: Annotated[
        Literal["labels", "maps", "joints"] | None, shared_option("--task", note="default: what the weights say")
    ] = None,
    optimized: Annotated[
        bool, typer.Option("--optimized", help="Also write ONNX Runtime's own form for this version and processor.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="List what each pass did and why, and what stays off the fast path.")
    ] = False,
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    force: Annotated[bool, shared_option("--force", note="a file that is no ONNX model")] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove the file against torch first.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write an ONNX model for inference: BatchNorm folded, batch and sizes dynamic, proven against torch."""
    from archspec import api
    from archspec.cli.progress import follow_steps
    from compiler.onnx_file.metadata import TRAINED_INT8
    from compiler.onnx_target.options import ExportOptions
    from runtime.export.answers import AnswerWords
    from runtime.export.members import Members, MembersError, read_network

    loaded = api.load(spec, parse_params(set_), extensions=load_allowed(allow))
    path = output or Path(f"{loaded.name}.onnx")
    refuse_idle("--data", data, precision != "int8" and monte_carlo is None, "--precision int8 and by --monte-carlo T")
    int8 = {"--calibration": calibration, "--max-drop": max_drop, "--reduce-range": reduce_range, "--ground": ground}
    for option, value in int8.items():
        refuse_idle(option, value or None, precision != "int8", "--precision int8")
    with refusing(MembersError):
        members = Members(
            files=weights or [],
            combine=combine,
            monte_carlo=monte_carlo,
            data=data if monte_carlo else None,
            mc_batch=mc_batch,
            seed=seed,
        )
    refuse_replacing(path, [spec, *members.files, *filter(None, (data, preprocess, classes))])
    _check_place(path, precision, optimized=optimized, force=force)
    words = AnswerWords(preprocess=preprocess, classes=classes, task=task)
    network = _describe_answers(read_network(loaded, members, parse_sizes(size), max_nodes=max_nodes), spec, words)
    trained = TRAINED_INT8 in network.metadata and not (calibration or max_drop or reduce_range)
    chosen = None
    if precision == "int8":
        chosen = _choose_calibration(data, calibration, max_drop, reduce_range, ground, trained=trained)
    with follow_steps("calibrating") as on_step, on_threads(threads):
        done = api.to_onnx(
            network.graph,
            network.weights,
            path,
            verify=verify,
            options=ExportOptions(precision=precision, io=io, target=target),
            calibration=chosen,
            optimized=optimized,
            metadata=network.metadata,
            on_step=on_step,
            force=force,
        )
    if as_json:
        print_json(_describe(done, network, members) | (done.explain() if explain else {}))
    else:
        _print(done, network, members, path, explain=explain)


def _describe_answers(network: Network, spec: str, words: AnswerWords) -> Network:
    """The network with what the user says of its answers, which comes before what its weights say."""
    from dataclasses import replace

    from runtime.export.answers import describe_answers, list_zoo_names

    made = describe_answers(network.graph, words, list_zoo_names(spec), network.metadata) if words.options else {}
    return replace(network, metadata={**network.metadata, **made})


def _check_place(path: Path, precision: Precision, *, optimized: bool, force: bool) -> None:
    """Raises ArchspecError where the file cannot be written, or what is to lie beside it."""
    from archspec.replacing import MODEL, check_gives_way

    check_gives_way(path, MODEL, force=force)
    if optimized:
        from runtime.session.form_writer import check_can_optimize

        check_can_optimize(path, precision)


def _describe(done: Export, network: Network, members: Members) -> dict[str, Any]:
    from compiler.onnx_file.metadata import COMBINE

    row = {**done.to_dict(), "sizes": _tell_sizes(network), "trained": bool(members.files)}
    row |= {"members": len(members), "combine": COMBINE.read(network.metadata)}
    return row | {"sizes_of_training": dict(network.trained_sizes)}


def _tell_sizes(network: Network) -> dict[str, str]:
    from archspec import api

    return {name: str(rule) for name, rule in api.accepted_sizes(network.graph).items()}


def _print(done: Export, network: Network, members: Members, path: Path, *, explain: bool) -> None:
    from archspec.cli.tables.export import print_explanation, print_export
    from archspec.files import as_argument
    from compiler.onnx_file.metadata import PRECISION

    print_export(done, _tell_sizes(network), trained=bool(members.files))
    if network.trained_sizes:
        values = ", ".join(f"{name} = {value}" for name, value in network.trained_sizes.items())
        tell(f"  {values}, as in training; --size chooses others")
    if explain:
        print_explanation(done)
    if PRECISION.read(done.model.metadata) == "bf16":
        tell("  no CPU, this machine's neither, runs bf16 in ONNX Runtime; GPUs do, and `archspec doctor` finds them")
    else:
        tell(f"next: archspec tune {as_argument(path)} measures the settings it wants on this machine")


def _choose_calibration(
    data: str | None,
    method: str | None,
    max_drop: str | None,
    reduce_range: bool,
    ground: Ground | None,
    *,
    trained: bool,
) -> Calibration:
    """Read what the options say of int8. Weights that were `trained` in integers have their ranges from there. Raises
    typer.BadParameter."""
    from runtime.export.plan import TRAINING, Calibration

    if trained:
        refuse_idle("--ground", ground, not data, "--data DIR")
        return Calibration(data=data or None, method=TRAINING, ground=ground)
    if not data:
        raise typer.BadParameter("int8 learns its ranges from images: --data DIR, FILE.npy or the NAME of a data set")
    drop = None if max_drop is None else parse_share(max_drop, "--max-drop")
    return Calibration(data=data, method=method or "mse", max_drop=drop, reduce_range=reduce_range, ground=ground)
