"""Ids taken apart: the tree of their scopes."""

from __future__ import annotations

from compiler.scopes import DEEPEST, Scope, name_in_scope, read_scopes, scopes_around


def describe(scope: Scope) -> list[object]:
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
    assert depth == DEEPEST
    assert name_in_scope(id) == ".".join("x" * (5000 - DEEPEST))
