"""The command line. A command parses, calls the API, and prints; what it needs is imported when it runs, so that
`--help` and `check` stay quick."""

from __future__ import annotations

import errno
import inspect
import io
import os
import sys
from collections.abc import Callable

import typer
from rich.markup import escape

from archspec.cli import (
    analysis,
    compare,
    experiments,
    export,
    lint,
    models,
    pictures,
    specs,
    tune,
    unravel,
    verify,
    weights,
)
from archspec.errors import ArchspecError, SpecError, printable
from archspec.files import unwind_on_sigterm

MAX_ERROR = 2000
"""Characters of a message. File names and names from files stand in it."""

app = typer.Typer(
    name="archspec",
    help="Network architectures as data: check, analyse, train, export and run them.",
    epilog="SPEC is a file or the name of a spec in the zoo (`archspec list`).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from archspec import __version__

        print(f"archspec {__version__}")
        raise typer.Exit()


PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Specs": (specs.check, specs.list_, specs.show, specs.init, specs.schema, lint.lint, lint.explain),
    "Analysis": (analysis.analyze, unravel.unravel, compare.diff, compare.assert_, compare.fit),
    "Pictures": (pictures.draw, pictures.report),
    "Models": (
        *(models.train, export.export, verify.verify, models.evaluate, models.run),
        *(models.bench, tune.tune, models.doctor),
    ),
    "Experiments": (experiments.shattering, experiments.surface, experiments.lesion),
}
"""The commands, by the panel of `--help` in which they stand."""

for _panel, _commands in PANELS.items():
    for _command in _commands:
        _class = weights.SeveralWeights if _command is export.export else None
        _help = escape(inspect.getdoc(_command) or "")  # in which f1[x] is no markup
        app.command(name=_command.__name__.rstrip("_"), help=_help, rich_help_panel=_panel, cls=_class)(_command)
app.add_typer(weights.app, rich_help_panel="Models")


def main() -> None:
    """Run a command. A mistake of the user's is printed and exits 1; wrong usage exits 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name need not be text that can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with unwind_on_sigterm():
            app()
    except ArchspecError as error:
        text = str(error) if isinstance(error, SpecError) else f"error: {printable(str(error), MAX_ERROR)}"
        print(text, file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe has gone, as in `archspec list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered cannot be written either
        print(f"error: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
