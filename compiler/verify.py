"""The graph's invariants. A violation is a mistake of this program, not of a spec."""

from __future__ import annotations

from compiler.graph import Graph


class GraphError(AssertionError):
    """A graph that no part of the program should have made."""


def verify(graph: Graph) -> Graph:
    """Check that operands come first, arities and shapes hold, and every output exists; give the graph back."""
    seen: set[str] = set()
    for id, node in graph.nodes.items():
        if id != node.id:
            raise GraphError(f"{id} is kept under another id than its own, {node.id}")
        if not all(operand in seen for operand in node.inputs):
            raise GraphError(f"{id} reads a value that comes later or never")
        arity = node.op.arity
        if len(node.inputs) != arity if arity is not None else not node.inputs:
            raise GraphError(f"{id} has a wrong number of operands")
        inferred = node.op.infer(*graph.operands(node)) if node.inputs else node.shape
        if inferred != node.shape:
            raise GraphError(f"{id} says its shape is {node.shape}, and infers {inferred}")
        if node.body is not None and len(node.inputs) < 2:
            raise GraphError(f"{id} has a body and nothing to merge it with")
        seen.add(id)
    if not graph.outputs:
        raise GraphError("the graph has no output")
    for name, id in graph.outputs.items():
        if id not in seen:
            raise GraphError(f"the output {name} is computed by no node")
    return graph
