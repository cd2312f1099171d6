"""A file's one input is the network's, whatever it is called; of several, names decide, and what differs is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from torch import nn

from archspec.api import to_onnx, to_torch, verify_model
from compiler.graph import Graph
from compiler.onnx_target.options import ExportOptions
from runtime.verification.checks import Check
from runtime.verification.report import Verification
from tests.support.documents import graph_from
from tests.support.lowering import stir

ONE = {"archspec": 1, "inputs": {"x": [3, "H"]}, "sizes": {"H": 8}, "network": [{"conv": 4}, "relu", {"conv": 2}]}
TWO = {
    "archspec": 1,
    "inputs": {"x": [2, "H"], "y": [2, "H"]},
    "sizes": {"H": 8},
    "network": [{"conv": 2}, {"add": [[], [{"from": "y"}]]}],
}


def make(document: dict[str, Any]) -> tuple[Graph, nn.Module]:
    graph = graph_from(document)
    return graph, stir(to_torch(graph))


def rename(path: Path, **names: str) -> Path:
    """Other names for inputs and outputs."""
    model = onnx.load(path)
    for item in (*model.graph.input, *model.graph.output):
        item.name = names.get(item.name, item.name)
    for node in model.graph.node:
        for own in (node.input, node.output):
            own[:] = [names.get(name, name) for name in own]
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def verify(path: Path, graph: Graph, module: nn.Module) -> tuple[Verification, dict[str, Check]]:
    free = any(
        axis.dim_param == "H" for item in onnx.load(path).graph.input for axis in item.type.tensor_type.shape.dim
    )
    found = verify_model(path, (graph, module.state_dict()), sizes={"H": 8} if free else {})
    return found, {check.name: check for check in found.checks}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_input_and_one_output_may_have_other_names(precision: Any, tmp_path: Path) -> None:
    graph, module = make(ONE)
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False, options=ExportOptions(precision=precision))
    found, rows = verify(rename(path, x="pixels", output="logits"), graph, module)
    assert found.passed, found.checks
    assert rows["names"].status == "noted"
    assert "pixels for x, logits for output" in rows["names"].text
    assert rows["torch"].status == "passed"
    wrong = stir(to_torch(graph), seed=1)
    found, rows = verify(path, graph, wrong)
    assert rows["torch"].status == "failed"
    assert found.bisection is not None
    assert found.bisection.first is not None


def test_equal_names_are_not_remarked(tmp_path: Path) -> None:
    graph, module = make(ONE)
    to_onnx(graph, module.state_dict(), tmp_path / "m.onnx", verify=False)
    assert "names" not in verify(tmp_path / "m.onnx", graph, module)[1]


def test_names_of_several_inputs_must_match(tmp_path: Path) -> None:
    graph, module = make(TWO)
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False)
    found, rows = verify(rename(path, output="sum"), graph, module)
    assert found.passed
    found, rows = verify(rename(path, y="z"), graph, module)
    assert not found.passed
    assert rows["torch"].text == (
        "the file takes x (batch, 2, H), z (batch, 2, H); spec takes x (N, 2, 8), y (N, 2, 8): the file has no y; "
        "the network has no z"
    )


def test_other_channels_are_said(tmp_path: Path) -> None:
    graph, module = make(ONE)
    to_onnx(graph, module.state_dict(), tmp_path / "m.onnx", verify=False)
    other, wrong = make(ONE | {"inputs": {"x": [1, "H"]}})
    found, rows = verify(tmp_path / "m.onnx", other, wrong)
    assert not found.passed
    assert "x has 3 channels in the file and 1 in the network" in rows["torch"].text


def test_a_file_of_fixed_extents_is_compared_at_these(tmp_path: Path) -> None:
    graph, module = make(ONE)
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False)
    model = onnx.load(path)
    del model.metadata_props[:], model.graph.value_info[:]
    for item in (*model.graph.input, *model.graph.output):
        for axis, extent in zip(item.type.tensor_type.shape.dim, (1, None, 8), strict=True):
            if extent:
                axis.dim_value = extent
    onnx.save(model, path)
    found, rows = verify(path, graph, module)
    assert found.passed, found.checks
    assert "at 1 inputs" in rows["torch"].text
