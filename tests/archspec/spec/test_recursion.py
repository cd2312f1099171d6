"""Recursion of blocks, found where it is read."""

from __future__ import annotations

from archspec.spec.recursion import find_recursion
from tests.archspec.spec.texts import HEAD, mistakes_of, spec_of


def test_blocks_that_call_others_are_no_recursion() -> None:
    spec = spec_of(
        HEAD + "blocks: {a: {body: [b: {f: [relu]}]}, b: {args: {f: block}, body: [f]}}\nnetwork: [b: {f: [relu]}]\n"
    )
    assert find_recursion(spec.blocks) is None


def test_a_circle_is_told_by_its_names() -> None:
    (mistake,) = mistakes_of(HEAD + "blocks: {a: {body: [b]}, b: {body: [c]}, c: {body: [b]}}\nnetwork: [a]\n")
    assert (mistake.code, mistake.message) == ("block-cycle", "a block calls itself: b → c → b")
