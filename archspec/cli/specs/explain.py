"""The command `explain`: what a code means."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.codes import read_codes
from archspec.cli.completion import complete_code
from archspec.cli.options import (
    JsonOption,
)
from archspec.cli.output import print_json
from archspec.wording import cut


def explain(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="As a message has it (default: list all).", autocompletion=complete_code),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a code means, of a mistake or of a lint finding, and what to do."""
    from archspec.cli.tables.lint import print_code, print_codes
    from archspec.errors import ArchspecError, suggest

    codes = read_codes()
    if code is None:
        print_json([each.to_dict() for each in codes.values()]) if as_json else print_codes(codes)
        return
    if code not in codes:
        near = suggest(code, codes) or "; `archspec explain` lists them"
        raise ArchspecError(f"there is no code '{cut(code, 60)}'{near}")
    print_json(codes[code].to_dict()) if as_json else print_code(codes[code])
