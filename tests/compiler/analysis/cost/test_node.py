"""The cost of one operation, counted by hand."""

from __future__ import annotations

from archspec.ops import Conv, Shape
from compiler.analysis.cost.cost import measure_cost
from tests.support.lowering import graph_of


def test_a_convolution_by_hand() -> None:
    """Two channels to three by a kernel of 5 on ten positions without borders: six positions are left."""
    node = measure_cost(graph_of(Conv(out=3, kernel=5, padding=0), Shape(2, 10))).nodes[-1]
    assert (node.elements, node.shape) == (3 * 6, Shape(3, 6))
    assert (node.parameters, node.macs, node.bias_adds) == (3 * 2 * 5 + 3, 18 * 2 * 5, 18)
    assert (node.read, node.written) == (20, 18)
    row = node.to_dict()
    assert row["shape"] == [3, 6]
    assert {name: row[name] for name in ("id", "kind", "block", "stage")} == {
        "id": "op",
        "kind": "conv",
        "block": None,
        "stage": 0,
    }
