"""The command `check`: all mistakes of specs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

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
)
from archspec.cli.output import print_json, tell
from archspec.wording import cut_middle, tell_count

if TYPE_CHECKING:
    from compiler.analysis.check import Checked


def check(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC", help="Files, or names in the zoo.", autocompletion=complete_spec)
    ],
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Report all mistakes, each with file:line:column.

    Exits 0 if there is none, 1 if there are some, and 2 if a file cannot be read or an option fits no spec.
    """
    from archspec import api

    params, sizes, allowed = parse_params(set_), parse_sizes(size), load_allowed(allow)
    found = [(spec, api.check(spec, params, sizes, max_nodes=max_nodes, extensions=allowed)) for spec in specs]
    if as_json:
        print_json([item.to_dict() for _, mistakes in found for item in mistakes])
    else:
        _print_mistakes(found)
    places = [mistake.place for _, mistakes in found for mistake in mistakes]
    if places:
        raise typer.Exit(FINDINGS if all(place.line for place in places) else COULD_NOT)


def _print_mistakes(found: Iterable[tuple[str, Checked]]) -> None:
    total = 0
    for spec, mistakes in found:
        if mistakes:
            from archspec.cli.tables.console import console
            from archspec.cli.tables.excerpts import print_messages

            print_messages(mistakes, console())
        else:
            tell(f"{cut_middle(spec)}: ok")
            for note in mistakes.notes:
                tell(f"    note: {note}")
        total += len(mistakes)
    if total:
        print(f"\n{tell_count(total, 'mistake')}")
