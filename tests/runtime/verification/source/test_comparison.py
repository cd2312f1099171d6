"""An export is held against its network and weights: what agrees, what differs and where, and what it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import helper, numpy_helper

from archspec.api import to_onnx, to_torch, verify_model
from archspec.errors import ArchspecError
from archspec.ops import InstanceNorm, Shape, Vote
from compiler.onnx_file.content import read_content
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_target.options import ExportOptions
from runtime.verification.model.facts import read_facts
from runtime.verification.model.inside import ModelInside
from runtime.verification.source.comparison import compare_question
from tests.support.lowering import graph_of, stir
from tests.support.models import build_double, save
from tests.support.verification import export, make, spoil, statuses, text_of


def test_an_export_agrees_with_its_original(tmp_path: Path) -> None:
    graph, module = make()
    found = verify_model(export(tmp_path, graph, module), (graph, module.state_dict()))
    assert found.passed
    assert statuses(found) | {"network": "passed", "weights": "passed", "torch": "passed"} == statuses(found)
    assert found.bisection is None


def test_one_wrong_weight_is_found_and_placed(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    spoil(path)
    assert {name for name, status in statuses(verify_model(path)).items() if status == "failed"} == {"content"}
    found = verify_model(path, (graph, module.state_dict()))
    assert not found.passed
    assert statuses(found) | {"weights": "passed", "torch": "failed", "nodes": "noted"} == statuses(found)
    assert found.bisection is not None
    assert [item.node.id for item in found.bisection.differing] == ["linear_0"]
    assert found.to_dict()["bisection"]["differing"][0]["node"] == "linear_0"


def test_other_weights_are_called_so(tmp_path: Path) -> None:
    graph, module = make()
    found = verify_model(export(tmp_path, graph, module), (graph, make(seed=1)[1].state_dict()))
    assert not found.passed
    assert "exported from other weights" in text_of(found, "weights")
    assert found.bisection is not None
    assert len(found.bisection.differing) > 10


def test_an_attribute_that_outputs_do_not_show_is_noted(tmp_path: Path) -> None:
    graph = graph_of(InstanceNorm(), Shape(3, 8, 9))
    path = tmp_path / "m.onnx"
    module = stir(to_torch(graph))
    to_onnx(graph, module.state_dict(), path, verify=False)
    assert "nodes" not in statuses(verify_model(path, (graph, module.state_dict())))
    model = onnx.load(path)
    told = {item.key: item.value for item in model.metadata_props if item.key != CONTENT}
    helper.set_model_props(model, told)
    norm = next(node for node in model.graph.node if node.op_type == "InstanceNormalization")
    epsilon = next(item for item in norm.attribute if item.name == "epsilon")
    epsilon.f = 2e-5
    onnx.save(model, path)
    found = verify_model(path, (graph, module.state_dict()))
    assert (found.passed, statuses(found)["nodes"]) == (True, "noted")
    assert "the outputs do not show it, but " in text_of(found, "nodes")
    assert "epsilon is 2e-05, expected 1e-05" in text_of(found, "nodes")
    epsilon.f = 1e-2
    onnx.save(model, path)
    assert statuses(verify_model(path, (graph, module.state_dict())))["torch"] == "failed"


def test_equal_numbers_under_another_hash_are_noted(tmp_path: Path) -> None:
    """What decides is what is computed."""
    graph, module = make()
    path = export(tmp_path, graph, module)
    model = onnx.load(path)
    told = {item.key: item.value for item in model.metadata_props if item.key != CONTENT}
    helper.set_model_props(model, told | {"archspec.weights": "0" * 32})
    onnx.save(model, path)
    found = verify_model(path, (graph, module.state_dict()))
    assert found.passed
    assert statuses(found)["weights"] == "noted"


def test_a_file_of_another_network_is_called_so(tmp_path: Path) -> None:
    path = export(tmp_path, *make())
    graph, module = make("resnet20")
    found = verify_model(path, (graph, module.state_dict()))
    assert not found.passed
    assert "exported from resnet_digits" in text_of(found, "network")
    graph, module = make("residual_mlp")
    found = verify_model(path, (graph, module.state_dict()))
    assert (
        "the file takes image (batch, 1, H, W); residual_mlp takes x (N, 100): x has 4 axes in the file and 2"
        in text_of(found, "torch")
    )
    with pytest.raises(ArchspecError, match="the weights do not fit"):
        verify_model(path, (graph, make()[1].state_dict()))


def test_votes_are_compared_by_position(tmp_path: Path) -> None:
    graph = graph_of(Vote(), Shape(4, 8, 9), Shape(4, 8, 9), Shape(4, 8, 9))
    path = tmp_path / "m.onnx"
    to_onnx(graph, {}, path, verify=False)
    assert verify_model(path, (graph, {})).passed


def test_an_ensemble_is_not_held_against_one_network(tmp_path: Path) -> None:
    graph, module = make()
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False, metadata={"archspec.members": "3"})
    assert verify_model(path).passed
    with pytest.raises(ArchspecError, match="is an ensemble of 3 members"):
        verify_model(path, (graph, module.state_dict()))


TOLD = {
    "archspec.classes": json.dumps([f"class {number}" for number in range(10)]),
    "archspec.preprocess": '{"channels": 1, "height": 8, "width": 8, "mean": [0.5], "std": [0.25]}',
    "archspec.task": "labels",
    "archspec.data": "digits",
}


def tell(path: Path, **changes: str | None) -> Path:
    """Another text under a key, or none, and the content that the file has then."""
    model = onnx.load(path)
    told = {item.key: item.value for item in model.metadata_props}
    told |= {f"archspec.{key}": text for key, text in changes.items() if text is not None}
    kept = {key: text for key, text in told.items() if changes.get(key.removeprefix("archspec."), "") is not None}
    helper.set_model_props(model, kept)
    onnx.save(model, path)
    content = read_content(path).found
    helper.set_model_props(model, kept | {CONTENT: content})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({}, "passed", "as these weights have it: classes, preprocess, task"),
        ({"preprocess": TOLD["archspec.preprocess"].replace("0.25", "2.5e-1")}, "passed", "as these weights"),
        ({"classes": json.dumps([f"class {9 - number}" for number in range(10)])}, "failed", 'classes ["class 9", "cl'),
        ({"preprocess": TOLD["archspec.preprocess"].replace("0.25", "0.26")}, "failed", "preprocess {"),
        ({"task": "maps"}, "failed", 'task "maps", and of these weights "labels"'),
        ({"stride": "4"}, "noted", "not compared: these weights do not say their stride"),
        ({"task": None}, "noted", "not compared: the file does not say its task"),
    ],
    ids=["same", "same numbers", "classes", "preprocess", "task", "stride", "no task"],
)
def test_what_a_file_is_asked_is_compared_with_its_weights(
    changes: dict[str, str | None], status: str, text: str, tmp_path: Path
) -> None:
    path = save(build_double(metadata=TOLD), tmp_path / "m.onnx")
    (found,) = compare_question(read_facts(ModelInside(tell(path, **changes))), TOLD)
    assert found.status == status
    assert text in found.text
    assert not list(compare_question(read_facts(ModelInside(path)), {}))  # weights that say nothing


def test_other_names_than_its_weights_have_fail_a_file(tmp_path: Path) -> None:
    graph, module = make("residual_mlp")
    path = tmp_path / "m.onnx"
    names = [f"class {number}" for number in range(graph[graph.outputs["output"]].shape.elements)]
    told = {"archspec.classes": json.dumps(names)}
    to_onnx(graph, module.state_dict(), path, verify=False, metadata=told)
    original = (graph, module.state_dict())
    assert statuses(verify_model(path, original, metadata=told))["question"] == "passed"
    found = verify_model(tell(path, classes=json.dumps([f"other {name}" for name in names])), original, metadata=told)
    assert {name for name, status in statuses(found).items() if status == "failed"} == {"question"}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_number_that_the_outputs_do_not_show_is_noted(precision: str, tmp_path: Path) -> None:
    graph, module = make("residual_mlp")
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False, options=ExportOptions(precision=precision))  # type: ignore[arg-type]
    original = (graph, module.state_dict())
    assert "nodes" not in statuses(verify_model(path, original))
    model = onnx.load(path)
    tensor = next(item for item in model.graph.initializer if item.name == "linear_1.weight")
    array = numpy_helper.to_array(tensor).copy()
    array.flat[:2] = array.flat[:2] * (1 + 2.0 ** {"fp32": -13, "fp16": -9, "bf16": -6}[precision])
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)
    found = verify_model(tell(path), original)
    assert found.passed
    assert text_of(found, "nodes").startswith("the outputs do not show it, but 2 of ")
    assert "numbers of linear_1.weight differ, by at most" in text_of(found, "nodes")
