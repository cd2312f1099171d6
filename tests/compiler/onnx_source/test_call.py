"""What a node of a file becomes: the names of its nodes in the graph, its place, and shapes that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from tests.support.foreign_models import floats, node, read_nodes


def test_a_node_that_becomes_several_gives_the_first_its_name(tmp_path: Path) -> None:
    graph = read_nodes([node("Sub", "n x", "y")], (1, 4), {"n": np.float32(2)}, tmp_path)
    assert [(item.id, item.op.kind) for item in graph][1:] == [("y", "scale"), ("y.shift", "shift")]
    assert {item.source.place.line for item in graph} == {1}


def test_parts_of_a_split_are_named_after_its_node(tmp_path: Path) -> None:
    nodes = [node("Split", "x", "a b", axis=1), node("Concat", "b a", axis=1)]
    graph = read_nodes(nodes, (1, 4, 9, 12), {}, tmp_path)
    assert [item.id for item in graph] == ["x", "a", "a.slice", "y"]
    assert graph["y"].inputs == ("a.slice", "a")


def test_a_field_that_an_operation_does_not_take_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"node y \(LeakyRelu\): slope"):
        read_nodes([node("LeakyRelu", "x", alpha=float("nan"))], (1, 4), {}, tmp_path)


def test_a_shape_that_nothing_fits_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"would give .* no shape of a value"):
        read_nodes([node("Expand", "x s")], (1, 1), {"s": np.array([1 << 31, 2])}, tmp_path)


def test_a_value_in_another_order_is_transposed_once_for_all_readers(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
        node("Add", "t w", "a"),
        node("Add", "t v", "b"),
        node("Add", "a b"),
    ]
    arrays = {"w": floats(9, 12, 4), "v": floats(9, 12, 4)}
    kinds = [item.op.kind for item in read_nodes(nodes, (1, 4, 9, 12), arrays, tmp_path)]
    assert kinds.count("rearrange") == 1
