"""The doctor works where nothing else does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archspec.telemetry import BUILD_SERVERS, VARIABLE
from runtime import doctor
from runtime.doctor import ProviderAttempt, examine
from runtime.session.machine import Cores, read_instructions
from tests.support.without import run_without


def test_a_healthy_machine() -> None:
    report = examine()
    assert report.versions["numpy"] == __import__("numpy").__version__
    assert report.versions["onnx"] == __import__("onnx").__version__
    assert [item.provider for item in report.attempts] == ["tensorrt", "cuda", "cpu"]
    assert report.attempts[-1] == ProviderAttempt("cpu", True)
    assert "cpu" in report.available
    assert all(item.works or item.reason for item in report.attempts)
    assert all("\n" not in line for line in report.advice)
    json.dumps(report.to_dict())


@pytest.mark.parametrize("missing", [["onnxruntime"], ["onnx"], ["torch", "onnx", "onnxruntime", "sklearn", "PIL"]])
def test_missing_packages_stop_nothing(missing: list[str]) -> None:
    code = "import json; from runtime.doctor import examine; print(json.dumps(examine().to_dict()))"
    report = json.loads(run_without(missing, code))
    cpu = report["attempts"][-1]
    assert not cpu["works"]
    assert "is not installed; run: pip install 'archspec-compiler[run]'" in cpu["reason"]


def test_what_is_not_installed_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"numpy": "2.0", "safetensors": "0.5", "onnx": "1.22"}
    monkeypatch.setattr(doctor, "_find_version", found.get)
    advice = examine().advice
    assert "missing torch, scikit-learn: pip install 'archspec-compiler[train]'" in advice
    assert "missing pillow: pip install 'archspec-compiler[run]'" in advice
    assert "onnxruntime is not installed: pip install 'archspec-compiler[run]'" in advice


def test_two_runtimes_at_once_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict.fromkeys([*doctor.PACKAGES, "onnxruntime", "onnxruntime-gpu"], "1.0")
    monkeypatch.setattr(doctor, "_find_version", found.get)
    report = examine()
    assert report.runtimes == {"onnxruntime": "1.0", "onnxruntime-gpu": "1.0"}
    assert any(
        line.startswith("onnxruntime and onnxruntime-gpu are both installed and overwrite each other: pip uninstall")
        and line.endswith("pip install onnxruntime-gpu")
        for line in report.advice
    )


@pytest.mark.parametrize(
    ("script", "gpus", "advice"),
    [
        ("echo 'NVIDIA H200, 570.1, 143771 MiB'", ("NVIDIA H200, 570.1, 143771 MiB",), ()),
        ("echo 'No devices were found'; exit 6", (), ("nvidia-smi failed (No devices were found): reinstall the",)),
        ("exec sleep 60", (), ("nvidia-smi did not answer in 0 s: the driver hangs",)),
    ],
)
def test_nvidia_smi_is_asked_with_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, gpus: tuple[str, ...], advice: tuple[str, ...]
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "PATIENCE", 0.4 if "sleep" in script else 10.0)
    report = examine()
    assert report.gpus == gpus
    for line in advice:
        assert any(item.startswith(line) for item in report.advice)


@pytest.mark.parametrize(
    ("problem", "failed", "expected"),
    [
        ("no GPU was found", {"cuda": "x", "tensorrt": "x"}, "no GPU was found, and models run on the CPU"),
        (None, {"cuda": "could not load libcublas"}, "CUDA does not work (could not load libcublas): pip install"),
        (None, {"tensorrt": "no library"}, "TensorRT does not work (no library): it is optional"),
        (None, {"cpu": "broken"}, "no session runs, not even on the CPU: broken"),
        (None, {}, None),
    ],
)
def test_each_failure_has_its_advice(
    monkeypatch: pytest.MonkeyPatch, problem: str | None, failed: dict[str, str], expected: str | None
) -> None:
    monkeypatch.setattr(doctor, "find_gpu_problem", lambda: problem)
    attempts = tuple(ProviderAttempt(name, name not in failed, failed.get(name, "")) for name in doctor.TRIED)
    lines = doctor._advise_attempts(attempts, ("a GPU",))
    assert len(lines) == (expected is not None)
    assert not expected or lines[0].startswith(expected)


@pytest.mark.parametrize(
    ("variables", "telemetry", "silencer"),
    [({VARIABLE: "1"}, "off", VARIABLE), ({VARIABLE: "0"}, "on", None), ({VARIABLE: "0", "CI": "true"}, "off", "CI")],
)
def test_telemetry_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], telemetry: str, silencer: str | None
) -> None:
    for name in BUILD_SERVERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    report = examine()
    assert (report.telemetry, report.silencer) == (telemetry, silencer)


def test_a_quota_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "read_cores", lambda: Cores(2, 0.5))
    assert examine().cores == "2 cores, of which a quota allows 0.5"


def test_a_distribution_of_our_name_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found as pip leaves it, beside ours."""
    assert not any("another distribution" in line for line in examine().advice)
    (tmp_path / "archspec-0.2.7.dist-info").mkdir()
    (tmp_path / "archspec-0.2.7.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: archspec\nVersion: 0.2.7\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = [line for line in examine().advice if "another distribution" in line]
    assert line.startswith("another distribution that is called archspec (0.2.7) is installed too")
    assert "pip uninstall -y archspec && pip install --force-reinstall --no-deps archspec-compiler" in line


def test_instructions_are_read_where_the_system_tells(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu sse avx2 avx512f avx512_vnni\nbugs\t: avx_vnni\n")
    assert read_instructions(path) == ("avx2", "avx512", "vnni")
    assert read_instructions(tmp_path / "none") == ()
