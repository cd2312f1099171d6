"""Residual and dense blocks, found by the structure of the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.ops import Conv
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from tests.support.foreign_models import (
    Node,
    floats,
    node,
    read_nodes,
)

MAP = (1, 4, 9, 12)


def chain(steps: str) -> list[Node]:
    """`Conv x w -> a; Relu a -> y`: nodes that keep extents, but for a pooling by two."""
    fixed: dict[str, dict[str, Any]] = {
        "Conv": {"pads": [1] * 4},
        "Concat": {"axis": 1},
        "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]},
    }
    nodes = []
    for step in steps.split("; "):
        written, _, result = step.partition(" -> ")
        kind, _, operands = written.partition(" ")
        nodes.append(node(kind, operands, result, **fixed.get(kind, {})))
    return nodes


SQUARE = {"w": floats(4, 4, 3, 3), "p": floats(4, 4, 3, 3)}


@pytest.mark.parametrize(
    ("steps", "marked"),
    [
        ("Conv x w -> a; Relu a -> b; Add b x -> y", True),  # the body comes last
        ("Conv x w -> a; Relu a -> b; Conv b w -> c; Conv x p -> s; Add c s -> y", True),
        ("Conv x w -> a; Relu a -> b; Conv b w -> c; Relu x -> r; Conv r p -> s; Add c s -> y", True),
        ("Conv x w -> a; Relu a -> b; Conv x p -> c; Relu c -> d; Add b d -> y", False),
        ("Relu x -> a; Add a a -> y", False),
        ("MaxPool x -> a; Resize a - two -> b; Add x b -> y", False),  # an encoder and decoder
        ("Conv x w -> a; Relu a -> b; Concat x b -> y", True),
        ("Conv x w -> a; Relu a -> b; Concat b x -> y", False),  # its channels stand the other way
        ("Conv x w -> a; Conv x p -> b; Concat a b -> y", False),
    ],
)
def test_blocks_by_their_structure(steps: str, marked: bool, tmp_path: Path) -> None:
    graph = read_nodes(chain(steps), (1, 4, 8, 8), SQUARE | {"two": np.array([1, 1, 2, 2], np.float32)}, tmp_path)
    bodies = [item for item in graph if item.body]
    assert len(bodies) == marked
    if marked:
        assert count_paths(graph).block.by_length == {0: 1, 1: 1}
        layers = [sum(isinstance(graph[id].op, Conv) for id in ancestors(graph, end)) for end in bodies[0].inputs]
        assert layers == sorted(layers)


def ancestors(graph: Graph, id: str) -> set[str]:
    return {id, *(other for operand in graph[id].inputs for other in ancestors(graph, operand))}


def test_a_dense_block_that_joins_everything_anew(tmp_path: Path) -> None:
    """Five layers, each of all results before it: 2^5 paths, C(5, k) through k of them."""
    nodes: list[Node] = []
    names = ["x"]
    for layer in range(5):
        joined = names[0]
        if layer:
            joined = f"c{layer}"
            nodes.append(node("Concat", " ".join(names), joined, axis=1))
        nodes += [node("Conv", f"{joined} w{layer}", f"a{layer}"), node("Relu", f"a{layer}", f"f{layer}")]
        names.append(f"f{layer}")
    nodes.append(node("Concat", " ".join(names), "y", axis=1))
    arrays = {f"w{layer}": floats(2, 4 + 2 * layer, 1, 1) for layer in range(5)}
    paths = count_paths(read_nodes(nodes, MAP, arrays, tmp_path))
    assert paths.block.by_length == {0: 1, 1: 5, 2: 10, 3: 10, 4: 5, 5: 1}
    assert set(paths.through.values()) == {16}
