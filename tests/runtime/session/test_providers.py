"""Which processor a session runs on: the same on every machine, because what the machine has is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.session import providers
from runtime.session import session as session_module
from runtime.session.request import SessionRequest
from runtime.session.session import Session
from tests.support.models import build_double, save


@pytest.fixture
def double(tmp_path: Path) -> Path:
    sizes = {"H": {"value": 224, "first": 188, "step": 16}, "W": {"value": 7}}
    return save(build_double(metadata={"archspec.sizes": json.dumps(sizes), "note": "hello"}), tmp_path / "m.onnx")


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
def test_a_gpu_that_is_not_used_is_said_once_and_with_an_answer(
    double: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    available: list[str],
    problem: str | None,
    notice: str,
) -> None:
    pretend(monkeypatch, available, problem)
    session_module._TOLD.clear()
    session = Session(double)
    assert session.provider == "cpu"
    assert notice in (session.notice or "")
    with pytest.raises(ArchspecError):
        session.run(np.zeros(1))
    assert not caplog.records  # never before an error
    x = np.ones((1, 3, 188, 7), np.float32)
    for again in (session, session, Session(double)):
        again.run(x)
    # A machine without a GPU has nothing to tell; on one with a GPU it is said, once.
    assert [record.getMessage() for record in caplog.records] == ([] if problem else [session.notice])


def test_a_gpu_that_silently_falls_back_is_said_aloud(
    double: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, [CUDA, CPU], None)
    load = SessionRequest.load
    monkeypatch.setattr(SessionRequest, "load", lambda request, names: load(request, [CPU]))
    monkeypatch.setattr(providers, "preload_libraries", lambda: ("libcublas.so.13",))
    session = Session(double)
    assert session._surprising
    assert session.notice == (
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
