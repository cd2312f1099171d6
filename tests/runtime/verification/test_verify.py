"""A verification passes for what an export wrote, and fails, with the reason, for what it did not."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from torch import nn

from archspec.api import elaborate, load, to_onnx, to_torch, verify_model
from archspec.errors import ArchspecError
from archspec.ops import InstanceNorm, Mean, Shape, Vote
from compiler.content import CONTENT
from compiler.graph import Graph
from compiler.onnx_source.content import read_content
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.quantize import plan_quantization, quantize_model
from compiler.onnx_target.scheme import Scheme
from compiler.onnx_target.write import write_model
from runtime.optimize import write_optimized
from runtime.optimized import find_optimized
from runtime.provenance import read_provenance, write_provenance
from runtime.verification import witness
from runtime.verification.against import compare_question
from runtime.verification.checks import Check, Verification
from runtime.verification.facts import read_facts
from runtime.verification.inside import ModelInside
from runtime.verification.witness import find_votes
from tests.lowering import graph_of, stir
from tests.runtime.models import build_double, convert_to_half, save
from tests.runtime.models import build_model as build_file


def make(spec: str = "resnet_digits", seed: int = 0) -> tuple[Graph, nn.Module]:
    graph = elaborate(load(spec))
    return graph, stir(to_torch(graph, seed=seed), seed)


def export(folder: Path, graph: Graph, module: nn.Module) -> Path:
    path = folder / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False)
    return path


def spoil(path: Path, name: str = "linear_0.bias", number: float = 0.5) -> None:
    model = onnx.load(path)
    tensor = next(item for item in model.graph.initializer if item.name == name)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[1] = number
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    onnx.save(model, path)


def statuses(found: Verification) -> dict[str, str]:
    return {check.name: check.status for check in found.checks}


def runs(found: Verification) -> list[Check]:
    return [check for check in found.checks if " × " in check.name]


def text_of(found: Verification, name: str) -> str:
    return next(check.text for check in reversed(found.checks) if check.name == name)


def test_an_export_is_verified_by_itself(tmp_path: Path) -> None:
    found = verify_model(export(tmp_path, *make()))
    assert found.passed
    assert list(statuses(found)) == [
        *("file", "content", "numbers", "inference", "image 1 × 1 × 8 × 9", "image 3 × 1 × 1 × 1"),
        *("image 1 × 1 × 1 × 17", "image 2 × 1 × 17 × 1", "image 1 × 1 × 8 × 8", "shapes", "batch"),
    ]
    assert set(statuses(found).values()) == {"passed"}
    assert all("onnx.reference agrees" in check.text for check in runs(found))
    assert found.facts is not None
    assert (found.facts.opset, found.facts.ir_version) == (17, 8)
    row = json.loads(json.dumps(found.to_dict()))
    assert row["passed"] is True
    assert row["file"]["metadata"]["name"] == "resnet_digits"
    assert row["file"]["metadata"]["sizes"]["H"]["value"] == 8


def test_an_export_agrees_with_its_original(tmp_path: Path) -> None:
    graph, module = make()
    found = verify_model(export(tmp_path, graph, module), (graph, module.state_dict()))
    assert found.passed
    assert statuses(found) | {"network": "passed", "weights": "passed", "torch": "passed"} == statuses(found)
    assert found.bisection is None


def test_chosen_sizes_and_batches_are_what_runs(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    found = verify_model(path, (graph, module.state_dict()), batches=(4, 2), sizes={"H": 11})
    assert {"image 4 × 1 × 11 × 8", "image 2 × 1 × 11 × 8"} <= statuses(found).keys()
    assert "at 2 inputs" in text_of(found, "torch")
    with pytest.raises(ArchspecError, match="no free size 'D'"):
        verify_model(path, sizes={"D": 3})


def test_a_large_network_has_another_witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.verification.witness.MOST_MACS", 1000)
    found = verify_model(export(tmp_path, *make()))
    assert found.passed
    assert "ONNX Runtime without its optimizations agrees" in runs(found)[0].text


def test_a_network_that_is_never_cheap_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.verification.feeds.PROOF_BUDGET", 10)
    found = verify_model(export(tmp_path, *make("residual_mlp")))
    assert [check.name for check in found.checks] == [
        *("file", "content", "numbers", "inference", "x 1 × 100", "shapes", "batch")
    ]


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


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_no_export(number: float, tmp_path: Path) -> None:
    path = export(tmp_path, *make())
    spoil(path, number=number)
    found = verify_model(path)
    numbers = "failed" if number != number else "noted"  # a mask may hold infinity, and may reach the output
    assert statuses(found) | {"numbers": numbers, "content": "failed"} == statuses(found)
    assert {check.status for check in runs(found)} == {"noted"}
    assert not found.passed
    assert "linear_0.bias" in text_of(found, "numbers")


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\xff")
    found = verify_model(tmp_path / "m.onnx")
    assert (found.passed, found.facts) == (False, None)
    assert "not an ONNX file, or it is cut off" in found.checks[0].text
    assert "does not exist" in verify_model(tmp_path / "nowhere.onnx").checks[0].text


def test_external_data_is_read_and_checked(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    found = verify_model(path, (graph, module.state_dict()))
    assert found.passed
    assert found.facts is not None
    assert found.facts.data == ("m.data",)
    with (tmp_path / "m.data").open("r+b") as data:
        data.truncate(1000)
    assert not verify_model(path).passed


def test_a_foreign_file_is_verified_too(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    found = verify_model(path, sizes={"H": 5, "W": 6})
    assert found.passed
    with pytest.raises(ArchspecError, match="--size H="):
        verify_model(path)


def test_a_batch_or_size_that_a_file_has_not_is_refused(tmp_path: Path) -> None:
    path = save(build_double((2, 3, "h", 5)), tmp_path / "m.onnx")
    found = verify_model(path, batches=[2], sizes={"x.2": 6})
    assert found.passed
    assert runs(found)[0].name.startswith("x 2 × 3 × 6 × 5")
    for batches in ([1], [2, 1]):
        with pytest.raises(
            ArchspecError, match=r"m\.onnx has no free first axis for a batch of \d \(inputs: x: float32"
        ):
            verify_model(path, batches=batches, sizes={"h": 6})
    with pytest.raises(ArchspecError, match=r"no free size 'x\.3' \(free sizes: h; inputs: "):
        verify_model(path, sizes={"x.2": 6, "x.3": 5})


def test_a_witness_that_differs_fails_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add_one(self: Any, feed: Any) -> tuple[str, dict[str, np.ndarray]]:
        return "a liar", {"y": 2 * feed["x"] + np.float32(1)}

    path = save(build_double(), tmp_path / "m.onnx")
    monkeypatch.setattr("runtime.verification.witness.Witness.run", add_one)
    found = verify_model(path, sizes={"H": 5, "W": 6})
    assert not found.passed
    assert "differs from a liar by" in runs(found)[0].text


def test_votes_are_compared_by_position(tmp_path: Path) -> None:
    graph = graph_of(Vote(), Shape(4, 8, 9), Shape(4, 8, 9), Shape(4, 8, 9))
    path = tmp_path / "m.onnx"
    to_onnx(graph, {}, path, verify=False)
    assert verify_model(path, (graph, {})).passed


@pytest.mark.parametrize("options", [{}, {"precision": "fp16"}, {"precision": "fp16", "io": "fp32"}])
def test_votes_are_known_in_a_file(options: dict[str, Any]) -> None:
    graph = graph_of(Vote(), Shape(4, 8, 9), Shape(4, 8, 9), Shape(4, 8, 9))
    assert find_votes(build_model(graph, {}, options=ExportOptions(**options)).head) == {"y"}
    mean = graph_of(Mean(), Shape(4, 8, 9), Shape(4, 8, 9))
    assert not find_votes(build_model(mean, {}, options=ExportOptions(**options)).head)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_has_its_own_limits(precision: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    path = tmp_path / "m.onnx"
    write_model(build_model(graph, weights, options=ExportOptions(precision=precision)), path)
    found = verify_model(path, (graph, weights))
    assert found.passed
    assert found.facts is not None
    assert found.facts.precision == precision
    twin = f"on a twin in float32 whose results are rounded to {'bfloat16' if precision == 'bf16' else 'float16'}"
    assert (statuses(found).get("twin") == "noted") == (precision == "bf16")
    assert all((f"finite {twin}; " in row.text) == (precision == "bf16") for row in runs(found))
    if precision == "bf16":
        who = "the same twin without ONNX Runtime's optimizations agrees to"
    else:
        who = f"ONNX Runtime without its optimizations ({twin}) agrees to"
        monkeypatch.setattr(witness, "MOST_MACS", 0)
        found = verify_model(path, batches=[1])
    assert all(f"; {who}" in row.text for row in runs(found))
    assert not verify_model(path, (graph, weights), tolerance=1e-6).passed


def quantize(folder: Path, graph: Graph, weights: dict[str, Any], spoiled: Sequence[str] = ()) -> Path:
    """The file in integers, with ranges from one batch."""
    model = build_model(graph, weights)
    write_model(model, folder / "float.onnx")
    random = np.random.default_rng(0)
    feed = {name: random.standard_normal((8, *node.shape)).astype(np.float32) for name, node in graph.inputs.items()}
    wanted = plan_quantization(model, "u8s8").values
    values = ModelInside(folder / "float.onnx").read([name for name in wanted if name not in feed], feed) | feed
    ranges = {name: (float(values[name].min()), float(values[name].max())) for name in wanted}
    ranges |= {name: (low / 8, high / 8) for name, (low, high) in ranges.items() if name in spoiled}
    path = folder / "int8.onnx"
    write_model(quantize_model(model, Scheme("u8s8", ranges), {"archspec.precision": "int8"}), path)
    return path


def test_integers_are_compared_node_by_node(tmp_path: Path) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    found = verify_model(quantize(tmp_path, graph, weights), (graph, weights))
    assert found.passed
    assert "by itself is off by at most" in text_of(found, "nodes")
    assert "onnx.reference agrees" in runs(found)[0].text
    assert "torch" not in statuses(found)
    found = verify_model(tmp_path / "int8.onnx", (graph, make(seed=1)[1].state_dict()))
    assert not found.passed


def test_a_range_that_cuts_off_most_is_found(tmp_path: Path) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    found = verify_model(quantize(tmp_path, graph, weights, spoiled=("relu_0",)), (graph, weights))
    assert not found.passed
    assert found.bisection is not None
    assert found.bisection.first is not None
    assert graph[found.bisection.first.computes[0]].inputs == ("relu_0",)


def test_images_of_a_narrow_range_are_no_fault(tmp_path: Path) -> None:
    """Random inputs go beyond what a calibration saw."""
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    assert verify_model(quantize(tmp_path, graph, weights, spoiled=("image",)), (graph, weights)).passed


def test_what_was_optimized_beside_a_file_is_verified_too(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    assert "optimized" not in statuses(verify_model(path))
    beside = write_optimized(path)
    found = verify_model(path, (graph, module.state_dict()))
    assert found.passed
    assert f"{beside.name}, which a session here loads instead: m.onnx agrees to" in text_of(found, "optimized")
    with pytest.raises(
        ArchspecError, match=rf"{beside.name} is the optimized form of the model .*: archspec verify {path}$"
    ):
        verify_model(beside)
    spoil(path)
    found = verify_model(path, (graph, module.state_dict()))
    assert statuses(found)["torch"] == "failed"
    assert statuses(found)["optimized"] == "noted"
    assert "m.onnx is not the model that it was made from" in text_of(found, "optimized")


def test_an_optimized_form_without_its_data_is_noted(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    beside = write_optimized(path)
    (data,) = tmp_path.glob("*.data")
    data.unlink()
    found = verify_model(path)
    assert found.passed
    assert statuses(found)["optimized"] == "noted"
    assert f"{data} does not exist" in text_of(found, "optimized")
    assert not verify_model(beside).passed


def test_an_optimized_form_of_other_numbers_is_found(tmp_path: Path) -> None:
    """Whoever seals it: what a session would compute is compared."""
    path = export(tmp_path, *make())
    beside = write_optimized(path)
    facts, model = read_provenance(beside), onnx.load(beside, load_external_data=False)
    last = next(node for node in model.graph.node if node.op_type == "Gemm")
    next(item for item in last.attribute if item.name == "alpha").f = 2.0
    onnx.save(model, beside)
    assert statuses(verify_model(path))["optimized"] == "noted"
    assert statuses(verify_model(beside))["content"] == "failed"
    told = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, {key: told[key] for key in told if not key.startswith("archspec.optimized")})
    onnx.save(model, beside)
    write_provenance(beside, facts, facts.names)
    found = verify_model(path)
    assert {name for name, status in statuses(found).items() if status == "failed"} == {"optimized"}
    assert "differs from m.onnx by" in text_of(found, "optimized")


def test_times_are_not_trusted(tmp_path: Path) -> None:
    """A session trusts them, and a verification reads every number."""
    path = export(tmp_path, *make())
    beside = write_optimized(path)
    (data,) = tmp_path.glob(f"{beside.name}.*.data")
    found, content = data.stat(), bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    os.utime(data, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert find_optimized(path) == beside
    wrong = verify_model(path)
    assert (statuses(wrong)["optimized"], wrong.passed) == ("failed", False)
    assert f"a session here loads {beside.name} instead" in text_of(wrong, "optimized")
    assert "its data are not what was written" in text_of(wrong, "optimized")
    data.touch()
    assert find_optimized(path) is None
    unused = verify_model(path)
    assert (statuses(unused)["optimized"], unused.passed) == ("noted", True)


def test_the_precision_is_that_of_the_numbers(tmp_path: Path) -> None:
    """Of a file that a converter changed in place, which keeps what it said."""
    path = export(tmp_path, *make())
    assert verify_model(path).facts.precision == "fp32"  # type: ignore[union-attr]
    convert_to_half(path)
    found = verify_model(path)
    assert found.facts is not None
    assert (found.facts.precision, found.facts.metadata["precision"]) == ("float16", "fp32")
    assert {name for name, status in statuses(found).items() if status == "failed"} == {"content"}
    assert "this is not what was exported: its content is" in text_of(found, "content")


def test_an_ensemble_is_not_held_against_one_network(tmp_path: Path) -> None:
    graph, module = make()
    path = tmp_path / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False, metadata={"archspec.members": "3"})
    assert verify_model(path).passed
    with pytest.raises(ArchspecError, match="is an ensemble of 3 members"):
        verify_model(path, (graph, module.state_dict()))


def test_small_tensors_and_scalars_are_no_matter(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"])]
    model = build_file(nodes, {"x": ("N", 3)}, {"y": ("N", 3)}, {"two": np.array(2, np.float32)})
    found = verify_model(save(model, tmp_path / "m.onnx"))
    assert found.passed
    assert found.facts is not None
    assert found.facts.numbers == 1


@pytest.mark.parametrize("facts", [{}, {"length": "0"}, {"offset": "96"}])
def test_external_data_that_is_too_short_is_said(facts: dict[str, str], tmp_path: Path) -> None:
    path = export(tmp_path, *make())
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in ({"location": "side.data"} | facts).items():
        tensor.external_data.add(key=key, value=value)
    save(model, path)
    (tmp_path / "side.data").write_bytes(bytes(100))
    found = verify_model(path)
    assert not found.passed
    assert tensor.name in found.checks[0].text


def test_tensors_of_unusual_types_are_left_where_they_are(tmp_path: Path) -> None:
    texts = helper.make_tensor("texts", onnx.TensorProto.STRING, [400], [b"text"] * 400)
    model = build_file([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3)}, {"y": ("N", 3)})
    model.graph.initializer.append(texts)
    assert verify_model(save(model, tmp_path / "m.onnx")).passed


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
