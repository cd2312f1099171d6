"""The parts of a value, read off the graph."""

from __future__ import annotations

from archspec.ops import Slice
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of
from tests.support.listing import listed

SIZED = "archspec: 1\ninputs: {x: [4, H]}\nsizes: {H: 8}\n"


def test_each_part_is_a_slice_and_the_value_goes_on() -> None:
    rows = listed("[split: [a, b], relu, concat: [[from: b], [from: a]]]")
    assert "relu_0 = relu(x) 4×8×8" in rows
    assert [row.split(" ", 1)[0] for row in rows] == ["split_0.a", "split_0.b", "relu_0", "concat_0.concat"]


def test_parts_have_their_sizes() -> None:
    text = HEAD + "network: [split: {taps: [a, b, c], sizes: [1, in_channels - 2, 1]}, from: b]\n"
    graph = graph_of(text)
    assert graph["split_0.b"].op == Slice(start=1, stop=3)
    assert graph["split_0.b"].shape == (2, 8, 8)


def test_what_follows_a_size_is_not_split() -> None:
    (mistake,) = mistakes_of(SIZED + "network: [split: {taps: [a, b], axis: 1}]\n")
    assert "split needs a fixed extent along axis 1, and it follows a size" in mistake.message
    (mistake,) = mistakes_of(SIZED + "network: [flatten, split: [a, b]]\n")
    assert "along axis 0" in mistake.message
    graph = graph_of(SIZED + "network: [global_avg_pool, upsample: 4, split: {taps: [a, b], axis: 1}, from: b]\n")
    assert graph["split_0.b"].shape == (4, 2)


def test_a_part_outside_its_block_is_not_seen() -> None:
    text = HEAD + "blocks: {b: {body: [split: [a, c]]}}\nnetwork: [b, from: c]\n"
    (mistake,) = mistakes_of(text)
    assert "unknown tap 'c'" in mistake.message
