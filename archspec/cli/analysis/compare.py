"""Commands that compare networks: with each other, with conditions, and with budgets. None of them needs torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec.cli.ending import COULD_NOT, FINDINGS
from archspec.cli.options import (
    MAX_NODES,
    BatchOption,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    SpecArgument,
    build_graph,
    open_network,
    output_option,
    parse_params,
    parse_sizes,
    print_json,
    refuse_idle,
)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A file, a name in the zoo, or an ONNX model.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")],
    set_: SetOption = [],  # noqa: B006  (typer copies it)
    set_a: Annotated[list[str], typer.Option("--set-a", metavar="PARAM=VALUE", help="For A alone.")] = [],  # noqa: B006
    set_b: Annotated[list[str], typer.Option("--set-b", metavar="PARAM=VALUE", help="For B alone.")] = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    size_a: Annotated[list[str], typer.Option("--size-a", metavar="SIZE=VALUE", help="For A alone.")] = [],  # noqa: B006
    size_b: Annotated[list[str], typer.Option("--size-b", metavar="SIZE=VALUE", help="For B alone.")] = [],  # noqa: B006
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 if there is a difference.")] = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two networks: layers, how they are joined, and the numbers."""
    from archspec.cli.tables.diff import print_diff
    from compiler.analysis.compare.diff import diff_graphs

    first = build_graph(a, [*set_, *set_a], [*size, *size_a], max_nodes)
    second = build_graph(b, [*set_, *set_b], [*size, *size_b], max_nodes)
    found = diff_graphs(first, second, batch=batch, precision=precision, optimizer=optimizer)
    print_json(found.to_dict()) if as_json else print_diff(found)
    if exit_code and not found.equal:
        raise typer.Exit(FINDINGS)


def assert_(
    spec: NetworkArgument,
    conditions: Annotated[
        list[str],
        typer.Argument(metavar="CONDITION", help='In quotes: "params <= 25.6M" "paths.block.total == 2^16"'),
    ],
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Check conditions on the analysis. Exits 0 if all hold, 1 if one does not, 2 if one cannot be decided.

    A condition is KEY < <= == != >= > VALUE; KEY is a path in what `analyze --json` prints, or a short word for one.
    """
    from archspec.cli.tables.compare import print_verdicts
    from compiler.analysis.compare.conditions import check_conditions, parse_condition
    from compiler.analysis.unknown import find_unknown

    with _wrong_usage():
        parsed = [parse_condition(text) for text in conditions]
    graph, loaded = open_network(spec, set_, size, max_nodes)
    with _wrong_usage():
        verdicts = check_conditions(graph, parsed, spec=loaded, batch=batch, precision=precision, optimizer=optimizer)
    answers = {verdict.holds for verdict in verdicts}
    holds = False if False in answers else None if None in answers else True
    if as_json:
        conditions_ = [verdict.to_dict() for verdict in verdicts]
        about = {"name": graph.name, "sizes": dict(graph.sizes), "unknown": find_unknown(graph)}
        print_json({**about, "holds": holds, "conditions": conditions_})
    else:
        print_verdicts(verdicts)
    if not holds:
        raise typer.Exit(COULD_NOT if holds is None else FINDINGS)


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
    output: Annotated[
        Path | None, output_option("VARIANT.yaml", "variant.yaml", "Write the result as a variant.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="With -o: replace a file that is there.")] = False,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Search the largest width or depth of a family that fits into budgets. Exits 1 if none does."""
    from archspec import api
    from archspec.cli.tables.compare import print_fit
    from archspec.files import as_argument
    from archspec.spec.variant import check_target, write_variant
    from compiler.analysis.compare.conditions import expand, parse_condition
    from compiler.analysis.compare.fit import fit as search
    from compiler.analysis.compare.variation import parse_variation

    with _wrong_usage():
        budgets = [parse_condition(text) for text in budget]
    refuse_idle("--force", force or None, output is None, "-o")
    if output:
        check_target(output, spec, force=force)
    given, sizes = parse_params(set_), parse_sizes(size)
    params = api.load(spec, given).params
    with follow_search() as on_try, _wrong_usage():
        found = search(
            lambda values: api.elaborate(api.load(spec, {**given, **values}), sizes, max_nodes=max_nodes),
            params,
            [parse_variation(text, params) for text in vary],
            budgets,
            maximize=expand(maximize) if maximize else None,
            on_try=on_try,
            batch=batch,
            precision=precision,
            optimizer=optimizer,
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
    """`--set width=144 --set depths=[3,4,9,3]`: as the language reads them."""
    written = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    return [word for name, text in written.items() for word in (option, f"{name}={text.replace(' ', '')}")]


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """A condition that cannot be understood is wrong usage, which exits 2."""
    from compiler.analysis.compare.conditions import ConditionError

    try:
        yield
    except ConditionError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def follow_search() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Says on stderr, where that is a terminal, which network is being counted."""
    if not sys.stderr.isatty():
        yield lambda values: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("searching") as status:
        yield lambda values: status.update(f"trying {escape(' '.join(_as_options('', values)))}")
