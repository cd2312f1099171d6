"""Commands on data: which there are on this machine, and what is wrong with some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.commands import PlainCommand, PlainGroup
from archspec.cli.completion import complete_data
from archspec.cli.ending import FINDINGS
from archspec.cli.examples import tell_examples
from archspec.cli.options import GroundOption, JsonOption, names_file, shared_option
from archspec.cli.output import print_json, tell

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
    from archspec.cli.progress import show_work
    from runtime.data.inventory import list_sets

    with show_work("looking for data"):
        found = list_sets(data_dir)
    if as_json:
        print_json([item.to_dict() for item in found])
        return
    from archspec.cli.tables.data import print_sets

    print_sets(found)


@data.command(cls=PlainCommand, epilog=tell_examples("data check"))
def check(
    where: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder of data, or a name.", autocompletion=complete_data)
    ],
    task: Annotated[
        str | None,
        shared_option("--task", metavar="TASK", note="where the data could be for several"),
    ] = None,
    fold: Annotated[
        str | None, typer.Option("--fold", metavar="K/N", help="Hold out part K of N of the images, as in 2/5.")
    ] = None,
    ground: GroundOption = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE.png",
            parser=names_file("samples.png"),
            help="A sheet of 16 samples and answers.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read everything once, and tell what is wrong before an hour of training is lost: broken files, masks of another
    size, the same image in two parts, classes without images.

    Exits 0 if nothing is, 1 if something is, and 2 if the data cannot be looked at.
    """
    from archspec.cli.progress import follow_steps
    from runtime.data.check import check_data
    from runtime.data.opening import open_source
    from runtime.data.source import lay_on
    from runtime.recipes.data import DataSection

    section = DataSection(fold=fold)
    with follow_steps("reading") as on_step:
        source = open_source(where, task, on_step)
        source = source if ground is None else replace(source, samples=lay_on(source.samples, ground))
        found = check_data(source, section, on_step)
    if pictures is not None:
        from runtime.prediction.sample_sheet import save_samples

        save_samples(pictures, source, found)
    if as_json:
        print_json(found.to_dict())
    else:
        from archspec.cli.tables.data import print_findings

        print_findings(found)
        if pictures is not None:
            tell(f"wrote {pictures}")
    if found.is_bad:
        raise typer.Exit(FINDINGS)
