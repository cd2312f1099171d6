"""The command `lesion`: what a trained network loses with each block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.experiments.picture import draw_results
from archspec.cli.options import (
    ForceOption,
    JsonOption,
    MaxNodesOption,
    PictureOption,
    SeedOption,
    ThreadsOption,
    check_ending,
    check_output,
    names_file,
    on_threads,
    parse_share,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json

if TYPE_CHECKING:
    from archspec.ops import Op
    from runtime.experiments.pruning import FileComparison, PruningChoice
    from runtime.training.run import Run


TRAIN = "train"


TWIN = "plain"


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `archspec train` left.")]


def lesion(
    folder: RunArgument,
    plain: Annotated[
        str | None,
        typer.Option(metavar="RUN|train", help="A network without shortcuts beside it; `train` trains the twin first."),
    ] = None,
    max_drop: Annotated[
        str | None,
        shared_option("--max-drop", metavar="SHARE", note="parts are left out for good up to there"),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="MODEL.onnx", parser=names_file("model.onnx"), help="Export the network without them."
        ),
    ] = None,
    seed: SeedOption = 0,
    output: PictureOption = None,
    force: ForceOption = False,
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Measure what a trained network loses with each residual block; leave out as many as --max-drop allows."""
    from archspec.cli.tables.experiments import print_choice, print_files, print_lesions
    from archspec.replacing import MODEL, PICTURE
    from runtime.experiments.lesion import list_parts
    from runtime.experiments.plots import draw_lesions
    from runtime.export.plan import tell_large_drop
    from runtime.training.run import Run, check_same_data
    from runtime.training.run_folder import TRAINED

    check_ending(output, ".svg")
    check_ending(model, ".onnx")
    if model is not None and max_drop is None:
        raise typer.BadParameter("--model is the network without the parts that --max-drop leaves out: give one")
    share = None if max_drop is None else parse_share(max_drop, "--max-drop")
    if share is not None:
        tell_large_drop("the network without parts", share)
    refuse_idle("--force", force or None, output is model is None, "--output and --model")
    for word, path, kind in (("--model", model, MODEL), ("--output", output, PICTURE)):
        if path is not None:
            check_output(path, kind, [folder / name for name in TRAINED], force=force, option=word)
    allowed = load_allowed(allow)
    run = Run.open(folder, max_nodes=max_nodes, extensions=allowed)
    list_parts(run)
    with on_threads(threads):
        others = [] if plain is None else [_find_twin(run, plain, max_nodes, allowed)]
        check_same_data([run, *others])
        lesions = [_cut(one) for one in (run, *others)]
        choice = None if share is None else _choose(run, share, seed)
        files = _export(run, choice, model, force=force) if choice and model else None
    draw_results(output, draw_lesions, lesions)
    if as_json:
        rows: dict[str, Any] = {"lesion": lesions[0].to_dict()}
        rows |= {"plain": lesions[1].to_dict()} if others else {}
        rows |= {"choice": choice.to_dict()} if choice else {}
        rows |= {"files": files.to_dict() | {"file": str(model)}} if files else {}
        print_json(rows)
        return
    print_lesions(lesions, run.task, output)
    if choice:
        print_choice(choice)
    if files and model:
        print_files(files, model)


def _find_twin(run: Run, plain: str, max_nodes: int, allowed: Mapping[str, type[Op]]) -> Run:
    """The run beside it: a folder, or the twin that is trained now, as the run was."""
    from archspec import api
    from archspec.cli.progress import follow_training
    from archspec.errors import ArchspecError
    from archspec.files import as_argument, scratch_folder
    from runtime.experiments.twin import read_recipe, write_twin
    from runtime.training.run import Run
    from runtime.training.run_folder import list_trained

    if plain != TRAIN:
        return Run.open(plain, max_nodes=max_nodes, extensions=allowed)
    settings, folder = read_recipe(run), run.folder / TWIN
    if list_trained(folder):
        use = f"--plain {as_argument(folder)} measures that one; remove the folder to train another"
        raise ArchspecError(f"{folder} holds a run already: {use}")
    with scratch_folder() as scratch:
        spec = write_twin(run.spec, scratch)
    with follow_training() as follower:
        api.train(spec, run.data.name, settings, folder=folder, on_step=follower.on_step, max_nodes=max_nodes)
    return Run.open(folder, max_nodes=max_nodes, extensions=allowed)


def _cut(run: Run) -> Any:
    from archspec.cli.progress import follow_steps
    from runtime.experiments.lesion import measure_lesion

    with follow_steps(f"leaving out parts of {run.graph.name}") as on_step:
        return measure_lesion(run, on_step=on_step)


def _choose(run: Run, share: float, seed: int) -> PruningChoice:
    from archspec.cli.progress import follow_steps
    from runtime.experiments.pruning import choose_parts

    with follow_steps("choosing parts") as on_step:
        return choose_parts(run, share, seed=seed, on_step=on_step)


def _export(run: Run, choice: PruningChoice, path: Path, *, force: bool) -> FileComparison:
    """Write the smaller network, proven, and hold it against the whole one. Raises ArchspecError where no part goes."""
    from archspec import api
    from archspec.errors import ArchspecError
    from archspec.files import scratch_folder
    from compiler.onnx_file.metadata import CARRIED, LEFT_OUT, select
    from runtime.experiments.pruning import compare_files

    if not choice.parts:
        raise ArchspecError(
            f"no part of {run.graph.name} can be left out within {choice.budget:.3g} of its {choice.metric} on "
            "training images; give a larger --max-drop"
        )
    facts = select(run.metadata, CARRIED)
    left_out = LEFT_OUT.write(tuple(part.name for part in choice.parts))
    api.to_onnx(choice.after.graph, choice.after.weights, path, metadata=facts | left_out, force=force)
    with scratch_folder() as folder:
        whole = folder / "whole.onnx"
        api.to_onnx(run.graph, run.weights, whole, verify=False, metadata=facts)
        return compare_files(whole, path)
