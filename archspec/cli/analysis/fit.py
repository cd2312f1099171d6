"""The command `fit`: the largest network of a family within budgets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.ending import FINDINGS
from archspec.cli.options import (
    BatchOption,
    JsonOption,
    MaxNodesOption,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    SpecArgument,
    output_option,
    parse_params,
    parse_sizes,
    refuse_idle,
    refusing,
    shared_option,
)
from archspec.cli.output import print_json


def fit(
    spec: SpecArgument,
    vary: Annotated[
        list[str],
        typer.Option("--vary", metavar="PARAM", help="width, depths[2], widths:8 or width=64..512:8; once or twice."),
    ],
    budget: Annotated[
        list[str], typer.Option("--budget", metavar="CONDITION", help='An upper bound, as in "params <= 5M".')
    ],
    maximize: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="What makes one network larger (default: the param; of two, the budget)."),
    ] = None,
    output: Annotated[Path | None, output_option("VARIANT.yaml", "variant.yaml", "the result, as a variant")] = None,
    force: Annotated[bool, shared_option("--force", note="a file that is there")] = False,
    set_: SetOption = [],
    size: SizeOption = [],
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Search the largest width or depth of a family that fits into budgets. Exits 1 if none does."""
    from archspec import api
    from archspec.cli.tables.compare import print_fit
    from archspec.files import as_argument
    from archspec.spec.variant import check_target, write_variant
    from compiler.analysis.compare.conditions import expand, parse_condition
    from compiler.analysis.compare.fit import fit as search
    from compiler.analysis.compare.units import ConditionError
    from compiler.analysis.compare.variation import parse_variation
    from compiler.analysis.memory.setup import TrainingSetup

    with refusing(ConditionError):
        budgets = [parse_condition(text) for text in budget]
    refuse_idle("--force", force or None, output is None, "-o")
    if output:
        check_target(output, spec, force=force)
    given, sizes = parse_params(set_), parse_sizes(size)
    allowed = load_allowed(allow)
    params = api.load(spec, given, extensions=allowed).params
    with follow_search() as on_try, refusing(ConditionError):
        found = search(
            lambda values: api.elaborate(
                api.load(spec, {**given, **values}, extensions=allowed), sizes, max_nodes=max_nodes
            ),
            params,
            [parse_variation(text, params) for text in vary],
            budgets,
            maximize=expand(maximize) if maximize else None,
            on_try=on_try,
            setup=TrainingSetup(batch, precision, optimizer),
        )
    chosen = {**given, **found.best.params} if found.best else {}
    options = map(shlex.quote, [*_as_options("--set", chosen), *_as_options("--size", sizes)])
    command = " ".join(["archspec analyze", as_argument(spec), *options])
    if output and found.best:
        write_variant(output, spec, chosen, sizes)
    if as_json:
        print_json(found.to_dict() | {"command": command if found.best else None})
    else:
        print_fit(found, command, output)
    if not found.best:
        raise typer.Exit(FINDINGS)


def _as_options(option: str, values: Mapping[str, Any]) -> list[str]:
    """Write params as options, `--set width=144 --set depths=[3,4,9,3]`: as the language reads them."""
    written = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    return [word for name, text in written.items() for word in (option, f"{name}={text.replace(' ', '')}")]


@contextmanager
def follow_search() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Say on stderr, where that is a terminal, which network is being counted."""
    if not sys.stderr.isatty():
        yield lambda values: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("searching") as status:
        yield lambda values: status.update(f"trying {escape(' '.join(_as_options('', values)))}")
