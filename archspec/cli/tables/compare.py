"""Tables of conditions that hold or do not, and of what fits into a budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from archspec.cli.output import tell
from archspec.cli.tables.console import console
from archspec.cli.tables.grid import Grid, words
from archspec.files import as_argument
from archspec.wording import write_count
from compiler.analysis.certainty import show
from compiler.analysis.compare.conditions import Verdict
from compiler.analysis.compare.fit import FitResult
from compiler.analysis.compare.search import TriedNetwork

WORDS = {True: Text("ok", "green"), False: Text("failed", "bold red"), None: Text("open", "bold yellow")}
"""A condition that holds, one that does not, and one that bounds do not decide."""


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    table = Grid(words(), words(), "")
    for verdict in verdicts:
        table.add_row(WORDS[verdict.holds], verdict.condition.text, _found(verdict))
    console().print(table)
    for reason in filter(None, (verdict.undecided for verdict in verdicts)):
        console(stderr=True).print(reason)


def _found(verdict: Verdict) -> str:
    texts = (write_count(n.value) if isinstance(n.value, int) else str(n.value) for n in verdict.numbers)
    return ", ".join(show(text, number.mark) for text, number in zip(texts, verdict.numbers, strict=True))


def print_fit(fit: FitResult, command: str, written: Path | None) -> None:
    """Print the variant that was found: `command` analyses it; `written` is its file, if one was asked for."""
    out = console()
    trials = [*([fit.best] if fit.best else []), *fit.beyond]
    conditions = (verdict.condition.text for verdict in trials[0].verdicts)
    table = Grid(*trials[0].params, *conditions, words())
    for trial in trials:
        table.add_row(*_cells(trial), "fits" if trial.fits else "too large", style="green" if trial.fits else "dim")
    out.print(table)
    if fit.best and fit.proven and not fit.beyond:
        out.print("it is the largest that was asked about", style="yellow")
    out.print(_tell_search(fit), style="dim")
    if not fit.proven:
        out.print(_tell_doubt(fit), style="yellow")
    if fit.best is None:
        out.print("none fits" if fit.proven else "none that was tried fits", style="red")
        return
    if written:
        tell(f"wrote {written}")
    out.print(f"next: {f'archspec analyze {as_argument(written)}' if written else command}")


def _cells(trial: TriedNetwork) -> list[str | Text]:
    values = [Text(str(value)) for value in trial.params.values()]
    return [
        *values,
        *(Text(_found(verdict), style="red" if verdict.holds is False else "") for verdict in trial.verdicts),
    ]


def _tell_search(fit: FitResult) -> str:
    above = "above it" if fit.best else "there is"
    how = "all there are" if fit.complete else f"among them every value {above}" if fit.proven else "found by halving"
    text = f"{fit.tries:,} networks tried, {how}"
    return text + (f"; values without a network: {fit.unfit:,}, such as {fit.example}" if fit.unfit else "")


def _tell_doubt(fit: FitResult) -> str:
    """Tell what was not tried, and why it may be taken not to fit all the same."""
    larger = "larger" if fit.best else "other"
    tried = f"every {larger} value up to {fit.climbed:,} was tried; " if fit.climbed is not None else ""
    growth = ", but the numbers of all that were tried grow" if fit.grows else ": the numbers do not always grow"
    return f"{tried}that none {'beyond' if tried else larger} fits is not proven{growth}"
