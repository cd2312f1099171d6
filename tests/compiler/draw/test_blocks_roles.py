"""What boxes say of the parts of attention, and of weights that are shared."""

from __future__ import annotations

from compiler.draw.blocks import fold_blocks
from tests.archspec.spec.texts import graph_of

ATTENDING = """
archspec: 1
inputs: {x: [16, 8, 8]}
network:
  - attend: {heads: 2, query: [conv: 16], key: [conv: 16], value: [conv: 16]}
"""


def lines_of(text: str) -> list[str]:
    return [line for _, box in fold_blocks(graph_of(text)).walk() for line in box.lines]


def test_the_ways_into_attention_are_named_and_not_folded() -> None:
    ways = ["query: conv 3×3, 16", "key: conv 3×3, 16", "value: conv 3×3, 16"]
    assert lines_of(ATTENDING) == ["x", *ways, "attention, heads = 2", "output"]
    added = ATTENDING.replace(
        "attend: {heads: 2, query: [conv: 16], key: [conv: 16], value: [conv: 16]}", "add: [[conv: 16], [conv: 16]]"
    )
    assert lines_of(added)[1] == "conv 3×3, 16"  # of equal parts one box is enough


def test_a_value_that_is_key_and_value_is_named_so() -> None:
    text = "archspec: 1\ninputs: {x: [16, 8]}\nnetwork:\n  - relu\n  - attend: {query: [conv: 16]}\n"
    assert lines_of(text)[1:3] == ["relu", "query: conv 3, 16"]
    text = (
        "archspec: 1\ninputs: {x: [16, 8], y: [16, 8]}\n"
        "network:\n  - attend: {key: [from: y, conv: 16, tap: k], value: [from: k]}\n"
    )
    assert "key, value: conv 3, 16" in lines_of(text)


def test_shared_weights_are_told() -> None:
    text = (
        "archspec: 1\ninputs: {x: [16, 8]}\n"
        "network: [conv: {out: 16, share: w}, relu, conv: {out: 16, share: w}, relu, conv: 16]\n"
    )
    assert lines_of(text)[1:-1] == ["conv 3, 16, weights of w", "relu", "conv 3, 16"]  # the first two are one box


def test_of_turns_with_weights_of_their_own_it_is_told_that_they_share() -> None:
    text = (
        "archspec: 1\ninputs: {x: [16, 8]}\nblocks:\n"
        "  twice: {body: [conv: {out: 16, share: w}, tanh, conv: {out: 16, share: w}]}\n"
        "network: [repeat: {n: 3, body: [twice, softmax]}]\n"
    )
    assert [line for line in lines_of(text) if "conv" in line] == ["conv 3, 16, shared weights"] * 2
