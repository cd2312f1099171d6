"""The command `export`: a spec and weights → an ONNX model for inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archspec.cli.options import (
    MAX_NODES,
    GroundOption,
    JsonOption,
    MaxNodesOption,
    McBatchOption,
    SetOption,
    SizeOption,
    SpecArgument,
    output_option,
    parse_params,
    parse_share,
    parse_sizes,
    refuse_idle,
    refuse_replacing,
)
from archspec.cli.output import print_json, tell
from compiler.onnx_target.options import Io, Precision, Target

if TYPE_CHECKING:
    from archspec.spec.load import Spec
    from compiler.graph import Graph
    from runtime.export.export import Calibration, Export
    from runtime.pictures.file import Ground


def export(
    spec: SpecArgument,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "--weights", metavar="FILE...", help="safetensors or .pth; several with --combine (default: fresh)."
        ),
    ] = None,
    output: Annotated[Path | None, output_option("MODEL.onnx", "model.onnx", "The file (default: NAME.onnx).")] = None,
    combine: Annotated[
        str | None, typer.Option(metavar="HOW", help="An ensemble of the files: the outputs' mean, or a vote.")
    ] = None,
    monte_carlo: Annotated[
        int | None,
        typer.Option(metavar="T", min=2, help="An ensemble by the batch statistics of T mini-batches of --data."),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="NAME", help="The data set for --monte-carlo.")] = None,
    mc_batch: McBatchOption = None,
    set_: SetOption = [],
    size: SizeOption = [],
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
    ground: GroundOption = None,
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
    from compiler.onnx_target.options import ExportOptions

    loaded = api.load(spec, parse_params(set_))
    path = output or Path(f"{loaded.name}.onnx")
    chosen = _choose_calibration(precision, calibrate, calibration, max_drop, reduce_range, ground)
    members = Members(weights or [], combine, monte_carlo, data, mc_batch, seed)
    members.check()
    refuse_replacing(path, [spec, *members.files, *([calibrate] if calibrate else [])])
    _check_place(path, precision, optimized=optimized, force=force)
    network = _read_network(spec, loaded, members, parse_sizes(size), max_nodes)
    with follow_steps("calibrating") as on_step:
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


@dataclass(frozen=True, slots=True)
class Members:
    """What the options say of weights: none (fresh ones from `seed`), one file, or several for an ensemble; an ensemble
    of one network too, by as many `passes` over mini-batches of `data`."""

    files: Sequence[Path]
    combine: str | None
    passes: int | None
    data: str | None
    batch: int | None
    seed: int | None

    def __len__(self) -> int:
        return self.passes or max(1, len(self.files))

    def check(self) -> None:
        """Refuse options that do not belong together. Raises typer.BadParameter."""
        files, alone = len(self.files), self.passes is None
        if not alone and (files > 1 or self.data is None):
            problem = "samples the statistics of one network" if files > 1 else "needs --data, whose images it reads"
            raise typer.BadParameter(f"--monte-carlo {problem}")
        refuse_idle("--data", self.data, alone, "--monte-carlo T")
        if alone and files > 1 and self.combine is None:
            raise typer.BadParameter(f"{files} files of weights make an ensemble: say --combine mean or --combine vote")
        if alone and files < 2 and self.combine is not None:
            found = "one was given" if files else "none was given"
            raise typer.BadParameter(f"--combine makes an ensemble of several files of weights, of which {found}")
        refuse_idle("--mc-batch", self.batch, alone, "--monte-carlo T")
        refuse_idle("--seed", self.seed, files > 0 and alone, "fresh weights and by --monte-carlo T")


@dataclass(frozen=True, slots=True)
class Network:
    """A graph with its weights and what these say; `trained` are the sizes that it has since they were trained so."""

    graph: Graph
    weights: Mapping[str, Any]
    metadata: dict[str, str]
    trained: Mapping[str, int]

    @property
    def accepted(self) -> dict[str, str]:
        from archspec import api

        return {name: str(rule) for name, rule in api.accepted_sizes(self.graph).items()}


def _check_place(path: Path, precision: Precision, *, optimized: bool, force: bool) -> None:
    """Raises ArchspecError where the file cannot be written, or what is to lie beside it."""
    from archspec.replacing import MODEL, check_gives_way

    check_gives_way(path, MODEL, force=force)
    if optimized:
        from runtime.session.optimize import check_can_optimize

        check_can_optimize(path, precision)


def _read_network(spec: str, loaded: Spec, members: Members, sizes: Mapping[str, int], max_nodes: int) -> Network:
    """The network that is written, with the weights of its files, or fresh ones."""
    from archspec import api
    from archspec.weights import check_fit, check_run, find_trained_sizes

    files = members.files
    for file in files:
        check_run(spec, file)
    first, metadata = api.read_weights(files[0]) if files else ({}, {})
    trained = {name: value for name, value in find_trained_sizes(loaded, metadata).items() if name not in sizes}
    chosen = {**trained, **sizes}
    graph = api.elaborate(loaded, chosen, max_nodes=max_nodes)
    if len(files) > 1:
        return Network(*api.combine_weights(graph, files, members.combine or ""), trained)
    if files:
        check_fit(files[0], first, graph, loaded, chosen)
    arrays = first if files else dict(api.to_torch(graph, seed=members.seed or 0).state_dict())
    single = Network(graph, arrays, metadata, trained)
    return single if members.passes is None else _sample(single, members, members.passes)


def _sample(single: Network, members: Members, passes: int) -> Network:
    from archspec import api

    graph, arrays, facts = api.sample_ensemble(
        single.graph,
        single.weights,
        members.combine or "mean",
        data=members.data or "",
        passes=passes,
        batch=members.batch,
        seed=members.seed or 0,
        metadata=single.metadata,
    )
    return Network(graph, arrays, single.metadata | facts, single.trained)


def _describe(done: Export, network: Network, members: Members) -> dict[str, Any]:
    from compiler.onnx_file.metadata import COMBINE

    row = {**done.to_dict(), "sizes": network.accepted, "trained": bool(members.files)}
    row |= {"members": len(members), "combine": COMBINE.read(network.metadata)}
    return row | {"sizes_of_training": dict(network.trained)}


def _print(done: Export, network: Network, members: Members, path: Path, *, explain: bool) -> None:
    from archspec.cli.tables.export import print_explanation, print_export
    from archspec.files import as_argument
    from compiler.onnx_file.metadata import PRECISION

    print_export(done, network.accepted, trained=bool(members.files))
    if network.trained:
        values = ", ".join(f"{name} = {value}" for name, value in network.trained.items())
        tell(f"  {values}, as in training; --size chooses others")
    if explain:
        print_explanation(done)
    if PRECISION.read(done.model.metadata) == "bf16":
        tell("  no CPU, this machine's neither, runs bf16 in ONNX Runtime; GPUs do, and `archspec doctor` finds them")
    else:
        tell(f"next: archspec tune {as_argument(path)} measures the settings it wants on this machine")


def _choose_calibration(
    precision: str,
    data: str | None,
    method: str | None,
    max_drop: str | None,
    reduce_range: bool,
    ground: Ground | None,
) -> Calibration | None:
    """What the options say of int8, which alone reads them. Raises typer.BadParameter."""
    from runtime.export.export import Calibration

    given = {
        "--calibrate": data,
        "--calibration": method,
        "--max-drop": max_drop,
        "--reduce-range": reduce_range,
        "--ground": ground,
    }
    for option, value in given.items():
        refuse_idle(option, value or None, precision != "int8", "--precision int8")
    if precision != "int8":
        return None
    if not data:
        raise typer.BadParameter(
            "int8 learns its ranges from images: --calibrate DIR, FILE.npy or the NAME of a data set"
        )
    drop = None if max_drop is None else parse_share(max_drop, "--max-drop")
    return Calibration(data=data, method=method or "mse", max_drop=drop, reduce_range=reduce_range, ground=ground)
