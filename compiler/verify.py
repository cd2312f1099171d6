"""The graph's invariants. A violation is a mistake of this program, not of a spec."""

from __future__ import annotations

from compiler.graph import Graph


class GraphError(AssertionError):
    """A graph that no part of the program should have made."""


def verify(graph: Graph) -> Graph:
    """Check that operands come first, arities and shapes hold, and every output exists; give the graph back."""
    seen: set[str] = set()
    for id, node in graph.nodes.items():
        _require(id == node.id, f"{id} is kept under another id than its own, {node.id}")
        _require(all(operand in seen for operand in node.inputs), f"{id} reads a value that comes later or never")
        arity = node.op.arity
        _require(
            len(node.inputs) == arity if arity is not None else bool(node.inputs),
            f"{id} has a wrong number of operands",
        )
        if arity != 0:
            inferred = node.op.infer(*graph.operands(node))
            _require(inferred == node.shape, f"{id} says its shape is {node.shape}, and infers {inferred}")
        _require(node.body is None or len(node.inputs) > 1, f"{id} has a body and nothing to merge it with")
        seen.add(id)
    _require(bool(graph.outputs), "the graph has no output")
    for name, id in graph.outputs.items():
        _require(id in seen, f"the output {name} is computed by no node")
    return graph


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise GraphError(message)
