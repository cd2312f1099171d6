"""Blocks as they are written: their arguments, what they give, and the defaults of a library."""

from __future__ import annotations

import pytest

from archspec.spec.blocks import read_signature
from archspec.spec.reading import Argument
from tests.archspec.spec.texts import HEAD, spec_of


def test_signature_is_what_can_be_read_of_the_arguments() -> None:
    assert read_signature({"args": {"a": "int", "v": "value", "f": "block = none", "b": "what"}}) == {
        "a": Argument("int"),
        "v": Argument("value"),
        "f": Argument("block", "none"),
        "b": Argument("int", "none"),
    }


@pytest.mark.parametrize(
    ("gives", "labels"), [("[a, b]", {"a": "a", "b": "b"}), ("{a: 'f{1 + 1}'}", {"a": "f{1 + 1}"})]
)
def test_gives_is_a_list_or_a_mapping(gives: str, labels: dict[str, str]) -> None:
    block = spec_of(HEAD + f"blocks: {{b: {{gives: {gives}, body: []}}}}\nnetwork: [relu]\n").blocks["b"]
    assert {name: label.text for name, label in block.gives.items()} == labels
