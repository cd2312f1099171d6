"""A graph as lines, `id = operation(operands) shape`, for tests of what the language means."""

from __future__ import annotations

from typing import Any

from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, graph_of


def listing(graph: Graph) -> list[str]:
    """Every node but the inputs."""
    return [f"{node.id} = {node.op.kind}({', '.join(node.inputs)}) {node.shape}" for node in graph if node.inputs]


def listed(network: str, head: str = HEAD, **options: Any) -> list[str]:
    return listing(graph_of(f"{head}network: {network}\n", **options))


def ids(network: str, head: str = HEAD) -> list[str]:
    return [row.partition(" = ")[0] for row in listed(network, head)]
