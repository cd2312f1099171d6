"""What is written window by window: all of attention in windows, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.onnx_target.model import build_model
from compiler.onnx_target.pipeline import EXACT
from compiler.onnx_target.rows import choose_rows
from compiler.onnx_target.window_rows import choose_windows
from compiler.passes.base import run_passes
from tests.support.lowering import TOLERANCE, compare
from tests.support.rewriting import stirred
from tests.support.transformers import build_windows


def test_all_between_the_ways_in_and_the_way_out() -> None:
    graph, _, _ = run_passes(EXACT, *(lambda graph: (graph, stirred(graph)))(build_windows(9, 6)))
    found = choose_windows(graph, choose_rows(graph))
    assert set(graph.nodes) - set(found) == {"x", "normal", "again", "norm"}
    (region,) = {id(region): region for region in found.values()}.values()
    assert (region.sizes, region.shifts, region.grid, region.padded) == ((4, 3), (2, 1), False, frozenset({"enter"}))
    assert not choose_windows(graph, choose_rows(graph) - {"out"})


@pytest.mark.parametrize("grid", [False, True])
def test_windows_are_samples_at_all_sizes(grid: bool, tmp_path: Path) -> None:
    graph = build_windows("H", "W", grid=grid, H=9, W=6)
    assert compare(graph, tmp_path, sizes=({}, {"H": 8, "W": 3}, {"H": 5, "W": 16})) < TOLERANCE
    assert compare(build_windows(9, 6, grid=grid), tmp_path) < TOLERANCE


def test_known_extents_need_no_arithmetic() -> None:
    graph = build_windows(8, 6)
    kinds = {node.op_type for node in build_model(graph, stirred(graph)).head.graph.node}
    assert {"Gather", "Tile"} <= kinds
    assert not kinds & {"Range", "Mod", "Div", "Pad", "Slice", "Identity"}


def test_what_stays_a_map_is_padded_and_rolled(tmp_path: Path) -> None:
    """A pooling keeps the way out where it is; so attention alone is written window by window, or in planes not even
    that."""
    for what in ("pool", "places", "cosine"):
        assert compare(build_windows(9, 6, what=what), tmp_path) < TOLERANCE
