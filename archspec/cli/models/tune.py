"""The command `tune`: the settings of ONNX Runtime that suit a model on this device."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.bounds import MAX_WHOLE
from archspec.cli.options import (
    JsonOption,
    ModelArgument,
    ProviderOption,
    SizeOption,
    parse_sizes,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json


def tune(
    model: ModelArgument,
    batch: Annotated[
        int | None,
        shared_option("--batch", min=1, max=MAX_WHOLE, metavar="N", note="default: 1, where it is free"),
    ] = None,
    size: SizeOption = [],
    seconds: Annotated[float, shared_option("--seconds", min=1, metavar="S", note="in all, about")] = 60.0,
    provider: ProviderOption = [],
    allow_tf32: Annotated[
        bool, typer.Option("--allow-tf32", help="Try TF32 on a GPU too, which gives up digits of fp32.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and store nothing.")] = False,
    force: Annotated[bool, shared_option("--force", note="what a search found that tried more changes")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the settings under which a model runs fastest here, and store them beside it, where every session finds
    them: what was slower, or changes the outputs, stays out.

    "times as fast" is the median of several rounds, and in brackets their least and largest.
    """
    from archspec.cli.progress import follow_steps
    from archspec.cli.tables.tune import print_tuning
    from runtime.measuring.tune import TuneRequest
    from runtime.measuring.tune import tune as measure

    refuse_idle("--force", force or None, dry_run, "tuning that stores what it finds")
    with follow_steps("tuning") as follow:
        request = TuneRequest(model, batch, parse_sizes(size), provider or None, seconds, allow_tf32)
        found = measure(request, keep=not dry_run, force=force, on_step=follow)
    stored = not dry_run
    if as_json:
        print_json({**found.to_dict(), "stored": stored and len(found.stayed) < len(found.entries)})
    else:
        print_tuning(found, model, stored=stored)
