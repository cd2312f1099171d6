"""Windows in ONNX, at sizes that are fixed and free."""

from __future__ import annotations

from pathlib import Path

from archspec.ops import EnterWindows, LeaveWindows, Shape
from tests.archspec.spec.texts import graph_of
from tests.support.lowering import TOLERANCE, compare, list_kinds

FREE = "archspec: 1\ninputs: {x: [4, D, H, W]}\nsizes: {D: 5, H: 9, W: 8}\n"


def test_fixed_maps_need_no_arithmetic_on_shapes() -> None:
    x, whole = Shape(4, 9, 8), Shape(4, 12, 8)
    assert list_kinds(EnterWindows(size=4), x) == ["Pad"]
    assert list_kinds(EnterWindows(size=4, shift=(2, 0)), x) == ["Pad", "Slice", "Slice", "Concat"]
    assert list_kinds(LeaveWindows(size=4), whole, x) == ["Slice"]


def test_free_extents_are_padded_and_rolled_as_they_come(tmp_path: Path) -> None:
    graph = graph_of(
        FREE + "network: [windows: {size: [2, 4, 3], shift: [1, 2, 1], body: [relu, attend: {heads: 2}]}]\n"
    )
    others = {"D": 2, "H": 4, "W": 3}, {"D": 6, "H": 3, "W": 10}
    assert compare(graph, tmp_path, sizes=({}, *others)) < TOLERANCE
