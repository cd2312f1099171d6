"""The shapes of a model's values: numbers, and names for the extents that follow dynamic sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from compiler.graph import Graph
from compiler.onnx_file.accepted import AcceptedSize
from compiler.sizes.extents import GraphExtents
from compiler.sizes.laws import SizeLaw
from compiler.sizes.size_values import SizeValues

NamedShape: TypeAlias = list[int | str]
"""The shape of a value: the batch, "batch", and then channels and spatial extents, as numbers or names."""


def name_shapes(graph: Graph, accepted: Mapping[str, AcceptedSize]) -> dict[str, NamedShape]:
    """Name every node's shape. An extent that is always one of the sizes has its letter; another that follows them is
    named NODE.AXIS after the first node that has it.

    A runtime fuses a residual addition, and shares memory, where names are equal. So they are equal only where extents
    are so at all accepted sizes: one function of them, or of one size and equal at all values that tell functions
    apart; where too many of these must be looked at, each function has a name of its own.
    """
    extents = GraphExtents(graph.sizes, graph)
    found = _describe(extents, {name: rule for name, rule in accepted.items() if rule.dynamic})
    names: dict[object, str] = {}
    named: dict[str, NamedShape] = {}
    for node in graph:
        named[node.id] = ["batch"]
        for axis, number in enumerate(extents.of[node.id]):
            what = found[number]
            named[node.id].append(what if isinstance(what, int | str) else names.setdefault(what, f"{node.id}.{axis}"))
    return named


def _describe(extents: GraphExtents, free: Mapping[str, AcceptedSize]) -> list[int | str | tuple[object, ...]]:
    """Describe each extent: its value where that is always the same, the letter where it is a size, and else what it
    has in common with those that are equal: the size that it follows, with its values; of several sizes its own
    number."""
    values = {name: SizeValues(extents, name) for name in free}
    telling = {name: one.list_telling(free[name]) for name, one in values.items()}
    rows = {name: [row for row in map(values[name].compute, sizes or ()) if row] for name, sizes in telling.items()}

    def describe(number: int) -> int | str | tuple[object, ...]:
        extent = extents.all[number]
        letters = [name for name in free if name in extent.letters]
        if not letters:
            return extent.own
        if isinstance(extent.law, SizeLaw):
            return extent.law.name
        if len(letters) > 1 or not rows[letters[0]]:
            return (number,)
        name = letters[0]
        values = [row[number] for row in rows[name]]
        if len(set(values)) == 1:
            return extent.own
        return name if values == telling[name] else (name, *values)

    return [describe(number) for number in range(len(extents.all))]
