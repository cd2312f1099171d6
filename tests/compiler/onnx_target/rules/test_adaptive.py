"""Pooling to a given number of positions in ONNX Runtime, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import accepted_sizes
from archspec.ops import AdaptiveAvgPool, AdaptiveMaxPool, Shape
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, list_kinds


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("size", [1, 3, [2, 5]])
def test_one_file_pools_maps_of_every_size(kind: str, size: int | list[int], tmp_path: Path) -> None:
    document = {"archspec": 1, "inputs": {"x": [2, "H", "W"]}, "sizes": {"H": 6, "W": 9}}
    graph = graph_from({**document, "network": [{f"adaptive_{kind}_pool": size}, "flatten", {"linear": 3}]})
    assert {str(rule) for rule in accepted_sizes(graph).values()} == {"any from 1"}
    sizes = [{"H": 6, "W": 9}, {"H": 1, "W": 2}, {"H": 7, "W": 5}, {"H": 20, "W": 11}]
    assert compare(graph, tmp_path, sizes=sizes) < TOLERANCE


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_windows_are_reduced_in_the_opset_of_a_deformable_convolution(kind: str, tmp_path: Path) -> None:
    """In opset 19 the axes of a reduction are an operand, which they are not in the usual 17."""
    moved = {"deform_conv": {"out": 8, "offset": [{"conv": {"out": 18, "kernel": 3}}]}}
    document = {"archspec": 1, "inputs": {"x": [4, 11, 11]}, "network": [moved, {f"adaptive_{kind}_pool": 3}]}
    assert compare(graph_from(document), tmp_path) < TOLERANCE


def test_windows_of_one_extent_are_one_node() -> None:
    assert list_kinds(AdaptiveAvgPool(size=2), Shape(3, 8, 6)) == ["AveragePool"]
    assert list_kinds(AdaptiveMaxPool(size=1), Shape(3, 8, 6)) == ["GlobalMaxPool"]
    assert list_kinds(AdaptiveMaxPool(size=4), Shape(3, 8, 6)).count("ReduceMax") == 8
