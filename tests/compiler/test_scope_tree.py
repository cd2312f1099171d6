"""Ids taken apart: the tree of their scopes."""

from __future__ import annotations

from archspec.errors import Place
from archspec.ops import Add, Conv, Input, Relu, Shape
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph, Node, NodeSource
from compiler.scope_tree import MAX_DEPTH, ScopeTree, name_in_scope, read_scopes, scopes_around


def describe(scope: ScopeTree) -> list[object]:
    return [item if isinstance(item, str) else {item.path: describe(item)} for item in scope.items]


def test_an_id_is_a_node_and_a_scope() -> None:
    ids = ["block.conv", "block.act", "block", "head", "block.act.more"]
    tree = read_scopes(ids, "net")
    assert describe(tree) == [
        {"block": ["block.conv", "block.act", {"block.act": ["block.act.more"]}]},
        "block",
        "head",
    ]
    assert sorted(tree.nodes) == sorted(ids)
    assert tree.title == "net"


def test_parts_may_be_empty() -> None:
    ids = ["a..b", ".b", "a.", "b", "a"]
    assert sorted(read_scopes(ids).nodes) == sorted(ids)
    assert [name_in_scope(id) for id in ids] == ["b", ".b", "", "b", "a"]


def test_scopes_around_a_node() -> None:
    assert list(scopes_around("a.b.c")) == ["a.b", "a"]
    assert list(scopes_around("a")) == []


def test_a_tree_is_as_deep_as_its_bound() -> None:
    id = ".".join("x" * 5000)
    scope, depth = read_scopes([id]), 0
    while not isinstance(scope.items[0], str):
        scope, depth = scope.items[0], depth + 1
    assert depth == MAX_DEPTH
    assert name_in_scope(id) == ".".join("x" * (5000 - MAX_DEPTH))


def test_what_is_called_after_a_merge_is_not_in_its_block() -> None:
    """A block of a file that has no scope is called as its merge; what one node of the file becomes is called after it,
    too."""
    source, shape = NodeSource(Place("test")), Shape(2, 4, 4)
    nodes = [
        Node("x", Input(dims=(2, 4, 4)), (), shape, source),
        Node("body.conv", Conv(out=2), ("x",), shape, source),
        Node("sum", Add(), ("x", "body.conv"), shape, source, body="sum"),
        Node("sum.relu", Relu(), ("sum",), shape, source),
        Node("scope.conv", Conv(out=2), ("sum.relu",), shape, source),
        Node("scope.add", Add(), ("sum.relu", "scope.conv"), shape, source, body="scope"),
        Node("scope", Relu(), ("scope.add",), shape, source),
    ]
    costs = measure_cost(Graph("test", {node.id: node for node in nodes}, {"y": "scope"}))
    assert {node.id: node.block for node in costs.nodes if node.block} == {
        "sum": "sum",
        "scope.conv": "scope",
        "scope.add": "scope",
    }
