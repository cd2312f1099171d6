"""Blocks of other libraries: messages tell how each is written; `test_foreign` compiles what they tell."""

from __future__ import annotations

import pytest

from archspec.spec.foreign import node_sayings
from archspec.spec.suggestions import suggest_node


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("PatchEmbed", "tokens"),
        ("SPPF", "max_pool: {kernel: 5, stride: 1, padding: 2}"),
        ("CbamModule", "reduce: {by: max}"),
        ("DFL", "a distribution over bins"),
        ("nn.TransformerEncoderLayer", "attend"),
    ],
)
def test_a_block_of_a_library_is_told(word: str, told: str) -> None:
    assert told in suggest_node(word, [])


def test_lines_that_are_broken_are_one() -> None:
    assert "channels in another order" in node_sayings()["patchmerging"].note
