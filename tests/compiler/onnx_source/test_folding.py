"""Constants that are computed by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import open_network
from archspec.errors import ModelError
from compiler.analysis.unknown import find_unknown
from tests.support.documents import graph_from
from tests.support.foreign_models import (
    node,
    read_nodes,
)
from tests.support.lowering import export


@pytest.mark.parametrize("kind", ["Tile", "Trilu", "CumSum", "Sin", "Cos"])
def test_tables_are_computed_in_the_file(kind: str, tmp_path: Path) -> None:
    """Of a few numbers: positions, masks, repeated shapes."""
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "Tile": ("s t", {"s": [4, 3], "t": [1]}),
        "Trilu": ("s", {"s": [[4, 3]]}),
        "CumSum": ("s t", {"s": [4, -1], "t": np.int64(0)}),
        "Sin": ("s", {"s": [0.0, 0.0]}),
        "Cos": ("s", {"s": [0.0, 0.0]}),
    }
    reads, arrays = forms[kind]
    arrays = {name: np.float32(array) if kind in ("Sin", "Cos") else array for name, array in arrays.items()}
    cast = [node(kind, reads, "h"), node("Cast", "h", "i", to=7), node("Reshape", "i n", "k"), node("Abs", "k", "a")]
    nodes = [*cast, node("Max", "a o", "m"), node("Concat", "m l", "j", axis=0), node("Reshape", "x j")]
    graph = read_nodes(nodes, (1, 4, 3, 2), {**arrays, "n": [-1], "o": [1], "l": [-1]}, tmp_path, opset=18)
    assert find_unknown(graph) == {}


def test_a_range_as_long_as_a_row_of_tokens_is_read(tmp_path: Path) -> None:
    """The mask of causal attention counts the positions; the control is longer than any row."""
    document = {
        "archspec": 1,
        "inputs": {"x": [4, "L"]},
        "sizes": {"L": 1100},
        "network": [{"attend": {"causal": True}}],
    }
    path = export(graph_from(document), {}, tmp_path)
    graph, _ = open_network(path)
    assert [*graph][-1].shape == (4, 1100)
    arrays = {"a": np.int64(0), "b": np.int64(1_100_000_000), "c": np.int64(1)}
    nodes = [
        node("Range", "a b c", "r"),
        node("ReduceMax", "r", "m"),
        node("Cast", "m", "f", to=1),
        node("Add", "x f"),
    ]
    with pytest.raises(ModelError, match=r"a range of 1\.1e\+09 numbers"):
        read_nodes(nodes, (1, 4), arrays, tmp_path)
