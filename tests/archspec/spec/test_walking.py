"""A walk through bodies: every node at any depth, in order, and the calls among them."""

from __future__ import annotations

from archspec.spec.walking import list_calls, walk_nodes
from tests.archspec.spec.texts import HEAD, NAMING, spec_of


def test_every_node_is_walked_at_any_depth() -> None:
    spec = spec_of(NAMING)
    assert [node.called for node in walk_nodes(spec.network)] == ["tap", "repeat", "tap", "add", "from", "gate", "from"]
    assert [node.called for node in walk_nodes(spec.blocks["gate"].body)] == ["from", "f"]


def test_calls_of_handed_bodies_are_listed_with_those_of_blocks() -> None:
    spec = spec_of(NAMING)
    assert [call.block for call in list_calls(spec.network)] == ["gate"]
    assert [call.block for call in list_calls(spec.blocks["gate"].body)] == ["f"]
    nested = spec_of(
        HEAD + "blocks: {b: {args: {f: block}, body: [f]}}\nnetwork: [repeat: {n: 2, body: [b: {f: [b: {f: []}]}]}]\n"
    )
    assert [call.block for call in list_calls(nested.network)] == ["b", "b"]
