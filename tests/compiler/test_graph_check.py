"""What a graph has to be: the zoo's are, and each violation is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archspec.errors import Place
from archspec.ops import Add, Input, Op, Relu, Shape
from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph, Node, NodeSource
from compiler.graph_check import GraphError, verify

SOURCE = NodeSource(Place("here"))


def node(id: str, op: Op, *inputs: str, shape: tuple[int, ...] = (4,), body: str | None = None) -> Node:
    return Node(id, op, inputs, Shape(*shape), SOURCE, body)


def graph(*nodes: Node, **outputs: str) -> Graph:
    return Graph("made", {item.id: item for item in nodes}, outputs)


X = node("x", Input(dims=(4,)))


@pytest.mark.parametrize("name", ["resnet18", "unet", "hourglass2", "densenet121", "se_net", "residual_mlp"])
def test_zoo_verifies(name: str) -> None:
    found = elaborate(load(name))
    assert verify(found) is found


ADDED = node("a", Add(), "x", "x")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (graph(X), "the graph has no output"),
        (graph(X, output="y"), "the output output is computed by no node"),
        (graph(node("r", Relu(), "x"), X, output="r"), "r reads a value that comes later or never"),
        (graph(X, node("r", Relu(), "r"), output="r"), "r reads a value that comes later or never"),
        (graph(X, node("r", Relu(), "y"), output="r"), "r reads a value that comes later or never"),
        (graph(X, node("r", Relu()), output="r"), "r has a wrong number of operands"),
        (graph(X, node("r", Relu(), "x", "x"), output="r"), "r has a wrong number of operands"),
        (graph(X, node("a", Add()), output="a"), "a has a wrong number of operands"),
        (graph(X, node("y", Input(dims=(4,)), "x"), output="y"), "y has a wrong number of operands"),
        (graph(X, node("r", Relu(), "x", shape=(5,)), output="r"), "r says its shape is 5, and infers 4"),
        (graph(X, node("r", Relu(), "x", body="b"), output="r"), "r has a body and nothing to merge it with"),
        (
            replace(graph(X, ADDED, output="a"), nodes={"x": X, "b": ADDED}),
            "b is kept under another id than its own, a",
        ),
    ],
)
def test_what_is_no_graph(broken: Graph, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        verify(broken)
    assert str(caught.value) == message


def test_what_is_a_graph() -> None:
    whole = graph(X, ADDED, node("r", Relu(), "a"), output="r", also="x")
    assert verify(whole) is whole
