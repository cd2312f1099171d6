"""A pass that leaves out parts of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from archspec.ops import Concat, PadChannels
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.drop_unused import find_used
from compiler.passes.weight_arrays import WeightArrays

Stays: TypeAlias = Literal["identity", "shortcut", "zeros", "input"]
"""The value that is there instead: a residual's input, or what its shortcut makes of it; for a dense body's channels,
zeros; for a layer its input."""


@dataclass(frozen=True, slots=True)
class RemovablePart:
    """A part that can be left out of a network: the value `result` is then that of the node `source`."""

    name: str
    result: str
    source: str
    stays: Stays


@dataclass(frozen=True)
class RemoveBodies(Pass):
    """shortcut(x) + body(x) becomes shortcut(x), concat(x, body(x)) becomes concat(x, 0), layer(x) becomes x.

    Unlike the other passes it changes what is computed: as if each body gave zeros (Veit et al., 2016). What only the
    removed parts needed goes with them; the weights that remain keep their names. `parts` are of `find_bodies` or
    `find_layers`, of the same graph.
    """

    parts: tuple[RemovablePart, ...]

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        padded = {part.result: _pad(graph[part.result], part) for part in self.parts if part.stays == "zeros"}
        renamed = {part.result: part.source for part in self.parts if part.result not in padded}
        nodes = (padded.get(node.id, node) for node in graph if node.id not in renamed)
        shorter = _drop_idle(graph, graph.with_nodes(nodes, renamed))
        return shorter, {name: weights[name] for name in shorter.weights}


def find_bodies(graph: Graph) -> dict[str, RemovablePart]:
    """Find the residual and dense bodies of a graph by name, in order; a body inside another one is a part of its
    own."""
    parts = {}
    for node in graph:
        if node.body is not None:
            inside = node.inputs[0].startswith(f"{node.body}.")
            stays: Stays = "zeros" if isinstance(node.op, Concat) else "shortcut" if inside else "identity"
            parts[node.body] = RemovablePart(node.body, node.id, node.inputs[0], stays)
    return parts


def find_layers(graph: Graph) -> dict[str, RemovablePart]:
    """Find the layers with a kernel that keep the shape of their input, each with the normalization, activation and so
    on that follow it alone, as far as the shape stays; by the name of the layer with the kernel."""
    parts = {}
    for node in graph:
        if node.op.has_kernel:
            shape = graph[node.inputs[0]].shape
            fitting = [follower.id for follower in _follow(graph, node) if follower.shape == shape]
            if fitting:
                parts[node.id] = RemovablePart(node.id, fitting[-1], node.inputs[0], "input")
    return parts


def find_parts(graph: Graph) -> dict[str, RemovablePart]:
    """Find the bodies; of a network without any, the layers."""
    return find_bodies(graph) or find_layers(graph)


def _follow(graph: Graph, node: Node) -> Iterator[Node]:
    """A layer and what follows it in a chain, up to the next one with a kernel."""
    yield node
    while len(graph.readers[node.id]) == 1 and node.id not in graph.outputs.values():
        node = graph[graph.readers[node.id][0]]
        if len(node.inputs) > 1 or node.op.has_kernel:
            return
        yield node


def _pad(merge: Node, part: RemovablePart) -> Node:
    """Put zeros in place of a dense body's channels, so that all that follow keep their places."""
    return replace(merge, op=PadChannels(out=merge.shape.channels), inputs=(part.source,), body=None)


def _drop_idle(before: Graph, after: Graph) -> Graph:
    """Drop the nodes that led to an output before, and lead to none now."""
    idle = find_used(before) - find_used(after)
    return after.with_nodes(node for node in after if node.id not in idle)
