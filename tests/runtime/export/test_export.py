"""A model has its name once it has been proven: what an export says of its files, and what is left where it fails."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from torch import nn

from archspec.errors import ArchspecError
from archspec.ops.base import Pointwise
from compiler.graph import Graph
from compiler.onnx_file.metadata import EPOCH
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.options import ExportOptions
from runtime.export.export import export
from runtime.export.plan import ExportPlan
from tests.support.documents import graph_from
from tests.support.lowering import Arrays, stir_members

UNPROVEN = ExportPlan(verify=False)


class Bend(Pointwise):
    """tanh(x), as a caller's own operation."""


def bend_in_onnx(op: Bend, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Tanh", [x])


BENT = ExportPlan(rules={Bend: bend_in_onnx}, torch_rules={Bend: lambda op, x: nn.Tanh()})
WRONG = ExportPlan(rules={Bend: bend_in_onnx}, torch_rules={Bend: lambda op, x: nn.Sigmoid()})
"""A plan by whose rules torch computes something else than the file."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_from(
        {"archspec": 1, "inputs": {"x": [3, "H", 8]}, "sizes": {"H": 8}, "network": [{"conv": 4}, "relu"]}
    )


@pytest.fixture(scope="module")
def weights(graph: Graph) -> Arrays:
    (weights,) = stir_members(graph, 1)
    return weights


def test_what_was_proven_is_told_of_the_file(graph: Graph, weights: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    done = export(graph, weights, path)
    onnx.checker.check_model(path, full_check=True)
    assert (done.path, done.files, done.bytes) == (path, (path,), path.stat().st_size)
    assert done.proof is not None
    assert done.proof.worst <= done.proof.tolerance
    row = done.to_dict()
    assert (row["file"], row["precision"], row["proof"]["worst"]) == (str(path), "fp32", done.proof.worst)
    assert (row["quantization"], row["optimized"]) == (None, None)


def test_the_proof_changes_nothing_in_the_file(graph: Graph, weights: Arrays, tmp_path: Path) -> None:
    export(graph, weights, tmp_path / "proven.onnx")
    assert export(graph, weights, tmp_path / "m.onnx", UNPROVEN).proof is None
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "proven.onnx").read_bytes()
    half = ExportPlan(verify=False, options=ExportOptions(precision="fp16"))
    assert export(graph, weights, tmp_path / "half.onnx", half).to_dict()["precision"] == "fp16"
    assert (tmp_path / "half.onnx").read_bytes() != (tmp_path / "proven.onnx").read_bytes()


def test_a_proof_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    document = {"archspec": 1, "inputs": {"x": [3]}, "network": [{"ext": {"use": "bend"}}]}
    graph = graph_from(document, extensions={"bend": Bend})
    with pytest.raises(ArchspecError, match="between torch and ONNX"):
        export(graph, {}, path, WRONG)
    assert list(tmp_path.iterdir()) == []
    export(graph, {}, path, BENT)
    before = path.read_bytes()
    with pytest.raises(ArchspecError, match="between torch and ONNX"):
        export(graph, {}, path, WRONG)
    assert [(file, file.read_bytes()) for file in tmp_path.iterdir()] == [(path, before)]


def test_weights_that_do_not_fit_leave_no_file(graph: Graph, weights: Arrays, tmp_path: Path) -> None:
    missing = {name: array for name, array in weights.items() if not name.endswith("bias")}
    with pytest.raises(ArchspecError, match="bias"):
        export(graph, missing, tmp_path / "m.onnx", UNPROVEN)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_a_training_that_was_stopped_are_told(
    graph: Graph, weights: Arrays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(graph, weights, tmp_path / "m.onnx", UNPROVEN)
    assert caplog.messages == []
    export(graph, weights, tmp_path / "m.onnx", ExportPlan(verify=False, metadata=EPOCH.write((3, 10))))
    assert caplog.messages == ["weights after epoch 3 of 10: training was stopped"]


def test_what_each_pass_did_is_explained(graph: Graph, weights: Arrays, tmp_path: Path) -> None:
    done = export(graph, weights, tmp_path / "m.onnx", UNPROVEN)
    told = done.explain()
    assert [step["pass"] for step in told["passes"]] == [step.name for step in done.model.steps]
    assert told["slow"] == []
