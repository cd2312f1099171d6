"""The command `list`: the zoo, its block libraries, and its recipes."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.options import (
    JsonOption,
)
from archspec.cli.output import print_json


def list_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="Parts of names, or families (default: all).")
    ] = None,
    descriptions: Annotated[bool, typer.Option("--descriptions", "-d", help="Say what each network is.")] = False,
    blocks: Annotated[bool, typer.Option("--blocks", help="Show the blocks that specs may import instead.")] = False,
    recipes: Annotated[bool, typer.Option("--recipes", help="Show the recipes to train by instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the zoo, or what of it fits one of the words."""
    if recipes:
        from archspec.cli.tables.recipes import print_recipes
        from runtime.recipes.listing import list_recipes

        if blocks:
            raise typer.BadParameter("--blocks and --recipes are two lists: choose one")
        found = list_recipes(words or ())
        print_json(found) if as_json else print_recipes(found)
        return
    if blocks:
        from archspec.cli.tables.blocks import print_blocks
        from archspec.libraries import list_blocks

        rows = list_blocks(words or ())
        print_json(rows) if as_json else print_blocks(rows)
        return
    from archspec.cli.tables.specs import follow_zoo, print_zoo
    from archspec.zoo import list_zoo

    with follow_zoo() as on_spec:
        rows = list_zoo(words or (), on_spec)
    print_json(rows) if as_json else print_zoo(rows, descriptions=descriptions)
