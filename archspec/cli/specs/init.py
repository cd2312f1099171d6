"""The command `init`: a spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.options import (
    ForceOption,
    names_file,
)
from archspec.cli.output import tell


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
