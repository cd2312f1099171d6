"""The command `shattering`: how fast the gradients of fresh networks shatter."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.experiments.picture import draw_results
from archspec.cli.options import (
    ForceOption,
    JsonOption,
    MaxNodesOption,
    PictureOption,
    SeedOption,
    SetOption,
    SizeOption,
    ThreadsOption,
    build_graph,
    check_ending,
    check_output,
    on_threads,
    shared_option,
)
from archspec.cli.output import print_json


def shattering(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC[:PARAM=VALUE,…]", help="Files or zoo names, each with params of its own."),
    ],
    set_: SetOption = [],
    size: SizeOption = [],
    points: Annotated[int, shared_option("--points", min=3, metavar="N", note="of inputs")] = 257,
    span: Annotated[float, shared_option("--span", metavar="R", note="a line's length, root mean square")] = 4.0,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh networks of each spec.")] = 20,
    seed: SeedOption = 0,
    output: PictureOption = None,
    force: ForceOption = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how soon the input gradient of fresh networks loses all likeness with itself (shattered gradients).

    It takes networks of one vector, as `inputs: {x: [100]}`, and no images.
    """
    from archspec.cli.progress import follow_steps
    from archspec.cli.tables.experiments import print_shattering
    from archspec.replacing import PICTURE
    from runtime.experiments.plots import draw_shattering
    from runtime.experiments.shattering import count_inputs, measure_shattering

    check_ending(output, ".svg")
    check_output(output, PICTURE, [split_variant(word)[0] for word in specs], force=force)
    graphs = []
    for word in specs:
        spec, own, label = split_variant(word)
        graphs.append((build_graph(spec, [*set_, *own], size, max_nodes, allow), label))
        count_inputs(graphs[-1][0])
    results = []
    with on_threads(threads):
        for graph, label in graphs:
            with follow_steps(label) as on_step:
                found = measure_shattering(graph, points=points, span=span, seeds=seeds, seed=seed, on_step=on_step)
            results.append(replace(found, name=label))
    draw_results(output, draw_shattering, results)
    print_json([found.to_dict() for found in results]) if as_json else print_shattering(results, output)


def split_variant(word: str) -> tuple[str, list[str], str]:
    """A spec, the params that stand behind it, and what to call both.

    >>> split_variant("mlp:layers=24,width=200")
    ('mlp', ['layers=24', 'width=200'], 'mlp layers=24 width=200')
    """
    found = re.fullmatch(r"(.+?):([A-Za-z_]\w*=.*)", word, re.DOTALL)
    spec, params = found.groups() if found else (word, "")
    own = re.split(r",(?=[A-Za-z_]\w*=)", params) if params else []
    return spec, own, " ".join([Path(spec).stem, *own])
