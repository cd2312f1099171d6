"""The command `surface`: the loss around trained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

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
    on_threads,
    shared_option,
)
from archspec.cli.output import print_json


def surface(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders that `archspec train` left.")],
    points: Annotated[int, shared_option("--points", min=3, metavar="N", note="of weights; an odd number")] = 25,
    span: Annotated[float, shared_option("--span", metavar="R", note="1 moves a filter by its own norm")] = 1.0,
    images: Annotated[
        int | None, typer.Option(min=1, help="Random training images that the loss is over (default: 512).")
    ] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="The loss on all held-out images instead.")] = False,
    seed: SeedOption = 0,
    output: PictureOption = None,
    force: ForceOption = False,
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Measure the loss around trained networks along two random directions, normalized by filter."""
    from archspec.cli.progress import follow_steps
    from archspec.cli.tables.experiments import print_surfaces
    from archspec.replacing import PICTURE
    from runtime.experiments.plots import draw_surfaces
    from runtime.experiments.surface import IMAGES, measure_surface
    from runtime.training.run import Run, check_same_data

    check_ending(output, ".svg")
    check_output(output, PICTURE, [], force=force)
    if held_out and images is not None:
        raise typer.BadParameter("--images is a number of training images, which --held-out does not use")
    allowed = load_allowed(allow)
    trained = [Run.open(folder, max_nodes=max_nodes, extensions=allowed) for folder in runs]
    check_same_data(trained)
    results = []
    with on_threads(threads):
        for run in trained:
            with follow_steps(str(run.folder)) as on_step:
                found = measure_surface(
                    run,
                    points=points,
                    span=span,
                    images=images or IMAGES,
                    held_out=held_out,
                    seed=seed,
                    on_step=on_step,
                )
            results.append(found)
    if len({found.name for found in results}) < len(results):
        results = [replace(found, name=str(folder)) for found, folder in zip(results, runs, strict=True)]
    draw_results(output, draw_surfaces, results)
    print_json([found.to_dict() for found in results]) if as_json else print_surfaces(results, output)
