"""Commands on runs: what there is, and how they compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.commands import PlainCommand, PlainGroup
from archspec.cli.examples import tell_examples
from archspec.cli.options import ForceOption, JsonOption, PictureOption, check_ending, check_output
from archspec.cli.output import print_json, tell

runs = typer.Typer(
    name="runs",
    cls=PlainGroup,
    help="List the runs of training with their figures, or compare some of them.",
    epilog=tell_examples("runs"),
    invoke_without_command=True,
    add_completion=False,
)


@runs.callback(epilog=tell_examples("runs"))
def list_runs(
    context: typer.Context,
    folder: Annotated[
        list[Path], typer.Option("--folder", metavar="DIR", help="Where to look; several are allowed. Default: runs.")
    ] = [],
    as_json: JsonOption = False,
) -> None:
    """List the runs of training with their figures, or compare some of them."""
    if context.invoked_subcommand is not None:
        return
    from archspec.errors import InputError
    from runtime.runs.record import RunRecord, find_runs

    if not folder and not Path("runs").is_dir():
        raise InputError(
            "there is no folder runs/ here, in which `archspec train` puts runs that no -o names: "
            "--folder DIR looks elsewhere"
        )
    found = [RunRecord.read(path) for path in find_runs(folder or [Path("runs")])]
    if as_json:
        print_json([run.to_dict() for run in found])
        return
    from archspec.cli.tables.runs import print_runs

    print_runs(found)


@runs.command(cls=PlainCommand, epilog=tell_examples("runs compare"))
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN", help="The folders of runs, two or more.")],
    output: PictureOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: their figures, in what their settings differ, and their curves as one picture."""
    from archspec.replacing import PICTURE
    from runtime.runs.comparison import compare_runs
    from runtime.runs.record import RunRecord

    if output is not None:
        check_ending(output, ".svg")
        check_output(output, PICTURE, [str(folder) for folder in folders], force=force)
    found = compare_runs([RunRecord.read(folder) for folder in folders])
    if output is not None:
        from archspec.files import write_text
        from runtime.runs.curves import draw_curves

        write_text(output, draw_curves(found.runs))
    if as_json:
        print_json({**found.to_dict(), "picture": str(output) if output else None})
        return
    from archspec.cli.tables.runs import print_comparison

    print_comparison(found)
    if output is not None:
        tell(f"wrote {output}: the curves of {len(found.runs)} runs")


@runs.command(cls=PlainCommand, epilog=tell_examples("runs draw"))
def draw(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN", help="The folders of runs.")],
) -> None:
    """Draw the curves and the page of runs anew, also of one that goes on: curves.svg and index.html in its folder."""
    from runtime.runs.drawing import draw_run

    for folder in folders:
        draw_run(folder)
        tell(f"wrote {folder}/: curves.svg, index.html")
