"""The shapes of a model's values: numbers, and names for the extents that follow dynamic sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from compiler.graph import Graph
from compiler.sizes import Accepted, sample_shapes

NamedShape: TypeAlias = list[int | str]
"""The batch, "batch", and then channels and spatial extents."""


def name_shapes(graph: Graph, accepted: Mapping[str, Accepted]) -> dict[str, NamedShape]:
    """Every node's shape. An extent that is always one of the sizes has its letter; another that follows them is named
    NODE.AXIS after the first node that has it.

    A runtime fuses a residual addition, and shares memory, where names are equal. So they are equal only where extents
    are so at all accepted sizes; where too many of these must be looked at, each extent has a name of its own.
    """
    samples, shapes, exact = sample_shapes(graph, accepted)
    names: dict[object, str] = {}
    for name, rule in accepted.items():
        if rule.dynamic:
            names[tuple(sizes.get(name, rule.value) for sizes in samples)] = name
    named: dict[str, NamedShape] = {}
    for node in graph:
        named[node.id] = ["batch"]
        for axis, extents in enumerate(zip(*(found[node.id] for found in shapes), strict=True)):
            own = f"{node.id}.{axis}"
            name = names.setdefault(extents, own) if exact else names.get(extents, own)
            named[node.id].append(name if len(set(extents)) > 1 else extents[0])
    return named
