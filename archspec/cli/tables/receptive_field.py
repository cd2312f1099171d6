"""Receptive fields: what each output sees of each input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from rich.console import Console

from archspec.cli.tables.console import new_table
from archspec.cli.tables.grid import words
from compiler.analysis.certainty import explain, show
from compiler.analysis.field.fields import OutputField
from compiler.analysis.field.receptive_field import ReceptiveField

MAX_ROWS = 8
"""The largest number of rows of a list that are printed."""


def print_receptive_field(found: ReceptiveField, out: Console) -> None:
    out.print("\nreceptive field", style="bold")
    for name, fields in found.outputs.items():
        for field in fields:
            _print_field(name, field, out)
        if not fields:
            out.print(f"{name}: its values have no spatial axes")
    _print_list("sees a whole map", found.everywhere, out)
    _print_list("field given up: it repeats too late, or reaches too far", found.unmeasured, out)
    if found.misaligned:
        table = new_table("misaligned merge", "operands' offsets", "strides")
        for merge in found.misaligned[:MAX_ROWS]:
            table.add_row(merge.node, *(", ".join(map(_across, rows)) for rows in (merge.offsets, merge.strides)))
        out.print(table)
        _print_rest(len(found.misaligned), out)


def _print_field(name: str, output: OutputField, out: Console) -> None:
    field = output.field
    table = new_table("", f"{name} sees of {field.input}", words(style="dim"))
    for key, name, value, meaning in _list_rows(output):
        table.add_row(name, show(value, output.marks.get(key)), meaning)
    out.print(table)
    for footnote in explain(output.marks):
        out.print(footnote, style="dim")
    out.print(f"at {field.node}", style="dim")


def _list_rows(output: OutputField) -> Iterator[tuple[str, str, str, str]]:
    """The key in JSON, the name, the value and what it means."""
    field = output.field
    yield "size", "size", _across(field.size), "as if the input had no ends"
    if field.local != field.size:
        yield "local", "local size", _across(field.local), "without what is seen through a whole map"
    yield "stride", "stride", _across(field.stride), "how far apart neighbours look"
    yield "centre", "centre", _across(field.centre), "where position 0 looks"
    narrowest = _across("?" if size is None else size for size in output.narrowest)
    yield "narrowest", "narrowest path", narrowest, "of all ways"
    clipped = None if output.clipped is None else [f"{first}–{last}" for first, last in output.clipped]
    seen = "?" if clipped is None else _across(clipped) or "nothing"
    yield "clipped", "middle position", seen, "sees this, cut at the ends of the maps"
    if output.has_gaps:
        yield "seen", "", f"{output.seen:,}", "positions of these: between the others lie gaps"


def _across(values: Iterable[Fraction | int | str]) -> str:
    """The entries of all axes: `427 × 427`. Some are ranges or fractions, which no shape has."""
    return " × ".join(map(str, values))


def _print_list(title: str, names: tuple[str, ...], out: Console) -> None:
    if names:
        table = new_table(title)
        for name in names[:MAX_ROWS]:
            table.add_row(name)
        out.print(table)
        _print_rest(len(names), out)


def _print_rest(count: int, out: Console) -> None:
    if count > MAX_ROWS:
        out.print(f"and {count - MAX_ROWS} more; --json has all", style="dim")
