"""What parts of a spec refer to, and how far the names of a spec reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archspec.spec.expressions import Template
from archspec.spec.load import load
from archspec.spec.spec import Spec
from compiler.analysis.lint.names import find_unread, free_names, list_bodies, reach_blocks
from tests.support.lint_texts import lint_text

DOCUMENT: dict[str, Any] = {
    "archspec": 1,
    "params": {"a": 8, "n": 2},
    "blocks": {
        "outer": {"args": {"inner": "block", "width": "int = a"}, "body": ["inner", {"conv": "width"}]},
        "other": {"body": [{"outer": {"inner": ["relu"]}}]},
        "alone": {"body": ["gelu"]},
    },
    "inputs": {"x": [4, 8, 8]},
    "network": [{"repeat": {"n": "n", "body": [{"conv": "a + i"}]}}, {"other": {}}],
}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return load(path)


def test_names_are_those_that_are_not_bound_inside(spec: Spec) -> None:
    """The turn `i` of a repeat is its own."""
    assert free_names(spec.network) == {"a", "n", "other"}
    assert free_names(spec.blocks["outer"].body) == {"inner", "width"}


def test_bodies_are_listed_at_any_depth(spec: Spec) -> None:
    assert [len(body) for body in list_bodies(spec.network)] == [2, 1]


def test_blocks_are_reached_through_each_other(spec: Spec) -> None:
    assert set(reach_blocks(spec.network, spec.blocks)) == {"other", "outer"}
    assert set(reach_blocks((), spec.blocks)) == set()


@pytest.mark.parametrize(
    ("label", "read", "unread"),
    [
        ("a1", ["a1"], False),
        ("a1", ["a2"], True),
        ("a{i}", ["a12"], False),
        ("a12", ["a{i}"], False),
        ("a{i}", ["b{i}"], True),
        ("a{i}", ["a{j + 1}"], False),
    ],
)
def test_a_label_is_read_where_some_number_makes_them_equal(label: str, read: list[str], unread: bool) -> None:
    found = find_unread([Template.parse(label)], [Template.parse(text) for text in read])
    assert bool([*found]) == unread


def test_names_reach_as_far_as_the_language_lets_them() -> None:
    """Params by block arguments' defaults, by `defaults`, by handed bodies; an argument may hide a param."""
    text = """archspec: 1
params: {a: 8, b: 3, c: 1, hidden: 2, d: 2}
defaults: {conv: {kernel: b}}
blocks:
  outer: {args: {inner: block, width: int = a}, body: [inner, conv: width]}
  other: {args: {hidden: int}, body: [conv: hidden]}
inputs: {x: [4, 8, 8]}
network:
  - outer: {inner: [conv: {out: 8, stride: c}]}
  - repeat: {n: d, body: [other: {hidden: 8 + i}]}
"""
    (finding,) = lint_text(text, select=["unused"])
    assert finding.message == "nothing uses the param 'hidden'"
