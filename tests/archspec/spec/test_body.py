"""Nodes of bodies as they are written: a word, or a mapping with one key; what is wrong in one hides no other."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.spec.body import STRUCTURE, CallNode
from archspec.spec.expressions import Expression
from archspec.spec.layers import ErrorNode, SpecNode
from archspec.spec.nodes.flow import Repeat
from archspec.spec.nodes.residual import Residual
from tests.archspec.spec.texts import read_one


def test_a_word_alone_has_no_fields_and_a_value_is_the_main_field() -> None:
    for text, given in (("relu", {}), ("conv: 3", {"out": 3}), ("conv: {out: 3, kernel: 1}", {"out": 3, "kernel": 1})):
        node, mistakes = read_one(text)
        assert isinstance(node, SpecNode)
        assert (node.given, mistakes) == (given, [])


def test_structure_holds_bodies() -> None:
    node, _ = read_one("repeat: {n: 2, body: [residual: {body: [relu, conv: n]}]}")
    assert isinstance(node, Repeat)
    (residual,) = node.body
    assert isinstance(residual, Residual)
    assert [inner.called for inner in residual.body] == ["relu", "conv"]
    assert residual.body[1].out == Expression.parse("n")


def test_a_block_is_called_with_its_arguments() -> None:
    node, mistakes = read_one("unit: {width: 2 * n, body: [relu], name: first}")
    assert isinstance(node, CallNode)
    assert (node.block, node.called, node.name, mistakes) == ("unit", "unit", "first", [])
    assert node.arguments["width"] == Expression.parse("2 * n")
    assert [inner.called for inner in node.arguments["body"]] == ["relu"]
    handed, _ = read_one("f")
    assert isinstance(handed, CallNode)
    assert handed.block == "f"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("3", ["bad-node"]),
        ("{}", ["bad-node"]),
        ("{conv: 3, relu: null}", ["bad-node"]),
        ("convv: 3", ["unknown-node"]),
        ("conv: {out: 3, kernal: 1, stryde: 2}", ["unknown-field", "unknown-field"]),
        ("repeat: 3", ["wrong-type"]),
        ("relu: 3", ["wrong-type"]),
        ("unit", ["missing-argument"]),
        ("unit: 3", ["wrong-type"]),
        ("unit: {wdth: 3}", ["unknown-argument", "missing-argument"]),
        ("unit: {width: '2 *'}", ["bad-expression"]),
        ("unit: {width: 3, name: forward}", ["bad-name"]),
        ("repeat: {n: 2, body: [convv, relu, tanhh]}", ["unknown-node", "unknown-node"]),
    ],
)
def test_every_mistake_is_reported(text: str, codes: list[str]) -> None:
    node, found = read_one(text)
    assert found == codes
    assert isinstance(node, ErrorNode) or any(isinstance(inner, ErrorNode) for inner in bodies_of(node))


def bodies_of(node: SpecNode) -> tuple[Any, ...]:
    return tuple(getattr(node, "body", ()))


@pytest.mark.parametrize("word", STRUCTURE)
def test_every_word_says_what_it_takes(word: str) -> None:
    """A number behind it is the main field of some and a mistake of the others, and never an exception."""
    node, codes = read_one(f"{word}: 3")
    assert isinstance(node, ErrorNode) == bool(codes)
