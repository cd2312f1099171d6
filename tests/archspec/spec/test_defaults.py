"""Defaults by kind of node, as they are read and merged."""

from __future__ import annotations

import pytest

from archspec.spec.defaults import merge_defaults
from tests.archspec.spec.texts import HEAD, mistakes_of, places, unmarked


def test_defaults_merge_field_by_field_and_the_last_have_their_way() -> None:
    first, last = {"conv": {"bias": False, "kernel": 5}}, {"conv": {"kernel": 1}, "dropout": {"rate": 0.1}}
    assert merge_defaults(first, None, last) == {"conv": {"bias": False, "kernel": 1}, "dropout": {"rate": 0.1}}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{▸convv: {}}", "unknown-node"),
        ("{conv: ▸3}", "wrong-type"),
        ("{conv: {▸kernal: 3}}", "unknown-field"),
        ("{encoder_decoder: {order: ▸down_first}}", "bad-value"),
    ],
)
def test_mistakes_stand_at_their_places(text: str, code: str) -> None:
    text, expected = unmarked(HEAD + f"defaults: {text}\nnetwork: [relu]\n")
    (mistake,) = mistakes_of(text)
    assert (mistake.code, places([mistake])) == (code, expected)
