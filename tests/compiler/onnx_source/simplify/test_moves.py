"""Chains of reshapes and transpositions, against the words of torch that they are written for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.graph import Graph
from tests.support.foreign_models import node, read_nodes


def read_chain(first: Sequence[int], perm: Sequence[int], last: Sequence[int], path: Path) -> Graph:
    nodes: list[onnx.NodeProto] = [
        node("Relu", "x", "r"),
        node("Reshape", "r a", "b"),
        node("Transpose", "b", "c", perm=list(perm)),
        node("Reshape", "c d", "e"),
        node("Sigmoid", "e"),
    ]
    return read_nodes(nodes, (1, 8, 6, 6), {"a": np.array(first), "d": np.array(last)}, path)


@pytest.mark.parametrize(
    ("first", "perm", "last", "kind"),
    [
        ((1, 2, 4, 6, 6), (0, 2, 1, 3, 4), (1, 8, 6, 6), "shuffle_channels"),
        ((1, 8, 3, 2, 3, 2), (0, 1, 3, 5, 2, 4), (1, 32, 3, 3), "space_to_depth"),
        ((1, 2, 2, 2, 6, 6), (0, 1, 4, 2, 5, 3), (1, 2, 12, 12), "depth_to_space"),
    ],
)
def test_a_chain_is_the_one_operation_that_it_is_written_for(
    first: Sequence[int], perm: Sequence[int], last: Sequence[int], kind: str, tmp_path: Path
) -> None:
    kinds = [item.op.kind for item in read_chain(first, perm, last, tmp_path)]
    assert kinds == ["input", "relu", kind, "sigmoid"]


def test_a_chain_that_leads_back_is_none(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", "b", perm=[0, 2, 1, 3]),
        node("Transpose", "b", "c", perm=[0, 2, 1, 3]),
        node("Relu", "c"),
    ]
    assert [item.op.kind for item in read_nodes(nodes, (1, 8, 6, 6), {}, tmp_path)] == ["input", "relu"]


def test_a_chain_that_mixes_positions_stays_in_pieces(tmp_path: Path) -> None:
    """The control: the axes of the map change places too."""
    kinds = [item.op.kind for item in read_chain((1, 2, 4, 6, 6), (0, 2, 1, 4, 3), (1, 8, 6, 6), tmp_path)]
    assert kinds == ["input", "relu", "rearrange", "rearrange", "rearrange", "sigmoid"]
