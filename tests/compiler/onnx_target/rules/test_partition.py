"""Windows in ONNX, at sizes that are fixed and free."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from archspec.ops import EnterWindows, LeaveWindows, Shape
from tests.archspec.spec.texts import graph_of
from tests.support.documents import graph_from
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


@pytest.mark.parametrize(("inputs", "sizes"), [([4, 9], {}), ([4, "L"], {"L": 9})], ids=str)
@pytest.mark.parametrize("body", [["relu"], []], ids=str)
def test_whole_windows_of_an_input_are_the_input(
    inputs: list[object], sizes: dict[str, int], body: list[object], tmp_path: Path
) -> None:
    """Their entrance is no node, and the input keeps its name."""
    fixed = {"shift": {"trainable": True, "per": "position"}}
    network = [{"windows": {"size": 3, "body": body}}, fixed]
    graph = graph_from({"archspec": 1, "inputs": {"x": inputs}, "sizes": sizes, "network": network})
    assert compare(graph, tmp_path) < TOLERANCE
    assert [value.name for value in onnx.load(tmp_path / f"{graph.name}.onnx").graph.input] == ["x"]


@pytest.mark.parametrize("more", [{}, {"grid": True}, {"shift": 1}], ids=str)
@pytest.mark.parametrize(("inputs", "sizes"), [([2, 9], {}), ([2, "H"], {"H": 9})], ids=str)
def test_windows_of_rows_give_back_all_their_windows(
    inputs: list[object], sizes: dict[str, int], more: dict[str, object], tmp_path: Path
) -> None:
    wider = [{"conv": {"out": 8, "kernel": 1}}]
    body = [{"layer_norm": {"over": "channels"}}, {"attend": {"query": wider, "key": wider}}]
    network = [{"windows": {"size": 2, "body": body, **more}}]
    graph = graph_from({"archspec": 1, "inputs": {"x": inputs}, "sizes": sizes, "network": network})
    others = [{}, *({"H": size} for size in (2, 12, 15) if sizes)]
    assert compare(graph, tmp_path, sizes=others) < TOLERANCE
