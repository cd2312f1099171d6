"""Tables of what a model file is, and of what its verification found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from archspec.cli.tables.console import console
from archspec.cli.tables.grid import Grid, words
from compiler.onnx_file.metadata import COMBINE, DATA, EPOCH, GRAPH, MEMBERS, NAME, TASK, WEIGHTS

if TYPE_CHECKING:
    from runtime.verification.model.facts import ModelFacts
    from runtime.verification.report import Verification
    from runtime.verification.source.bisection import Bisection, NodeDifference

MARKS = {"passed": ("ok", "green"), "noted": ("note", "yellow"), "failed": ("FAILED", "bold red")}
MAX_CLASSES = 5
"""The largest number of names of classes that are printed."""
HASH = 12
"""The number of digits of a hash that are printed; --json has all."""


def print_verification(found: Verification) -> None:
    out = console()
    if found.facts:
        out.print(_tabulate(dict(_describe(found.facts))))
        out.print()
    table = Grid(words(), words(style="cyan"), words())
    for check in found.checks:
        word, style = MARKS[check.status]
        table.add_row(Text(word, style=style), check.name, check.text)
    out.print(table)
    if found.bisection and found.bisection.first:
        out.print()
        out.print(_tabulate(dict(_tell_node(found.bisection, found.bisection.first))))
    out.print()
    out.print("verified" if found.passed else "not verified", style="green" if found.passed else "bold red")


def _tabulate(rows: dict[str, str]) -> Grid:
    table = Grid(words(style="cyan"), words())
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _describe(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    told = facts.metadata
    yield "file", facts.path
    if NAME in told:
        yield "name", told[NAME]
    yield "precision", facts.precision
    for hash in (GRAPH, WEIGHTS):
        if hash in told:
            yield f"{hash.word} hash", told[hash][:HASH]
    for name, rule in facts.sizes.items():
        yield f"size {name}", rule
    if facts.classes:
        more = ", …" if len(facts.classes) > MAX_CLASSES else ""
        yield "classes", f"{len(facts.classes)}: {', '.join(facts.classes[:MAX_CLASSES])}{more}"
    for key in (TASK, DATA, EPOCH, COMBINE, MEMBERS):
        if key in told:
            yield key.word, told[key]
    yield "written by", facts.producer


def _tell_node(bisection: Bisection, first: NodeDifference) -> Iterator[tuple[str, str]]:
    yield "first node", f"{first.node.id} ({first.node.op.kind})"
    yield "in the spec", str(first.node.source.place)
    for call in first.node.source.calls:
        yield "", f"in {call.text}, called at {call.place}"
    yield "by itself", first.problem
    if len(first.computes) > 1:
        yield "in one with", ", ".join(id for id in first.computes if id != first.node.id)
    if first.weights:
        yield "it reads", ", ".join(first.weights)
    for reason in first.reasons:
        yield "in the file", reason
    others = len(bisection.differing) - 1
    if others:
        yield "after it", f"{others} other node{'s' if others > 1 else ''} of {bisection.compared} differ by themselves"
