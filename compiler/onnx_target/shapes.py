"""The shapes of a model's values: numbers, and names for the extents that follow dynamic sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from archspec.ops.resize import Centred
from compiler.graph import Graph, Node
from compiler.sizes import Accepted, find_apart, sample_shapes

NamedShape: TypeAlias = list[int | str]
"""The batch, "batch", and then channels and spatial extents."""


def name_shapes(graph: Graph, accepted: Mapping[str, Accepted]) -> dict[str, NamedShape]:
    """Every node's shape. An extent that is always one of the sizes has its letter; another that follows them is named
    NODE.AXIS after the first node that has it.

    A runtime fuses a residual addition, and shares memory, where names are equal. So they are equal only where extents
    are so at all accepted sizes; where too many of these must be looked at, each extent has a name of its own.
    """
    samples, shapes, exact = sample_shapes(graph, accepted)
    letters = [name for name, rule in accepted.items() if rule.dynamic]
    apart = find_apart(graph, shapes[: 1 + len(letters)])
    names: dict[object, str] = {
        tuple(sizes.get(name, accepted[name].value) for sizes in samples): name for name in letters
    }
    named: dict[str, NamedShape] = {}
    for node in graph:
        named[node.id] = ["batch"]
        for axis, extents in enumerate(zip(*(found[node.id] for found in shapes), strict=True)):
            own = f"{node.id}.{axis}"
            if axis in apart[node.id]:
                same = _find_same(graph, node, axis)
                name = named[same][1 + axis] if same else names.setdefault(_describe(node, axis), own)
                named[node.id].append(name)
                continue
            name = names.setdefault(extents, own) if exact else names.get(extents, own)
            named[node.id].append(name if len(set(extents)) > 1 else extents[0])
    return named


def _find_same(graph: Graph, node: Node, axis: int) -> str | None:
    """An operand that has the same extent as the node at every size, by what the operation is."""
    if isinstance(node.op, Centred) or not axis or node.op.pace(axis - 1) != 1:
        return None
    return next((id for id in node.inputs if graph[id].shape[axis] == node.shape[axis]), None)


def _describe(node: Node, axis: int) -> object:
    """What paddings, or crops, of the same values to a common size have in common."""
    return (node.op.kind, frozenset(node.inputs), axis) if isinstance(node.op, Centred) else (node.id, axis)
