"""Graphs at random whose ids collide: a node may be called as a scope that holds others, as in files from elsewhere."""

from __future__ import annotations

from random import Random

from archspec.errors import Place
from archspec.ops import Add, Conv, Input, Op, Relu, Shape
from compiler.graph import Graph, Node, NodeSource

PARTS = ("a", "b", "conv", "conv_1", "relu", "")
"""What ids are made of: few words, so that many are the beginning of another, and one that is empty."""

SOURCE = NodeSource(Place("random"))


def make_graph(random: Random, most: int = 24) -> Graph:
    """A chain of convolutions, activations and sums of earlier values of two channels or three, on 5×5."""
    nodes = {"x": Node("x", Input(dims=(2, 5, 5)), (), Shape(2, 5, 5), SOURCE)}
    while len(nodes) < most:
        id = ".".join(random.choice(PARTS) for _ in range(random.randint(1, 4)))
        if not id or id in nodes:
            continue
        before = random.choice(list(nodes.values()))
        op, inputs = _choose(random, before, nodes)
        shapes = [nodes[operand].shape for operand in inputs]
        nodes[id] = Node(id, op, inputs, op.infer(*shapes), SOURCE)
    return Graph("random", nodes, {"y": [*nodes][-1]})


def _choose(random: Random, before: Node, nodes: dict[str, Node]) -> tuple[Op, tuple[str, ...]]:
    match random.randrange(4):
        case 0 | 1:
            return Conv(out=random.randint(2, 3), kernel=random.choice((1, 3)), bias=random.random() < 0.5), (
                before.id,
            )
        case 2:
            return Relu(), (before.id,)
        case _:
            equal = [node.id for node in nodes.values() if node.shape == before.shape]
            return Add(), (before.id, random.choice(equal))


def count_collisions(graph: Graph) -> int:
    """How many nodes are called as a scope in which another stands."""
    return sum(any(other.startswith(f"{id}.") for other in graph.nodes) for id in graph.nodes)
