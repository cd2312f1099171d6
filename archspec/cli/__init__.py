"""The command line. A command parses, calls the API, and prints; what it needs is imported when it runs, so that
`--help` and `check` stay quick."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys

import typer

from archspec.cli.commands import LazyGroup
from archspec.errors import ArchspecError, SpecError, printable
from archspec.files import unwind_on_sigterm

MAX_ERROR = 2000
"""Characters of a message. File names and names from files stand in it."""

YOUNG_OBJECTS = 50_000
"""New objects after which Python looks for garbage among them. Imports make some 300,000 objects that all stay; at
Python's own threshold the search among them takes a tenth of a short command's time."""

app = typer.Typer(
    name="archspec",
    cls=LazyGroup,
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


def main() -> None:
    """Run a command. A mistake of the user's is printed and exits 1; wrong usage exits 2."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
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
    finally:
        gc.freeze()  # the process ends: to look for garbage once more takes as long as a small analysis
