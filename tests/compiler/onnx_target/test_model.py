"""The ONNX target: what the file holds, that it is the same every time, and that a wrong one never gets its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from archspec.api import elaborate, load, proof_cases, to_onnx, to_torch
from archspec.errors import ArchspecError
from archspec.ops import BatchNorm, Conv, Shape
from compiler.onnx_target import model as onnx_model
from compiler.onnx_target.pipeline import EXACT
from compiler.onnx_target.rules import RULES
from compiler.passes.base import run_passes
from runtime.session.session import Session
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, export, graph_of, stir


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = elaborate(load("resnet_digits"))
    return export(graph, stir(to_torch(graph)).state_dict(), tmp_path_factory.mktemp("digits"))


def test_versions_run_on_old_and_new_runtimes(digits: Path) -> None:
    model = onnx.load(digits)
    assert model.ir_version == 8
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 17)]


def test_names_come_from_the_graph(digits: Path) -> None:
    model, graph = onnx.load(digits), elaborate(load("resnet_digits"))
    assert [item.name for item in model.graph.input] == ["image"]
    assert [item.name for item in model.graph.output] == ["output"]
    assert {node.name for node in model.graph.node} <= graph.nodes.keys()
    kept = {item.name for item in model.graph.initializer}
    assert "repeat_0.stage1.basic_block_0.residual_0.body.conv_0.weight" in kept
    assert not any("norm" in name for name in kept)


def test_batch_norm_is_folded_and_nothing_else_is_left_over(digits: Path) -> None:
    kinds = {node.op_type for node in onnx.load(digits).graph.node}
    assert kinds == {"Conv", "Relu", "Add", "GlobalAveragePool", "Flatten", "Gemm"}


def test_batch_and_sizes_are_dynamic(digits: Path) -> None:
    session = onnxruntime.InferenceSession(digits, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 1, "H", "W"]
    assert session.get_outputs()[0].shape == ["batch", 10]


@pytest.mark.parametrize(("pool", "axes"), [([], [8, 8]), ([{"max_pool": 2}], ["H", "W"])])
def test_a_size_that_weights_depend_on_is_fixed(pool: list[Any], axes: list[Any], tmp_path: Path) -> None:
    """Unless a pooling rounds other sizes to it: there 8 and 9 fit, and the file says so."""
    network = [*pool, "flatten", {"linear": 3}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [1, "H", "W"]}, "sizes": {"H": 8, "W": 8}, "network": network})
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    to_onnx(graph, weights, tmp_path / "m.onnx", verify=False)
    session = Session(tmp_path / "m.onnx", providers=["cpu"])
    assert list(session.inputs["x"]) == ["batch", 1, *axes]
    assert session.run(np.ones((1, 1, 8, 9 if pool else 8), np.float32))["output"].shape == (1, 3)
    with pytest.raises(ArchspecError, match="the model takes 8, 9 .written for 8" if pool else "the model takes 8"):
        session.run(np.ones((1, 1, 8, 10), np.float32))


def test_the_file_says_what_it_is(digits: Path) -> None:
    facts = {item.key: item.value for item in onnx.load(digits).metadata_props}
    graph = elaborate(load("resnet_digits"))
    assert facts["archspec.graph"] == graph.digest()
    assert facts["archspec.name"] == "resnet_digits"
    assert len(facts["archspec.weights"]) == 32
    assert json.loads(facts["archspec.sizes"])["H"] == {"value": 8, "first": 1, "step": 1}


@pytest.mark.parametrize("name", ["resnet_digits", "unet", "se_net"])
def test_the_same_spec_and_weights_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    files = []
    for turn in range(2):
        graph = elaborate(load(name))
        folder = tmp_path / str(turn)
        files.append(export(graph, to_torch(graph, seed=3).state_dict(), folder).read_bytes())
    assert files[0] == files[1]
    graph = elaborate(load(name))
    assert export(graph, to_torch(graph, seed=4).state_dict(), tmp_path).read_bytes() != files[0]


def test_the_order_of_the_weights_does_not_matter(tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    state = to_torch(graph).state_dict()
    backwards = dict(reversed(state.items()))
    (tmp_path / "b").mkdir()
    assert export(graph, state, tmp_path).read_bytes() == export(graph, backwards, tmp_path / "b").read_bytes()


def test_a_graph_that_differs_from_torch_never_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control for the proof: a rule that is wrong by a stride of the padding."""

    def wrong(op: Conv, emit: object, x: object) -> object:
        return RULES[Conv](
            op.model_copy(update={"dilation": 2, "padding": 2 * (op.kernel // 2 if isinstance(op.kernel, int) else 0)}),
            emit,
            x,
        )

    table = RULES.extended({})
    table._rules[Conv] = wrong  # type: ignore[assignment]
    monkeypatch.setattr(onnx_model, "RULES", table)
    graph = elaborate(load("resnet_digits"))
    path = tmp_path / "model.onnx"
    with pytest.raises(ArchspecError, match="output"):
        to_onnx(graph, to_torch(graph).state_dict(), path)
    assert list(tmp_path.iterdir()) == []


def test_the_proof_speaks_of_several_batches_and_sizes(tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    proof = to_onnx(graph, stir(to_torch(graph)).state_dict(), tmp_path / "model.onnx").proof
    assert proof is not None
    assert len(proof_cases(graph)) >= 3
    assert len({case["image"] for case in proof_cases(graph)}) == len(proof_cases(graph))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("linear_0.bias"), "linear_0.bias is missing"),
        (lambda w: w.update(other=torch.zeros(2)), "other is of no layer"),
        (lambda w: w.update({"linear_0.bias": torch.zeros(11)}), r"linear_0.bias should be \(10,\), found \(11,\)"),
        (lambda w: w.update({"linear_0.bias": torch.full((10,), torch.nan)}), "bias' holds infinite numbers or NaN"),
    ],
)
def test_weights_that_do_not_fit_leave_no_file(change: object, message: str, tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    weights = dict(to_torch(graph).state_dict())
    change(weights)  # type: ignore[operator]
    with pytest.raises(ArchspecError, match=message):
        to_onnx(graph, weights, tmp_path / "model.onnx", verify=False)
    assert list(tmp_path.iterdir()) == []


def test_outputs_may_be_named_like_nodes(tmp_path: Path) -> None:
    """An output's name is the user's: it may be some other node's, and one value may be several outputs."""
    from compiler.graph import Graph

    graph = graph_of(Conv(out=3), Shape(2, 5, 5))
    renamed = Graph(graph.name, graph.nodes, {"op": "op", "y": "op", "z": "x0"})
    assert compare(renamed, tmp_path) < TOLERANCE


def test_batch_norm_first_stays_a_batch_norm(tmp_path: Path) -> None:
    graph = graph_of(BatchNorm(), Shape(4, 6, 6))
    path = export(graph, stir(to_torch(graph)).state_dict(), tmp_path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["BatchNormalization"]


def test_the_streamed_file_is_a_whole_model(digits: Path) -> None:
    """onnx itself reads every array back, and its full check with shape inference passes."""
    onnx.checker.check_model(str(digits), full_check=True)
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(digits).graph.initializer}
    graph = elaborate(load("resnet_digits"))
    arrays = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    folded = run_passes(EXACT, graph, arrays)[1]
    assert stored.keys() == folded.keys()
    for name, array in folded.items():
        np.testing.assert_array_equal(stored[name], np.asarray(array))
