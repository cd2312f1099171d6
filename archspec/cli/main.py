"""The program `archspec`: its commands, and how it ends. What a command needs is imported when it runs, so that
`--help` and `check` stay quick."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys

import typer

from archspec.cli.commands import LazyGroup
from archspec.cli.ending import COULD_NOT, print_error
from archspec.cli.output import guard_output
from archspec.errors import ArchspecError
from archspec.last_resort import end_unheard
from archspec.shared_end import claiming, has_ended
from archspec.signals import unwind_on_signals

YOUNG_OBJECTS = 100_000
"""The number of new objects after which Python looks for garbage among them. Imports make some 300,000 objects that all
stay; at Python's own threshold the search among them takes a tenth of a short command's time."""

ENDED = {
    128 + getattr(signal, name): f"ended by {name}" for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}
"""The last words of a command that a signal has ended, by its exit code."""

EPILOG = (
    "SPEC is a file or the name of a spec in the zoo (`archspec list`).\n\n"
    "Exit codes: 0 fine; 1 something was found (mistakes by check, findings by lint, a difference, a condition that "
    "does not hold, a model that is not what it should be); 2 the command could not answer (wrong usage, a file that "
    "cannot be read, a spec that does not compile)."
)

app = typer.Typer(
    name="archspec",
    cls=LazyGroup,
    help="Network architectures as data: check, analyse, train, export and run them.",
    epilog=EPILOG,
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
    """Run a command and exit with its code; a mistake of the user's is printed, and nothing has been found then."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    if has_ended():  # started anew, as one of several, after an error that would come again
        return
    try:
        guard_output()
        with unwind_on_signals(), end_unheard(ENDED):
            try:
                app()
            finally:
                sys.stdout.flush()
    except ArchspecError as error:
        with claiming(error) as is_first:
            if is_first:
                print_error(error)
        sys.exit(COULD_NOT)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered cannot be written either
        print(f"error: {error.strerror}", file=sys.stderr)
        sys.exit(COULD_NOT)
    except (KeyboardInterrupt, SystemExit) as error:
        code = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else error.code
        if code in ENDED:
            print(ENDED[code], file=sys.stderr)
        sys.exit(code)
    finally:
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # all is done: it ends without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.freeze()  # the process ends: to look for garbage once more takes as long as a small analysis
