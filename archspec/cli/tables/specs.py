"""The zoo, and the layers of one spec as a tree."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.console import console, new_table, print_unknown
from archspec.cli.tables.grid import Grid, words
from archspec.wording import shorten_count, write_shape
from compiler.analysis.certainty import show
from compiler.analysis.cost.cost import CONVENTIONS
from compiler.analysis.outline import Branch
from compiler.analysis.unknown import find_unknown, mark_unknown
from compiler.graph import Graph


@contextmanager
def follow_zoo() -> Iterator[Callable[[str, int, int], None]]:
    """Say on stderr, where that is a terminal, which spec of the zoo is being counted."""
    if not sys.stderr.isatty():
        yield lambda name, number, count: None
        return
    with Console(stderr=True).status("counting") as status:
        yield lambda name, number, count: status.update(f"counting {name}, {number} of {count}")


def print_zoo(rows: Iterable[Mapping[str, Any]], *, descriptions: bool = False) -> None:
    table = new_table(
        "spec", words("family"), "input", "parameters", "MACs", words("description" if descriptions else "source")
    )
    for row in rows:
        inputs = ", ".join(write_shape(shape) for shape in row["inputs"].values())
        counts = shorten_count(row["parameters"]), shorten_count(row["macs"])
        last = row["description" if descriptions else "source"]
        table.add_row(row["name"], row["family"], inputs, *counts, last)
    out = console()
    out.print(table)
    out.print(f"MACs: {CONVENTIONS['conv-linear']}", style="dim")


def print_tree(graph: Graph, tree: Branch, depth: int | None = None) -> None:
    """Print the layers; of scopes that are farther in than `depth` levels, only what is around them."""
    table = Grid(words(tree.name), "output", "parameters", "MACs")
    least = mark_unknown(graph).get("macs")
    for level, branch in _walk(tree, depth):
        named = branch.name if branch.name.startswith(branch.word) else f"{branch.name}  {branch.word}"
        label = Text("  " * level + named, style="bold" if branch.children else "")
        label.append(f"  {branch.layer.words if branch.layer else ''}", style="dim")
        if branch.shared:
            label.append(f"  weights of {branch.shared}", style="dim")
        if branch.times > 1:
            label.append(f"  ×{branch.times}", style="magenta")
        mark = least if branch.unknown else None
        counts = [show(f"{count:,}", mark) if count or mark else "" for count in (branch.parameters, branch.macs)]
        table.add_row(label, write_shape(branch.shape), *counts, style="bold" if branch.children else "")
    table.add_row("total", "", show(f"{tree.parameters:,}", least), show(f"{tree.macs:,}", least), style="bold")
    out = console()
    out.print(table)
    sizes = ", ".join(f"{name} = {value}" for name, value in graph.sizes.items())
    out.print(
        f"for one sample{' at ' + sizes if sizes else ''}; ×N: N equal neighbours, the figures are for one", style="dim"
    )
    print_unknown(find_unknown(graph), out)


def _walk(tree: Branch, depth: int | None, level: int = 0) -> Iterable[tuple[int, Branch]]:
    for child in tree.children if level != depth else ():
        yield level, child
        yield from _walk(child, depth, level + 1)
