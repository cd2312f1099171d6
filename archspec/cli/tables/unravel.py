"""A network's equations, unravelled."""

from __future__ import annotations

from archspec.cli.tables.console import console
from archspec.cli.tables.grid import Grid, words
from archspec.wording import tell_count, write_count
from compiler.analysis.paths.unravel import Unravelling

MAX_LINES = 12
"""The largest number of definitions that are all printed; of more, the first and the last are."""


def print_unravelling(result: Unravelling) -> None:
    out = console()
    out.print(result.name, style="bold")
    definitions = [f"{name} = {text}" for name, text in result.definitions.items()]
    if len(definitions) > MAX_LINES:
        left_out = len(definitions) - MAX_LINES
        definitions[MAX_LINES - 3 : -3] = [f"… {left_out} more; --json has all"]
    out.print("\n".join(definitions))
    for expression in result.expressions:
        out.print(f"\n{expression.value} = {expression.text}")
        paths = f"{tell_count(expression.paths, 'path')} to {expression.output}"
        if expression.operation_paths != expression.paths:
            count = write_count(expression.operation_paths)
            paths += f", what branches within a function taken as one; {count} through operations, as analyze counts"
        out.print(f"{paths}; the last joint has {tell_count(expression.terms, 'term')}")
    for derivative in result.derivatives:
        out.print(f"\n∂{derivative.value}/∂{derivative.function} = {derivative.text}")
        out.print(tell_count(derivative.terms, "term"))
    _print_functions(result)


def _print_functions(result: Unravelling) -> None:
    table = Grid(words("function"), words("its last operation", "cyan"))
    rows = [(name, call.id) for name, call in result.functions.items()]
    if len(rows) > MAX_LINES:
        rows[MAX_LINES - 3 : -3] = [("…", f"{len(rows) - MAX_LINES} more; --json has all")]
    for row in rows:
        table.add_row(*row)
    out = console()
    out.print()
    out.print(table)
