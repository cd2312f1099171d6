"""The command `evaluate`: the two forms of a trained network on held-out images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.ending import FINDINGS
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    McBatchOption,
    ProviderOption,
    ThreadsOption,
    on_threads,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder with spec.yaml, weights and model.onnx.")],
    monte_carlo: Annotated[
        int | None,
        shared_option("--monte-carlo", metavar="T", min=1, note="beside the plain prediction"),
    ] = None,
    mc_batch: McBatchOption = None,
    provider: ProviderOption = [],
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Compare torch and ONNX Runtime on the held-out images; leaves a picture of predictions and a few samples.

    Exits 1 where model.onnx says that it was made from other weights than those of the run.
    """
    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.cli.tables.models import print_evaluation

    refuse_idle("--mc-batch", mc_batch, monte_carlo is None, "--monte-carlo T")
    with show_work(f"evaluating {folder}"), on_threads(threads):
        evaluation = api.evaluate(
            folder,
            monte_carlo=monte_carlo,
            mc_batch=mc_batch,
            providers=provider or None,
            max_nodes=max_nodes,
            extensions=load_allowed(allow),
        )
    print_json(evaluation.to_dict()) if as_json else print_evaluation(evaluation, folder)
    if evaluation.same_weights is False:
        raise typer.Exit(FINDINGS)
