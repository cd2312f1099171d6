"""Shared weights and passes: a pass sees each node with weights of its own, and afterwards those that are equal are one
again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from compiler.graph import Graph, Node
from compiler.passes.weight_arrays import WeightArray, WeightArrays, see_numbers

Homes: TypeAlias = Mapping[str, str]
"""The homes of shared weights, by the ids of the nodes that share them."""


def list_homes(graph: Graph) -> dict[str, str]:
    """List where the nodes that share weights have them."""
    return {node.id: node.shared for node in graph if node.shared is not None}


def give_own(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
    """Give each node weights of its own, under its id, which are the same arrays as those that it shared."""
    nodes = {node.id: replace(node, shared=None) for node in graph}
    arrays = {
        f"{node.id}.{name.removeprefix(f'{node.home}.')}": weights[name]
        for node in graph
        for name in graph.weights_of(node)
    }
    return replace(graph, nodes=nodes), arrays


def share_again(graph: Graph, weights: WeightArrays, homes: Homes) -> tuple[Graph, WeightArrays]:
    """Let the nodes share that did so before, as far as their weights are still equal to the bit. The first of them and
    those that equal it have the old name; the others keep weights of their own."""
    firsts: dict[str, Node] = {}
    nodes: dict[str, Node] = {}
    arrays: dict[str, WeightArray] = {}
    for node in graph:
        home = _find_home(node.id, homes)
        names = [name.removeprefix(f"{node.id}.") for name in graph.weights_of(node)]
        if home is not None and names:
            first = firsts.setdefault(home, node)
            if _are_equal(_take(weights, first, names), _take(weights, node, names)):
                node = replace(node, shared=home)
        nodes[node.id] = node
        arrays |= {f"{node.home}.{name}": weights[f"{node.id}.{name}"] for name in names}
    return replace(graph, nodes=nodes), arrays


def find_apart(graph: Graph, homes: Homes) -> list[str]:
    """Find the nodes that shared weights, and have some of their own now."""
    return [node.id for node in graph if node.id in homes and node.shared is None and graph.weights_of(node)]


def _find_home(id: str, homes: Homes) -> str | None:
    """Find where a node had its weights; what a pass puts beside it, with a name below its own, stays beside it."""
    if id in homes:
        return homes[id]
    above, _, name = id.rpartition(".")
    return f"{homes[above]}.{name}" if above in homes else None


def _take(weights: WeightArrays, node: Node, names: list[str]) -> list[WeightArray | None]:
    return [weights.get(f"{node.id}.{name}") for name in names]


def _are_equal(some: list[WeightArray | None], others: list[WeightArray | None]) -> bool:
    return all(one is other or _are_same(one, other) for one, other in zip(some, others, strict=True))


def _are_same(one: WeightArray | None, other: WeightArray | None) -> bool:
    """Tell whether two arrays have the same numbers to the bit."""
    if one is None or other is None or (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    first, second = (np.ascontiguousarray(see_numbers(array)) for array in (one, other))
    return bool((first.view(np.uint8) == second.view(np.uint8)).all()) if first.ndim else bool(first == second)
