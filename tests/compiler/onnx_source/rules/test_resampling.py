"""Upsampling and resizing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from archspec.ops import Shape, Upsample
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.unknown import find_unknown
from compiler.onnx_source.ops.windows import Resample
from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
    read_nodes,
    run_shapes,
)

LARGE = {"z": np.array([1, 4, 18, 24])}
NODES: list[tuple[Node, Arrays, str]] = [
    (node("DepthToSpace", "x", blocksize=2), {}, "depth_before_space"),
    (node("Resize", "x - s"), {"s": np.array([1, 1, 2, 2], np.float32)}, "upsample"),
    (node("Resize", "x - s", mode="linear"), {"s": np.array([1, 1, 3, 3], np.float32)}, "upsample"),
    (node("Resize", "x - - z", mode="linear"), LARGE, "upsample"),
    (node("Resize", "x - - z", mode="cubic"), LARGE, "upsample"),
    (node("Resize", "x - - z", coordinate_transformation_mode="align_corners"), LARGE, "resample"),
    (node("Resize", "x - s"), {"s": np.array([1, 1, 0.5, 0.5], np.float32)}, "resample"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resampling_reads_as_upsampling_does(scale: int, mode: str, tmp_path: Path) -> None:
    """What a resize to sizes reads, by its own formula, is what the language's word reads."""
    nodes = [
        node("Resize", "x - - z", "y", mode=mode, nearest_mode="floor" if mode == "linear" else "round_prefer_floor")
    ]
    graph = read_nodes(nodes, (1, 1, 4, 5), {"z": np.array([1, 1, 4 * scale, 5 * scale])}, tmp_path)
    op = graph[graph.outputs["y"]].op
    assert isinstance(op, Upsample)

    step = Fraction(1, scale)
    places = {"steps": (step,) * 2, "offsets": ((step - 1) / 2,) * 2, "rounding": "round_prefer_floor"}
    twin = Resample(gives=(1, 4, 5), function=mode, taps=int(mode == "linear"), **places)
    for position in range(3 * scale):
        assert twin.input_span(0, (position, position)) == op.input_span(0, (position, position), Shape(1, 4, 5))


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("sizes", [(18, 30), (4, 3), (30, 11), (5, 5)])
def test_resizing_may_keep_the_ratio_of_extents(policy: str, sizes: tuple[int, int], tmp_path: Path) -> None:
    resize = node("Resize", "x - - s", axes=[2, 3], keep_aspect_ratio_policy=policy)
    graph = read_nodes([resize], (1, 3, 9, 10), {"s": np.array(sizes)}, tmp_path, opset=18)
    assert graph[graph.outputs["y"]].shape == run_shapes(tmp_path / "m.onnx")["y"][1:]


@pytest.mark.parametrize("where", ["align_corners", "half_pixel", "asymmetric"])
def test_one_position_may_be_spread_over_a_map(where: str, tmp_path: Path) -> None:
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Resize", "p - - s", "r", mode="linear", coordinate_transformation_mode=where),
        node("Conv", "r w"),
    ]
    graph = read_nodes(
        nodes, (1, 4, 9, 12), {"s": np.array([1, 4, 9, 12]), "w": floats(6, 4, 3, 3)}, tmp_path, opset=18
    )
    assert find_unknown(graph) == {}
    assert measure_cost(graph).macs["conv-linear"] == 7 * 10 * 6 * 36
    measure_receptive_field(graph)
