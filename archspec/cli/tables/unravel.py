"""A network's equations, unravelled."""

from __future__ import annotations

from archspec.cli.tables.console import console, exactly
from archspec.cli.tables.grid import Grid, words
from compiler.analysis.paths.unravel import Unravelling

MOST_LINES = 12
"""Definitions up to which all are printed; of more, the first and the last."""


def print_unravelling(result: Unravelling) -> None:
    out = console()
    out.print(result.name, style="bold")
    definitions = [f"{name} = {text}" for name, text in result.definitions.items()]
    if len(definitions) > MOST_LINES:
        left_out = len(definitions) - MOST_LINES
        definitions[MOST_LINES - 3 : -3] = [f"… {left_out} more; --json has all"]
    out.print("\n".join(definitions))
    for expression in result.expressions:
        out.print(f"\n{expression.value} = {expression.text}")
        paths = f"{exactly(expression.paths)} {_noun('path', expression.paths)} to {expression.output}"
        if expression.operation_paths != expression.paths:
            count = exactly(expression.operation_paths)
            paths += f", what branches within a function taken as one; {count} through operations, as analyze counts"
        out.print(f"{paths}; the last joint has {exactly(expression.terms)} {_noun('term', expression.terms)}")
    for derivative in result.derivatives:
        out.print(f"\n∂{derivative.value}/∂{derivative.function} = {derivative.text}")
        out.print(f"{exactly(derivative.terms)} {_noun('term', derivative.terms)}")
    _print_functions(result)


def _print_functions(result: Unravelling) -> None:
    table = Grid(words("function"), words("its last operation", "cyan"))
    rows = [(name, call.id) for name, call in result.functions.items()]
    if len(rows) > MOST_LINES:
        rows[MOST_LINES - 3 : -3] = [("…", f"{len(rows) - MOST_LINES} more; --json has all")]
    for row in rows:
        table.add_row(*row)
    out = console()
    out.print()
    out.print(table)


def _noun(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
