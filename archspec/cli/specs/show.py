"""The command `show`: the layers of a network as a tree, what a block library holds, or all of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    build_graph,
    shared_option,
)
from archspec.cli.output import print_json
from archspec.errors import InputError
from archspec.file_types import is_onnx


def show(
    spec: NetworkArgument,
    block: Annotated[
        str | None, typer.Argument(metavar="BLOCK", help="Where SPEC is a block library, one of its blocks.")
    ] = None,
    depth: Annotated[int | None, shared_option("--depth", min=1, metavar="N", note="default: all")] = None,
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Show the layers as a tree: shapes, parameters, MACs; repeats are folded. Of a block library, show what its blocks
    take, and each where a network of the zoo uses it. Of a recipe (recipes/NAME, or a file), show every key."""
    from archspec.cli.tables.specs import print_tree
    from archspec.spec.libraries import find_library
    from compiler.analysis.outline import fold_tree
    from compiler.analysis.unknown import find_unknown
    from runtime.recipes.document import tell_recipe

    recipe = None if is_onnx(spec) else tell_recipe(spec)
    if recipe is not None:
        if block is not None or depth is not None or size:
            raise InputError(f"{spec} is a recipe, which has keys alone: BLOCK, --depth and --size are of networks")
        _show_recipe(recipe, set_, as_json)
        return
    library = None if is_onnx(spec) else find_library(spec)
    if library is not None:
        _show_library(library, block, depth, as_json)
        return
    if block is not None:
        raise InputError(
            f"{spec} is no block library, of which a block can be shown; `archspec list --blocks` has those"
        )
    graph = build_graph(spec, set_, size, max_nodes, allow)
    tree = fold_tree(graph)
    if not as_json:
        print_tree(graph, tree, depth)
        return
    unknown = find_unknown(graph)
    print_json({"sizes": dict(graph.sizes), **tree.to_dict(depth), **({"unknown": unknown} if unknown else {})})


def _show_recipe(path: Path, options: list[str], as_json: bool) -> None:
    from archspec.cli.output import tell
    from archspec.spec.text import to_yaml
    from runtime.recipes.document import RecipeDocument
    from runtime.recipes.overrides import apply_overrides

    document = apply_overrides(RecipeDocument.read(path), options)
    recipe = document.check().to_dict()
    for note in document.notes:
        tell(note, stderr=True)
    if as_json:
        print_json(recipe)
        return
    print(to_yaml(recipe), end="")


def _show_library(path: Path, block: str | None, depth: int | None, as_json: bool) -> None:
    from archspec.cli.tables.blocks import print_block, print_library
    from archspec.libraries import describe_library, find_use
    from archspec.spec.libraries import read_library

    library = read_library(path)
    rows = describe_library(library, block)
    uses = [find_use(row["name"], row["used_by"]) for row in rows]
    if as_json:
        blocks = [{**row, "use": use and use.to_dict(depth)} for row, use in zip(rows, uses, strict=True)]
        print_json({"library": library.name, "description": library.description, "blocks": blocks})
        return
    print_library(library)
    for row, use in zip(rows, uses, strict=True):
        print_block(row, use, depth)
