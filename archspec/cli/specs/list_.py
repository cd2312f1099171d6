"""The command `list`: the zoo, and its block libraries."""

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
    as_json: JsonOption = False,
) -> None:
    """Show the zoo, or what of it fits one of the words."""
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
