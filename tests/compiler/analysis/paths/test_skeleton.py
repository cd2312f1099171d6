"""Skeletons: functions and joints, and the paths between them, against an enumeration of the graph's own."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.analysis.paths.skeleton import Skeleton, find_skeleton
from tests.support.documents import graph_from
from tests.support.enumeration import enumerate_paths

BLOCK: dict[str, Any] = {"residual": {"body": ["relu", {"linear": 3}]}}


def skeleton_of(*network: Any) -> Skeleton:
    return find_skeleton(graph_from({"archspec": 1, "inputs": {"x": [3]}, "network": list(network)}))


def test_a_body_is_one_function_and_a_projection_another() -> None:
    wider = {"residual": {"body": ["relu", {"linear": 4}]}}
    project = {"residual": {"body": ["relu", {"linear": 4}], "project": [{"linear": 4}]}}
    found = skeleton_of(project, wider)
    assert sorted(found.functions) == ["f1", "f2", "p1"]
    assert set(found.blocks.values()) == {"f1", "f2"}
    assert found.functions["p1"].operands == found.functions["f1"].operands == ("x",)


def test_what_stands_in_a_row_is_one_function() -> None:
    found = skeleton_of({"linear": 3}, "relu", {"linear": 3})
    assert [value.function for value in found.values.values()] == ["", "f1"]
    assert found.values["linear_1"].operands == ("x",)


@pytest.mark.parametrize("blocks", [1, 3, 6])
def test_paths_are_those_of_an_enumeration(blocks: int) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [3]}, "network": [BLOCK] * blocks})
    found = find_skeleton(graph)
    core = found.core("output")
    walked = [*found.walk(core, found.starts)]
    assert len(walked) == len(set(walked)) == found.paths[core] == len([*enumerate_paths(graph)]) == 2**blocks
