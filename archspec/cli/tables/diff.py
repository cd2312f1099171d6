"""Tables of what changed between two networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Literal, TypeAlias

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.console import console, new_table, print_unknown
from archspec.cli.tables.grid import Grid, words
from archspec.wording import approximate, write_count, write_shape
from compiler.analysis.certainty import Mark, show
from compiler.analysis.compare.diff import Change, ComparedFigure, Diff
from compiler.analysis.compare.structure import Rewiring
from compiler.analysis.outline import Branch
from compiler.analysis.unknown import find_unknown

WORDS = {
    "parameters.trainable": "parameters",
    "parameters.frozen": "parameters, frozen",
    "parameters.buffers": "buffers",
    "macs.total": "MACs",
    "activations.elements": "activations",
    "nodes.count": "nodes",
    "paths.op.total": "paths",
    "receptive_field.size": "receptive field",
    "memory.inference_peak_bytes": "bytes at inference",
    "memory.training_saved_bytes": "bytes saved in training",
}
"""The numbers of a difference, for people."""

MARKS = {"same": "=", "resized": "≈", "changed": "~", "removed": "-", "added": "+"}
STYLES = {"same": "dim", "resized": "dim", "changed": "yellow", "removed": "red", "added": "green"}

NOT_COMPARED = "values of the weights are not compared"

MAX_LAYERS = 12
"""The largest number of lines of a scope on one side alone that are listed."""
MAX_NOTES = 10
"""The largest number of notes of one kind that are printed."""

DiffLine: TypeAlias = tuple[Text, Sequence[Change]]
"""A line that is printed, and the changes that it stands for."""


def print_diff(diff: Diff) -> None:
    out = console()
    if diff.equal:
        alike = f"both have the same {len(diff.a.nodes):,} nodes, joined in the same way"
        out.print(f"no difference: {alike}; {NOT_COMPARED}")
    else:
        _print_figures(diff, out)
        if any(change.kind != "same" for change in diff.changes):
            _print_changes(diff, out)
        _print_notes(diff, out)
        if diff.same_structure:
            out.print(f"\nthe same network: other names; {NOT_COMPARED}")
    for graph in (diff.a,) if diff.same_structure else (diff.a, diff.b):
        print_unknown(find_unknown(graph), out)


def _print_figures(diff: Diff, out: Console) -> None:
    table = new_table("", f"A: {diff.a.name}", f"B: {diff.b.name}", "B - A", "B / A")
    for figure in diff.figures:
        if figure.a != figure.b:
            difference = "" if figure.difference is None else _signed(figure.difference)
            a, b = map(_numbers, (figure.a, figure.b), figure.marks)
            table.add_row(_name_figure(figure), a, b, difference, _ratio(figure))
    if table.rows:
        out.print(table)
    equal = [_name_figure(figure) for figure in diff.figures if figure.a == figure.b != (0,)]
    if equal:
        out.print(f"equal: {', '.join(equal)}", style="dim")


def _name_figure(figure: ComparedFigure) -> str:
    """Name a figure in words; of one receptive field among several, which: `receptive field output.image`."""
    of = figure.key.removeprefix("receptive_field.by_output.").removesuffix(".size")
    return WORDS.get(figure.key) or f"receptive field {of}"


def _numbers(numbers: Sequence[int] | None, mark: Mark | None) -> str:
    if numbers is None:
        return "none"
    return show(write_count(numbers[0]) if len(numbers) == 1 else write_shape(numbers), mark)


def _signed(number: int) -> str:
    return f"{'+' if number >= 0 else ''}{write_count(number)}"


def _ratio(figure: ComparedFigure) -> str:
    """Divide in fractions: the numbers may be beyond a float."""
    ratio = figure.ratio
    if ratio is None:
        return ""
    if ratio >= 1000:
        return f"{approximate(round(ratio))}×"
    if 0 < ratio < Fraction(1, 1000):
        return f"1/{approximate(round(1 / ratio))}"
    short = f"{float(ratio):.3g}"
    return f"{short}×" if short != "1" else f"{float(ratio):.6g}×"


def _print_changes(diff: Diff, out: Console) -> None:
    lines = list(_lines(diff.changes, 0))
    table = Grid(words("layers"), "parameters", "MACs")
    for (text, _), *cells in zip(lines, _sums(lines, "parameters"), _sums(lines, "macs"), strict=True):
        table.add_row(text, *cells, style=str(text.style))
    out.print()
    out.print(table)
    out.print("~ changed   ≈ the same on another input   - only in A   + only in B   = equal", style="dim")
    out.print("×N: N equal neighbours; the figures below them are for one", style="dim")


def _sums(lines: Iterable[DiffLine], what: Literal["parameters", "macs"]) -> list[str]:
    """Sum up by how much what stands on each line differs; nothing where it does not."""
    totals = (sum(b - a for a, b in (change.count(what) for change in changes)) for _, changes in lines)
    return [_signed(total) if total else "" for total in totals]


def _lines(changes: Sequence[Change], depth: int) -> Iterator[DiffLine]:
    """A line for each change, and one for neighbours of which there is little to say."""
    for _, group in groupby(changes, key=_family):
        run = list(group)
        if run[0].kind in {"same", "resized"} or len(run) > 2:
            yield _line(run[0].kind, depth, _range(run), ""), run
            continue
        for change in run:
            yield from _expand(change, depth)


def _family(change: Change) -> object:
    """Find what neighbours have in common that stand on one line."""
    if change.kind in {"same", "resized"}:
        return change.kind
    branch = change.b or change.a
    alone = branch is not None and branch.children and change.kind != "changed"
    return (change.kind, branch.name.rstrip("0123456789")) if branch and alone else id(change)


def _range(run: Sequence[Change]) -> str:
    names = [_title(change) for change in run]
    many = f", {len(run)} of them" if len(run) > 2 and run[0].kind in {"removed", "added"} else ""
    return (f"{names[0]} … {names[-1]}" if len(names) > 3 else ", ".join(names)) + many


def _expand(change: Change, depth: int) -> Iterator[DiffLine]:
    title, inner = _descend(change)
    yield _line(change.kind, depth, title, _describe(inner)), [change]
    if change.kind in {"removed", "added"}:
        branch = change.a or change.b
        if branch and branch.children and _count_lines(branch) <= MAX_LAYERS:
            yield from _list_layers(branch, change.kind, depth + 1)
    elif any(child.kind != "same" for child in inner.children):
        yield from _lines(inner.children, depth + 1)


def _descend(change: Change) -> tuple[str, Change]:
    """A scope in which one child alone differs stands on one line with it."""
    title = _title(change)
    differing = [child for child in change.children if child.kind != "same"]
    while len(differing) == 1 and differing[0].kind == "changed" and differing[0].children and _stands_once(change):
        change = differing[0]
        title += f" / {_title(change)}"
        differing = [child for child in change.children if child.kind != "same"]
    return title, change


def _stands_once(change: Change) -> bool:
    return all(branch is None or branch.times == 1 for branch in (change.a, change.b))


def _title(change: Change) -> str:
    return " → ".join(dict.fromkeys(branch.name for branch in (change.a, change.b) if branch))


def _describe(change: Change) -> str:
    """Describe what is to say of one line beside its name: fields or layer, and how often it stands there."""
    branch = change.b or change.a
    words = [f"{name} {_value(a)} → {_value(b)}" for name, (a, b) in change.fields.items()]
    if branch and change.kind != "changed":
        words = ["" if branch.name.startswith(branch.word) else branch.word]
        words += [branch.layer.words] if branch.layer else []
        hidden = branch.children and _count_lines(branch) > MAX_LAYERS
        words += [f"{branch.layers:,} layers"] if hidden else []
    times = [side.times for side in (change.a, change.b) if side]
    if len(set(times)) > 1:
        words.append(f"×{times[1]} instead of ×{times[0]}")
    elif times[0] > 1:
        words.append(f"×{times[0]}")
    return ", ".join(word for word in words if word)


def _value(value: object) -> str:
    """A field's value in words: `3×H×W`, `weight float32, bias float32`."""
    if isinstance(value, tuple) and any(isinstance(item, tuple) for item in value):
        return ", ".join(" ".join(map(str, item)) for item in value)
    if isinstance(value, tuple) and value:
        return write_shape(value)
    return "none" if value in (None, ()) else str(value).lower() if isinstance(value, bool) else str(value)


