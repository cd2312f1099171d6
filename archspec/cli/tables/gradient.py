"""The gradient by path length, predicted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from archspec.cli.tables.grid import Grid
from archspec.wording import write_count
from compiler.analysis.paths.gradient import CARRIED, Effective, PathGradient

if TYPE_CHECKING:
    from runtime.experiments.graded import MeasuredPathGradient

MIN_SHARE = 5e-4
"""The smallest share of the energy with which a length has a row of its own."""


def print_gradient(predicted: PathGradient, measured: MeasuredPathGradient | None, out: Console) -> None:
    names = ["length", "paths", "predicted energy"]
    names += ["measured energy", "‖G⁽ᵏ⁾‖", "signed share"] if measured else []
    names += ["sampled"] if measured and measured.sampled else []
    table = Grid(*names)
    rows = _choose_rows(predicted, measured)
    for length in rows:
        table.add_row(*_describe(length, predicted, measured))
    out.print("\ngradient by path length at initialization", style="bold")
    out.print(table)
    hidden = _count_lengths(predicted, measured) - len(rows)
    if hidden:
        noun = "length carries" if hidden == 1 else "lengths carry"
        out.print(f"{hidden} more {noun} less than {MIN_SHARE:.2%} of the energy each", style="dim")
    out.print(f"predicted (an estimate): {_summarize(predicted.mean, predicted.effective)}")
    if measured:
        sample = f"one network, seed {measured.seed}, batch {measured.batch}"
        out.print(f"measured ({sample}): {_summarize(measured.mean, measured.effective)}")
    if predicted.unknown:
        out.print(f"no law is known for the gradient through {len(predicted.unknown)} nodes; it is taken as unchanged")


def _count_lengths(predicted: PathGradient, measured: MeasuredPathGradient | None) -> int:
    return max(len(predicted.shares), len(measured.norms) if measured else 0)


def _choose_rows(predicted: PathGradient, measured: MeasuredPathGradient | None) -> list[int]:
    """The lengths that carry anything to speak of."""
    energies = [predicted.shares, measured.energies if measured else ()]
    lengths = range(_count_lengths(predicted, measured))
    return [k for k in lengths if any(k < len(column) and column[k] >= MIN_SHARE for column in energies)]


def _describe(length: int, predicted: PathGradient, measured: MeasuredPathGradient | None) -> list[str]:
    share = predicted.shares[length] if length < len(predicted.shares) else 0.0
    row = [str(length), "" if predicted.paths is None else write_count(predicted.paths.get(length, 0)), f"{share:.2%}"]
    if measured and length < len(measured.norms):
        row += [f"{measured.energies[length]:.2%}", f"{measured.norms[length]:.4g}", f"{measured.shares[length]:+.2%}"]
        row += [f"{measured.sampled[length]:.4g}"] if measured.sampled else []
    return row


def _summarize(mean: float, effective: Effective) -> str:
    several = effective.first < effective.last
    verb = "are" if several else "is"
    run = f"lengths {effective.first} to {effective.last} carry" if several else f"length {effective.first} carries"
    paths = "" if effective.paths is None else f", and {verb} {_percent(effective.paths)} of the paths"
    return f"mean length {mean:.2f}; {run} {CARRIED:.0%} of the energy{paths}"


def _percent(share: float) -> str:
    return f"{share:.2%}" if share >= 1e-4 else f"{100 * share:.2g} %"
