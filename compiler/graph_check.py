"""The graph's invariants. A violation is a mistake of this program, not of a spec."""

from __future__ import annotations

from archspec.ops import Shape
from compiler.graph import Graph


class GraphError(AssertionError):
    """A graph that no part of the program should have made."""


def verify(graph: Graph) -> Graph:
    """Check that operands come first, arities and shapes hold, and every output exists; give the graph back."""
    seen: set[str] = set()
    known: dict[tuple[int, tuple[Shape, ...]], Shape] = {}  # repeated blocks share their operations
    for name, node in graph.nodes.items():
        if name != node.id:
            raise GraphError(f"{name} is kept under another id than its own, {node.id}")
        if not seen.issuperset(node.inputs):
            raise GraphError(f"{name} reads a value that comes later or never")
        arity = node.op.arity
        if len(node.inputs) != arity if arity is not None else not node.inputs:
            raise GraphError(f"{name} has a wrong number of operands")
        key = id(node.op), graph.operands(node)
        if key not in known:
            known[key] = node.op.infer(*key[1]) if node.inputs else node.shape
        if known[key] != node.shape:
            raise GraphError(f"{name} says its shape is {node.shape}, and infers {known[key]}")
        if node.body is not None and len(node.inputs) < 2:
            raise GraphError(f"{name} has a body and nothing to merge it with")
        seen.add(name)
    if not graph.outputs:
        raise GraphError("the graph has no output")
    for name, end in graph.outputs.items():
        if end not in seen:
            raise GraphError(f"the output {name} is computed by no node")
    return graph