def _count_lines(branch: Branch) -> int:
    return 1 + sum(map(_count_lines, branch.children))


def _list_layers(branch: Branch, kind: str, depth: int) -> Iterator[DiffLine]:
    for child in branch.children:
        change = Change("removed", child, None, {}) if kind == "removed" else Change("added", None, child, {})
        yield _line(kind, depth, child.name, _describe(change)), [change]
        yield from _list_layers(child, kind, depth + 1)


def _line(kind: str, depth: int, title: str, rest: str) -> Text:
    text = Text(f"{MARKS[kind]} {'  ' * depth}{title}", style=STYLES[kind])
    return text.append(f"  {rest}" if rest else "")


def _print_notes(diff: Diff, out: Console) -> None:
    """Print what the outline does not show: edges, outputs and names."""
    if diff.rewired:
        out.print("\nthe same nodes with other operands", style="bold")
        _print_some([f"~ {_tell_reads(item)}" for item in diff.rewired], out)
    if diff.outputs:
        out.print("\noutputs", style="bold")
        _print_some([f"~ {name}: {a or 'none'} → {b or 'none'}" for name, (a, b) in diff.outputs.items()], out)
    if diff.output_names:
        out.print("\noutputs with another name in B", style="bold")
        _print_some([f"= {a} → {b}" for a, b in diff.output_names.items()], out)
    if diff.renamed:
        a, b = next(iter(diff.renamed.items()))
        nodes = "node has" if len(diff.renamed) == 1 else "nodes have"
        out.print(f"\n{len(diff.renamed):,} {nodes} another name in B, and so have the weights:")
        out.print(f"{a} → {b}" + (", …" if len(diff.renamed) > 1 else ""), style="dim")


def _tell_reads(item: Rewiring) -> str:
    name = item.a if item.a == item.b else f"{item.a} → {item.b}"
    return f"{name} reads {', '.join(item.reads_b)} instead of {', '.join(item.reads_a)}"


def _print_some(notes: Sequence[str], out: Console) -> None:
    for note in notes[:MAX_NOTES]:
        out.print(note, style="yellow")
    if len(notes) > MAX_NOTES:
        out.print(f"… and {len(notes) - MAX_NOTES:,} more; --json has all", style="dim")
