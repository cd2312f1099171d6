"""A session says what it runs on and what it was fed wrongly."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from runtime import providers
from runtime.session import Session
from tests.runtime.models import build_double, build_model, save


@pytest.fixture
def double(tmp_path: Path) -> Path:
    sizes = {"H": {"value": 224, "first": 188, "step": 16}, "W": {"value": 7}}
    return save(build_double(metadata={"archspec.sizes": json.dumps(sizes), "note": "hello"}), tmp_path / "m.onnx")


def open_on_cpu(path: Path, **options: Any) -> Session:
    return Session(path, providers=("cpu",), **options)


def test_a_session_runs_and_describes_itself(double: Path) -> None:
    session = open_on_cpu(double, threads=1)
    x = np.random.default_rng(0).standard_normal((2, 3, 204, 7)).astype(np.float32)
    assert np.array_equal(session.run(x)["y"], x + x)
    assert np.array_equal(session.run({"x": x[:, :, ::1][::-1]})["y"], 2 * x[::-1])
    assert session.inputs == {"x": ("N", 3, "H", "W")} == {"x": session.outputs["y"]}
    assert (session.provider, session.notice, session.fixed_batch) == ("cpu", None, None)
    assert session.metadata["note"] == "hello"


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (np.zeros((1, 3, 224, 7)), r"'x' is float64, the model takes float32: use \.astype\('float32'\)"),
        (np.zeros((3, 224, 7), np.float32), r"3 axes, \(3, 224, 7\); the model takes x: float32 \(N, 3, H, W\)"),
        (np.zeros((1, 4, 224, 7), np.float32), "axis 1 is 4; the model takes 3"),
        (np.zeros((0, 3, 224, 7), np.float32), r"axis 0 \(N\) is empty"),
        (np.zeros((1, 3, 200, 7), np.float32), r"axis 2 \(H\) is 200; the model takes 188, 204, 220, … \(written for"),
        (np.zeros((1, 3, 172, 7), np.float32), r"axis 2 \(H\) is 172"),
        (np.zeros((1, 3, 188, 8), np.float32), r"axis 3 \(W\) is 8; the model takes only 7"),
        ({"z": np.zeros(1)}, r"has no input 'z' \(inputs: x: float32"),
        ({}, "needs the input 'x' too"),
    ],
)
def test_a_wrong_input_is_named(double: Path, feed: Any, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        open_on_cpu(double).run(feed)


@pytest.mark.parametrize("extent", [188, 204, 224, 1004])
def test_sizes_that_the_metadata_allows_run(double: Path, extent: int) -> None:
    assert open_on_cpu(double).run(np.ones((1, 3, extent, 7), np.float32))["y"].shape == (1, 3, extent, 7)


def test_a_name_means_one_extent_in_all_inputs(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ["N"], "b": ["N"]}, {"y": ["N"]})
    session = open_on_cpu(save(model, tmp_path / "m.onnx"))
    with pytest.raises(ArchspecError, match=r"'b', axis 0 \(N\) is 3, but input 'a', axis 0 \(N\) is 2"):
        session.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
    with pytest.raises(ArchspecError, match=r"several inputs, by name: a: float32 \(N,\); b"):
        session.run(np.ones(2, np.float32))


def test_unnamed_axes_are_free_and_fixed_ones_are_not(tmp_path: Path) -> None:
    session = open_on_cpu(save(build_double((2, None, None)), tmp_path / "m.onnx"))
    assert session.inputs == {"x": (2, "?", "?")}
    assert session.fixed_batch == 2
    assert session.run(np.ones((2, 3, 4), np.float32))["y"].shape == (2, 3, 4)


def test_a_failure_inside_onnx_runtime_is_one_line(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ["N"], "b": ["M"]}, {"y": ["K"]})
    session = open_on_cpu(save(model, tmp_path / "m.onnx"))
    with pytest.raises(ArchspecError, match=r"ONNX Runtime failed: .*Add") as caught:
        session.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
    assert "\n" not in str(caught.value)


def test_a_model_for_a_later_runtime_is_refused_in_one_line(tmp_path: Path) -> None:
    model = build_double()
    model.opset_import[0].version = 28
    model.ir_version = 14
    with pytest.raises(ArchspecError, match=r"cannot load it|not a valid ONNX model") as caught:
        open_on_cpu(save(model, tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)


def test_inputs_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": ["N"]}, {"y": ["N"]}, kind=TensorProto.STRING
    )
    with pytest.raises(ArchspecError, match=r"'x' is a tensor\(string\)"):
        open_on_cpu(save(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]",
        '{"H": 3}',
        '{"H": {}}',
        '{"H": {"value": 0}}',
        '{"H": {"value": 8, "first": 8}}',
        '{"H": {"value": 1e3}}',
    ],
)
def test_malformed_sizes_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArchspecError, match=r"archspec\.sizes"):
        open_on_cpu(save(build_double(metadata={"archspec.sizes": text}), tmp_path / "m.onnx"))


def test_names_and_metadata_that_are_no_text_are_refused(tmp_path: Path) -> None:
    whole = build_double(metadata={"note": "hello"}).SerializeToString()
    for word in (b"hello", b"N"):
        (tmp_path / "m.onnx").write_bytes(whole.replace(word, b"\x9c" * len(word)))
        with pytest.raises(ArchspecError, match="not UTF-8 text"):
            open_on_cpu(tmp_path / "m.onnx")


def test_threads_are_checked(double: Path) -> None:
    with pytest.raises(ArchspecError, match="threads must be at least 1"):
        open_on_cpu(double, threads=0)


# Which processor: the same on every machine, because what the machine has is replaced.


def pretend(monkeypatch: pytest.MonkeyPatch, available: list[str], problem: str | None) -> None:
    monkeypatch.setattr(providers, "list_available", lambda: available)
    monkeypatch.setattr(providers, "find_gpu_problem", lambda: problem)


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("available", "problem", "notice"),
    [
        (
            [CUDA, CPU],
            "no GPU was found",
            "CUDA provider is installed but could not be used (no GPU was found); running on CPU",
        ),
        ([CPU], "no GPU was found", "no GPU was found; running on CPU"),
        ([CPU], None, "has no CUDA provider"),
    ],
)
def test_a_missing_gpu_is_said_aloud(
    double: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    available: list[str],
    problem: str | None,
    notice: str,
) -> None:
    pretend(monkeypatch, available, problem)
    with caplog.at_level(logging.WARNING, logger="archspec"):
        session = Session(double)
    assert session.provider == "cpu"
    assert notice in (session.notice or "")
    assert [record.getMessage() for record in caplog.records] == [session.notice]


def test_a_gpu_that_silently_falls_back_is_said_aloud(
    double: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, [CUDA, CPU], None)
    create = providers._create
    monkeypatch.setattr(providers, "_create", lambda path, options, names: create(path, options, [CPU]))
    monkeypatch.setattr(providers, "preload_libraries", lambda: ("libcublas.so.13",))
    assert Session(double).notice == (
        "CUDA provider is installed but could not be used (could not load libcublas.so.13); running on CPU"
    )
    with pytest.raises(ArchspecError, match=r"CUDA was asked for, but the session runs on CPU \(could not load libcub"):
        Session(double, providers=["cuda"])
    assert capfd.readouterr().out == ""


def test_demands_are_met_or_refused(double: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, [CUDA, CPU], "no GPU was found")
    assert Session(double, providers=["CPUExecutionProvider"]).notice is None
    with pytest.raises(ArchspecError, match="CUDA was asked for, but no GPU was found"):
        Session(double, providers=["cuda"])
    with pytest.raises(ArchspecError, match="TensorRT was asked for, but this onnxruntime has only: cuda, cpu"):
        Session(double, providers=["tensorrt", "cuda"])
    with pytest.raises(ArchspecError, match="no provider 'cudda'; did you mean 'cuda'"):
        Session(double, providers=["cudda"])


def test_this_machines_own_best_provider_works(double: Path) -> None:
    session = Session(double)
    assert (session.notice is None) == (session.provider != "cpu")
    x = np.ones((1, 3, 188, 7), np.float32)
    assert np.allclose(session.run(x)["y"], 2 * x)
