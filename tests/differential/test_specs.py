"""Random specs over the whole language against an interpreter of its page and an executor in plain torch."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from archspec.ops import LAYERS
from tests.differential.documents import write_spec
from tests.differential.harness import run_seeds, table
from tests.differential.layers import FIELDS
from tests.differential.reading import NORM_KINDS, STRUCTURE_FIELDS
from tests.differential.specs import words_of

MODULE = "tests.differential.specs"

STRUCTURE_WORDS: dict[str, tuple[str, ...]] = {
    "residual": ("body", "shortcut", "project"),
    "dense": ("n", "each", "as", "body"),
    "repeat": ("n", "each", "as", "body"),
    "when": ("test", "then", "else"),
    "encoder_decoder": ("n", "each", "encoder", "skip", "down", "bottom", "up", "decoder"),
    "norm": ("kind", "eps", "groups", "start"),
    "attend": ("query", "key", "value"),
    "deform_conv": ("offset", "mask"),
    "tap": ("label",),
    "from": (),
    "output": (),
}
"""What else stands in structure nodes."""


@pytest.mark.parametrize("first", range(0, 80, 40))
def test_nothing_disagrees(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 40))
    assert not summary.found, table(summary)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 3000, 250))
def test_nothing_disagrees_over_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 250))
    assert not summary.found, table(summary)


def test_every_word_of_the_language_is_written() -> None:
    """Each word and field in some of few hundred specs, and each kind of operation in their networks."""
    words, kinds = Counter[str](), Counter[str]()
    for seed in range(500):
        spec = write_spec(Random(seed))
        words.update(words_of(spec))
        kinds.update({operation.kind for operation in spec.interpret().operations.values()})
    assert {*FIELDS} == {*LAYERS}
    for listed in (FIELDS, STRUCTURE_FIELDS, STRUCTURE_WORDS):
        assert not {word for word in listed if not words[word]}
        assert not {f"{word}.{field}" for word in listed for field in listed[word] if not words[f"{word}.{field}"]}
    fitting = ("crop", "pad_space", "repeat_space")
    assert not {kind for kind in (*FIELDS, *NORM_KINDS.values(), "add", "mul", *fitting) if not kinds[kind]}
