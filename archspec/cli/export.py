"""The command `export`: a spec and weights → an ONNX model for inference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archspec.cli.options import (
    MAX_NODES,
    JsonOption,
    MaxNodesOption,
    McBatchOption,
    SetOption,
    SizeOption,
    SpecArgument,
    names_file,
    parse_params,
    parse_share,
    parse_sizes,
    print_json,
    refuse_idle,
    refuse_replacing,
)
from archspec.cli.weights import SeveralWeights
from compiler.onnx_target.options import Io, Precision, Target

if TYPE_CHECKING:
    from runtime.export import Calibration

COMMAND_CLASS = SeveralWeights
"""What the command is an instance of."""


def export(
    spec: SpecArgument,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "--weights", metavar="FILE...", help="safetensors or .pth; several with --combine (default: fresh)."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="MODEL.onnx",
            parser=names_file("model.onnx"),
            help="The file (default: NAME.onnx).",
        ),
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
    precision: Annotated[Precision, typer.Option(help="The type of weights and activations.")] = "fp32",
    io: Annotated[Io, typer.Option(help="The type of inputs and outputs: the precision's own, or fp32.")] = "same",
    target: Annotated[
        Target,
        typer.Option("--for", help="The runtime: cpu takes forms that are faster there, tensorrt its int8 recipe."),
    ] = "any",
    calibrate: Annotated[
        str | None, typer.Option(metavar="DIR|FILE.npy|NAME", help="Images from which int8 learns its ranges.")
    ] = None,
    calibration: Annotated[
        Literal["mse", "minmax", "entropy", "percentile"] | None,
        typer.Option(help="How int8 chooses a range (default: mse, the least squared error of the numbers)."),
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Keep layers in float until int8 loses at most this: 0.5%, or 0.005."),
    ] = None,
    reduce_range: Annotated[
        bool, typer.Option("--reduce-range", help="int8 weights of seven bits, for CPUs without VNNI.")
    ] = False,
    ground: Annotated[
        str | None, typer.Option(metavar="COLOUR", help="What transparent pictures of --calibrate lie on.")
    ] = None,
    optimized: Annotated[
        bool, typer.Option("--optimized", help="Also write ONNX Runtime's own form for this version and processor.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="List what each pass did and why, and what stays off the fast path.")
    ] = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no ONNX model, too.")] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove the file against torch first.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Write an ONNX model for inference: BatchNorm folded, batch and sizes dynamic, proven against torch."""
    from archspec import api
    from archspec.cli.progress import follow_steps
    from archspec.cli.tables.export import print_explanation, print_export
    from archspec.file_types import check_gives_way_to_model
    from archspec.files import as_argument
    from archspec.weights import check_fit, find_trained_sizes
    from compiler.onnx_target.options import ExportOptions

    loaded = api.load(spec, parse_params(set_))
    path = output or Path(f"{loaded.name}.onnx")
    files, sizes = weights or [], parse_sizes(size)
    options = ExportOptions(precision=precision, io=io, target=target)
    chosen = _choose_calibration(precision, calibrate, calibration, max_drop, reduce_range, ground)
    _check_ensemble(len(files), combine, monte_carlo, data)
    refuse_replacing(path, [spec, *files, *([calibrate] if calibrate else [])])
    check_gives_way_to_model(path, force=force)
    if optimized:
        from runtime.optimize import check_can_optimize

        check_can_optimize(path, precision)
    refuse_idle("--mc-batch", mc_batch, monte_carlo is None, "--monte-carlo T")
    refuse_idle("--seed", seed, bool(files) and monte_carlo is None, "fresh weights and by --monte-carlo T")
    first, metadata = api.read_weights(files[0]) if files else ({}, {})
    trained = {name: value for name, value in find_trained_sizes(loaded, metadata).items() if name not in sizes}
    graph = api.elaborate(loaded, trained | sizes, max_nodes=max_nodes)
    if len(files) > 1:
        graph, arrays, metadata = api.combine_weights(graph, files, combine or "")
    elif files:
        check_fit(files[0], first, graph, loaded, trained | sizes)
        arrays = first
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
    with follow_steps("calibrating") as on_step:
        done = api.to_onnx(
            graph,
            arrays,
            path,
            verify=verify,
            options=options,
            calibration=chosen,
            optimized=optimized,
            metadata=metadata,
            on_step=on_step,
            force=force,
        )
    accepted = {name: str(rule) for name, rule in api.accepted_sizes(graph).items()}
    if as_json:
        row = {**done.to_dict(), "sizes": accepted, "trained": bool(files)}
        row |= {"members": monte_carlo or max(1, len(files)), "combine": metadata.get("archspec.combine")}
        row |= {"sizes_of_training": trained}
        print_json(row | (done.explain() if explain else {}))
        return
    print_export(done, accepted, trained=bool(files))
    if trained:
        values = ", ".join(f"{name} = {value}" for name, value in trained.items())
        print(f"  {values}, as in training; --size chooses others")
    if explain:
        print_explanation(done)
    print(f"next: archspec tune {as_argument(path)} measures the settings it wants on this machine")


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


def _choose_calibration(
    precision: str,
    data: str | None,
    method: str | None,
    max_drop: str | None,
    reduce_range: bool,
    ground: str | None,
) -> Calibration | None:
    """What the options say of int8, which alone reads them. Raises typer.BadParameter."""
    from runtime.export import Calibration

    given = {"--calibrate": data, "--calibration": method, "--max-drop": max_drop, "--reduce-range": reduce_range}
    given["--ground"] = ground
    for option, value in given.items():
        refuse_idle(option, value or None, precision != "int8", "--precision int8")
    if precision != "int8":
        return None
    if not data:
        raise typer.BadParameter(
            "int8 learns its ranges from images: --calibrate DIR, FILE.npy or the NAME of a data set"
        )
    drop = None if max_drop is None else parse_share(max_drop, "--max-drop")
    from runtime.picture_file import parse_ground

    lies_on = None if ground is None else parse_ground(ground)
    return Calibration(data=data, method=method or "mse", max_drop=drop, reduce_range=reduce_range, ground=lies_on)
