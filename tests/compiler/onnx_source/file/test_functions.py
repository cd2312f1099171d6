"""Functions that a file brings of its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import onnx
import pytest
from onnx import helper

from archspec.errors import ArchspecError
from compiler.analysis.cost.cost import measure_cost
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    floats,
    node,
)
from tests.support.models import build_model, save


def build_functions(*names: str) -> onnx.ModelProto:
    """Each function calls the next one twice; the last one is a convolution of x with w."""
    model = build_model(
        [node(names[0], "x w", domain="own")], {"x": [1, 4, 8, 8]}, {"y": None}, {"w": floats(4, 4, 1, 1)}
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, inner in pairwise(names):
        nodes = [node(inner, "a w", "h", domain="own"), node(inner, "h w", "b", domain="own")]
        model.functions.append(helper.make_function("own", name, ["a", "w"], ["b"], nodes, opsets))
    if names[-1] not in names[:-1]:
        body = [node("Conv", "a w", "b")]
        model.functions.append(helper.make_function("own", names[-1], ["a", "w"], ["b"], body, opsets))
    return model


def test_functions_are_put_in_place_of_their_calls(tmp_path: Path) -> None:
    graph = verify(read_graph(save(build_functions("Block", "Unit", "Layer"), tmp_path / "m.onnx")))
    assert [item.op.kind for item in graph] == ["input", *["conv"] * 4]
    cost = measure_cost(graph)
    assert (cost.parameters, cost.macs["conv-linear"]) == (16, 4 * 16 * 64)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (tuple(f"f{number}" for number in range(40)), "nodes with those of its functions; at most 100,000 are read"),
        (("f", "g", "f"), "calls itself"),
        (("f", "f"), "calls itself"),
    ],
)
def test_functions_that_would_never_end_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=message):
        read_graph(save(build_functions(*names), tmp_path / "m.onnx"))
