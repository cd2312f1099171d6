"""Commands on specs: check, list, show, init, schema. None of them needs torch or onnx."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.completion import complete_spec
from archspec.cli.ending import COULD_NOT, FINDINGS, tell
from archspec.cli.options import (
    MAX_NODES,
    ForceOption,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    build_graph,
    names_file,
    parse_params,
    parse_sizes,
    print_json,
)
from archspec.errors import printable, tell_count

if TYPE_CHECKING:
    from archspec.errors import Diagnostic


def check(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC", help="Files, or names in the zoo.", autocompletion=complete_spec)
    ],
    set_: SetOption = [],  # noqa: B006  (typer copies it)
    size: SizeOption = [],  # noqa: B006
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Report all mistakes, each with file:line:column.

    Exits 0 if there is none, 1 if there are some, and 2 if a file cannot be read or an option fits no spec.
    """
    from archspec import api

    params, sizes = parse_params(set_), parse_sizes(size)
    found = [(spec, api.check(spec, params, sizes, max_nodes=max_nodes)) for spec in specs]
    if as_json:
        print_json([item.to_dict() for _, mistakes in found for item in mistakes])
    else:
        _print_mistakes(found)
    places = [mistake.place for _, mistakes in found for mistake in mistakes]
    if places:
        raise typer.Exit(FINDINGS if all(place.line for place in places) else COULD_NOT)


def _print_mistakes(found: Iterable[tuple[str, Sequence[Diagnostic]]]) -> None:
    total = 0
    for spec, mistakes in found:
        if mistakes:
            from archspec.cli.tables.console import console
            from archspec.cli.tables.excerpts import print_messages

            print_messages(mistakes, console())
        else:
            tell(f"{printable(spec)}: ok")
        total += len(mistakes)
    if total:
        print(f"\n{tell_count(total, 'mistake')}")


def list_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="Parts of names, or families (default: all).")
    ] = None,
    descriptions: Annotated[bool, typer.Option("--descriptions", "-d", help="Say what each network is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the zoo, or what of it fits one of the words."""
    from archspec import api
    from archspec.cli.tables.specs import follow_zoo, print_zoo

    with follow_zoo() as on_spec:
        rows = api.list_zoo(words or (), on_spec)
    print_json(rows) if as_json else print_zoo(rows, descriptions=descriptions)


def show(
    spec: NetworkArgument,
    depth: Annotated[int | None, typer.Option(min=1, help="Levels of the tree that are shown (default: all).")] = None,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Show the layers as a tree: shapes, parameters, MACs; repeats are folded."""
    from archspec.cli.tables.specs import print_tree
    from compiler.analysis.outline import fold_tree
    from compiler.analysis.unknown import find_unknown

    graph = build_graph(spec, set_, size, max_nodes)
    tree = fold_tree(graph)
    if not as_json:
        print_tree(graph, tree, depth)
        return
    unknown = find_unknown(graph)
    print_json({"sizes": dict(graph.sizes), **tree.to_dict(depth), **({"unknown": unknown} if unknown else {})})


def init(
    file: Annotated[
        Path, typer.Argument(metavar="NAME.yaml", parser=names_file("network.yaml"), help="The file to write.")
    ],
    force: ForceOption = False,
) -> None:
    """Write a small commented spec to start from, and beside it the schema with which editors complete and check it."""
    from archspec.cli.starter import SCHEMA_NAME, write_starter
    from archspec.files import as_argument

    write_starter(file, force=force)
    tell(f"wrote {file} and, for editors, {file.parent / SCHEMA_NAME}")
    tell(f"next: archspec check {as_argument(file)} && archspec show {as_argument(file)}")


def schema() -> None:
    """Print the language's JSON Schema."""
    from archspec.spec.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
