"""A verification passes for what an export wrote, and fails, with the reason, for what is no such file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from archspec.api import verify_model
from archspec.errors import ArchspecError, InputError, ModelError, RuntimeFailure
from archspec.ops import Mean, Shape, Vote
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from runtime.session import providers
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.start import CPU
from runtime.verification.model import inside as inside_module
from runtime.verification.proof import proof as proof_module
from runtime.verification.witness.witness import find_votes
from tests.support.lowering import graph_of
from tests.support.models import build_double, save
from tests.support.models import build_model as build_file
from tests.support.verification import export, make, runs, spoil, statuses, text_of


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


def test_chosen_sizes_and_batches_are_what_runs(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    found = verify_model(path, (graph, module.state_dict()), batches=(4, 2), sizes={"H": 11})
    assert {"image 4 × 1 × 11 × 8", "image 2 × 1 × 11 × 8"} <= statuses(found).keys()
    assert "at 2 inputs" in text_of(found, "torch")
    with pytest.raises(ArchspecError, match="no free size 'D'"):
        verify_model(path, sizes={"D": 3})


def test_a_large_network_has_another_witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.verification.witness.witness.MAX_MACS", 1000)
    found = verify_model(export(tmp_path, *make()))
    assert found.passed
    assert "ONNX Runtime without its optimizations agrees" in runs(found)[0].text


def test_a_network_that_is_never_cheap_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.verification.runs.feeds.MAX_PROOF_MACS", 10)
    found = verify_model(export(tmp_path, *make("residual_mlp")))
    assert [check.name for check in found.checks] == [
        *("file", "content", "numbers", "inference", "x 1 × 100", "shapes", "batch")
    ]


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


def test_names_that_are_no_text_are_no_verdict_on_a_model(tmp_path: Path) -> None:
    """One byte of a name was changed: the file is damaged, and what it says of its maker is not repeated."""
    path = export(tmp_path, *make())
    assert verify_model(path).passed
    path.write_bytes(path.read_bytes().replace(b"archspec", b"arc\x97spec", 1))
    with pytest.raises(ModelError, match=r"is not an ONNX file, or it is damaged: its field '\w+' holds no text"):
        verify_model(path)


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
    monkeypatch.setattr("runtime.verification.witness.witness.Witness.run", add_one)
    found = verify_model(path, sizes={"H": 5, "W": 6})
    assert not found.passed
    assert "differs from a liar by" in runs(found)[0].text


@pytest.mark.parametrize("options", [{}, {"precision": "fp16"}, {"precision": "fp16", "io": "fp32"}])
def test_votes_are_known_in_a_file(options: dict[str, Any]) -> None:
    graph = graph_of(Vote(), Shape(4, 8, 9), Shape(4, 8, 9), Shape(4, 8, 9))
    assert find_votes(build_model(graph, {}, options=ExportOptions(**options)).head) == {"y"}
    mean = graph_of(Mean(), Shape(4, 8, 9), Shape(4, 8, 9))
    assert not find_votes(build_model(mean, {}, options=ExportOptions(**options)).head)


def test_small_tensors_and_scalars_are_no_matter(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"])]
    model = build_file(nodes, {"x": ("N", 3)}, {"y": ("N", 3)}, {"two": np.array(2, np.float32)})
    found = verify_model(save(model, tmp_path / "m.onnx"))
    assert found.passed
    assert found.facts is not None
    assert found.facts.numbers == 1


def test_tensors_of_unusual_types_are_left_where_they_are(tmp_path: Path) -> None:
    words: list[Any] = [b"text"] * 400
    texts = helper.make_tensor("texts", onnx.TensorProto.STRING, [400], words)
    model = build_file([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3)}, {"y": ("N", 3)})
    model.graph.initializer.append(texts)
    assert verify_model(save(model, tmp_path / "m.onnx")).passed


def test_a_file_runs_on_the_providers_that_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own runs and those that are held against torch; the witnesses stay where they are."""
    asked: list[object] = []

    class Recorded(Session):
        def __init__(self, path: Path, *, providers: Sequence[str], **more: Any) -> None:
            asked.append(providers)
            super().__init__(path, providers="cpu", **more)

    for user in (inside_module, proof_module):
        monkeypatch.setattr(user, "Session", Recorded)
    graph, module = make()
    path, weights = export(tmp_path, graph, module), module.state_dict()
    assert verify_model(path, (graph, weights), batches=[2], providers=["cuda"]).passed
    assert asked == [["cuda"], ["cuda"]]
    asked.clear()
    assert verify_model(path, (graph, weights), batches=[2]).passed
    assert asked == [("cpu",), ("cpu",)]


def test_a_file_is_opened_once_beside_the_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            opened.append(name)
            return function(*given, **more)

        return call

    graph, module = make()
    path = export(tmp_path, graph, module)
    monkeypatch.setattr(ModelFile, "open", recorded("open", ModelFile.open))
    monkeypatch.setattr(onnx, "load", recorded("load", onnx.load))
    assert verify_model(path, batches=[2]).passed
    assert sorted(opened) == ["load"] * 2 + ["open"] * 2  # its inside and the reference's model; the session's too
    opened.clear()
    assert verify_model(path, (graph, module.state_dict()), batches=[2]).passed
    assert sorted(opened) == [
        "load",
        "load",
        "open",
        "open",
        "open",
        "open",
    ]  # and the proof, with a session of its own


def test_a_provider_that_is_not_there_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "list_available", lambda: [CPU])
    path = export(tmp_path, *make())
    with pytest.raises(RuntimeFailure, match="CUDA was asked for, but this onnxruntime has only: cpu"):
        verify_model(path, providers=["cuda"])
    with pytest.raises(InputError, match="no provider 'cudda'; did you mean 'cuda'"):
        verify_model(path, providers="cudda")
    assert verify_model(path, batches=[2], providers=["CPUExecutionProvider"]).passed
