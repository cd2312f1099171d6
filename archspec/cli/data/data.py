"""Commands on data: which there are on this machine, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.commands import PlainCommand, PlainGroup
from archspec.cli.examples import tell_examples
from archspec.cli.options import JsonOption, shared_option
from archspec.cli.output import print_json

data = typer.Typer(
    name="data",
    cls=PlainGroup,
    help="Find the data sets on this machine, or check the data in a folder before training.",
    no_args_is_help=True,
    add_completion=False,
)


@data.callback()
def group() -> None:
    """Find the data sets on this machine, or check the data in a folder before training."""


@data.command(name="list", cls=PlainCommand, epilog=tell_examples("data list"))
def list_(
    data_dir: Annotated[
        Path | None, shared_option("--data-dir", metavar="DIR", note="with what is there besides")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets by name, where they lie, and the command that brings those that are not here."""
    from runtime.data.inventory import list_sets

    found = list_sets(data_dir)
    if as_json:
        print_json([item.to_dict() for item in found])
        return
    from archspec.cli.tables.data import print_sets

    print_sets(found)
