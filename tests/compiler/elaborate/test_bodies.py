"""Bodies are unrolled with every mistake at its place, and one mistake hides no other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archspec.spec.texts import HEAD, codes, mistakes_of, unmarked

MISTAKES: list[tuple[str, list[str]]] = [
    ("network: [norm: {kind: ▸grup}]\n", ["bad-value"]),
    ("network: [norm: {kind: layer, ▸groups: 2}]\n", ["unknown-field"]),
    ("network: [▸norm]\ndefaults: {norm: {size: 3}}\n", ["unknown-field"]),
    ("network: [norm: ▸weight]\n", ["bad-value"]),
    ("network: [norm: {kind: group, groups: ▸3}]\n", ["shape-mismatch"]),
    ("network: [norm: {▸swirl: 3}]\n", ["unknown-field"]),
    ("network: [norm: {kind: ▸null}]\n", ["bad-value"]),
    ("network: [norm: {start: ▸1.0e+39}]\n", ["bad-value"]),
    ("network: [scale: {value: ▸-1.0e+39, trainable: true}]\n", ["bad-value"]),
    ("network: [conv: {out: 4, gain: ▸1.0e+39}]\n", ["bad-value"]),
    ("network: [▸add: {n: 2}]\n", ["bad-branches"]),
    ("network: [▸add: {body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {branches: [[]], n: 2, body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {n: 2, each: {a: [1]}, body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {n: 0, body: [relu]}]\n", ["bad-value"]),
    ("network: [▸shake: [[], [conv: 5]]]\n", ["shape-mismatch"]),
    ("network: [shake: {branches: [[]], draw: ▸pixel}]\n", ["bad-value"]),
    ("network: [residual: {body: [], scaling: ▸fixdown}]\n", ["bad-value"]),
    ("network: [residual: {body: [], survival: 0.5, decay: ▸quick}]\n", ["bad-value"]),
    ("network: [residual: {body: [], survival: ▸2, decay: linear}]\n", ["bad-value"]),
    ("network: [conv: {out: 4, gain: ▸-1}]\n", ["bad-value"]),
    ("blocks: {b: {defaults: {convv: {}}, body: []}}\nnetwork: [b]\n", ["unknown-node"]),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[text.strip() for text, _ in MISTAKES])
def test_mistake_is_told_where_it_stands(text: str, expected: list[str]) -> None:
    text, marks = unmarked(HEAD + text)
    found: list[Any] = mistakes_of(text)
    assert codes(found) == expected
    if marks:
        assert [(item.place.line, item.place.column) for item in found] == marks


def test_branches_that_are_missing_are_said_to_be() -> None:
    (mistake,) = mistakes_of(HEAD + "network: [add: ]\n")
    assert mistake.message == "add needs a list of bodies, or `n` or `each` with one `body`"
