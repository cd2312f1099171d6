"""The command `lint`: what compiles and is probably not meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.completion import complete_spec
from archspec.cli.ending import COULD_NOT, FINDINGS
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    SetOption,
    SizeOption,
    parse_params,
    parse_sizes,
    refusing,
)
from archspec.cli.output import print_json


def lint(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC", help="Files, names in the zoo, ONNX models.", autocompletion=complete_spec),
    ],
    select: Annotated[
        str, typer.Option(metavar="CODE,...", help="Look for these alone; `unused` stands for all of its kind.")
    ] = "",
    ignore: Annotated[str, typer.Option(metavar="CODE,...", help="Do not look for these.")] = "",
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Report what compiles and is probably not meant, with the remedy.

    Exits 0 if there is nothing, 1 if there is something, and 2 if a spec does not compile.
    """
    from archspec import api
    from archspec.errors import ArchspecError, Diagnostic, SpecError
    from compiler.analysis.check import check_expectations
    from compiler.analysis.lint import Finding, choose_codes, lint_graph
    from compiler.analysis.unknown import find_unknown

    chosen = {"select": _split(select), "ignore": _split(ignore)}
    with refusing(ArchspecError):
        choose_codes(**chosen)
    params, sizes, allowed = parse_params(set_), parse_sizes(size), load_allowed(allow)
    found: list[tuple[str, Sequence[Diagnostic | Finding]]] = []
    unknown: dict[str, Mapping[str, int]] = {}
    failed = False
    for name in specs:
        try:
            graph, spec = api.open_network(name, params, sizes, max_nodes=max_nodes, extensions=allowed)
            found.append((name, [*check_expectations(graph, spec), *lint_graph(graph, spec, **chosen)]))
            unknown[name] = find_unknown(graph)
        except SpecError as error:  # the mistakes of one spec hide nothing of the next
            found.append((name, error.diagnostics))
            failed = True
    if as_json:
        print_json([{"spec": name, **finding.to_dict()} for name, findings in found for finding in findings])
    else:
        from archspec.cli.tables.lint import print_findings

        print_findings(found, unknown)
    if failed or any(findings for _, findings in found):
        raise typer.Exit(COULD_NOT if failed else FINDINGS)


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
