"""Which node alone reads another, and what pieces bring to the one operation that they become."""

from __future__ import annotations

from pathlib import Path

from archspec.ops import Scale, Shift
from compiler.onnx_source.simplify.pieces import is_by_channel, only_reader, take_over
from tests.support.foreign_models import floats, node, read_nodes


def test_the_only_reader_is_none_of_an_output_and_of_what_two_read(tmp_path: Path) -> None:
    graph = read_nodes([node("Relu", "x", "a"), node("Tanh", "a", "b"), node("Add", "a b")], (1, 4), {}, tmp_path)
    found = [only_reader(graph, item) for item in graph]
    assert [reader and reader.id for reader in found] == ["a", None, "y", None]


def test_stored_numbers_of_the_pieces_keep_their_short_names(tmp_path: Path) -> None:
    nodes = [node("Mul", "x w", "s"), node("Add", "s b")]
    graph = read_nodes(nodes, (1, 4, 9, 12), {"w": floats(4, 1, 1), "b": floats(4, 1, 1)}, tmp_path)
    scale, shift = graph["s"], graph["y"]
    assert is_by_channel(scale, Scale)
    assert is_by_channel(shift, Shift)
    assert not is_by_channel(scale, Shift)
    taken = take_over([("weight", scale), ("bias", shift)])
    assert {name: weight.shape for name, weight in taken.items()} == {"weight": (4, 1, 1), "bias": (4, 1, 1)}
