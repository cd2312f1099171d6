"""The benchmark on a GPU, as far as it goes without one: all of it but the GPU's own calls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu, gpu_runners
from benchmarks.gpu_cells import MODES, GpuCell
from benchmarks.gpu_page import average_ratios, render
from benchmarks.measuring import run_benchmark
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.settings import Settings
from runtime.session.tuning_file import TuningEntry, identify, keep_entries
from tests.support.models import build_linear, save

ROOT = Path(__file__).parents[2]


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    return save(build_linear(weight, np.zeros(10, np.float32)), tmp_path / "m.onnx")


def draw(batch: int) -> Any:
    return np.random.default_rng(1).standard_normal((batch, 1, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("runtime", ["default", "tuned"])
def test_a_runner_times_what_computes(linear: Path, tmp_path: Path, runtime: str) -> None:
    np.save(tmp_path / "images.npy", draw(3))
    runner = gpu_runners.GpuRunner(runtime)
    taken = runner.open(str(linear), str(tmp_path / "images.npy"), "cpu", str(tmp_path / "outputs.npz"))
    with np.load(tmp_path / "outputs.npz") as found:
        expected = Session(linear, providers=("cpu",)).run(draw(3))["logits"]
        assert np.allclose(found["arr_0"], expected, atol=1e-5)
        assert not np.allclose(found["arr_0"], expected[::-1], atol=1e-5)
    assert taken > 0
    assert all(min(runner.time(mode, 1e-6)) > 0 for mode in MODES)


def test_a_tuned_runner_takes_what_was_stored(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Session] = []
    settings, sizes = Settings(threads=1, spinning=False), {"N": 2}
    keep_entries(linear, (TuningEntry(identify(ModelFile.open(linear), "cpu"), sizes, True, settings, 1.0, 2.0),))
    bind = Session.bind

    def keep(session: Session, feed: Any) -> Any:
        opened.append(session)
        return bind(session, feed)

    monkeypatch.setattr(Session, "bind", keep)
    gpu_runners.open_tuned(str(linear), draw(2), "cpu")
    gpu_runners.open_default(str(linear), draw(2), "cpu")
    assert [session.settings for session in opened] == [settings, Settings()]
    assert [session.fixed for session in opened] == [sizes, {}]


@pytest.mark.parametrize(
    ("runtime", "source", "message"),
    [
        ("tensorrt", "m.onnx", "it runs on a GPU alone"),
        ("torch-tensorrt", "resnet20:32:fp32:w", "it runs on a GPU alone"),
        ("eager", "resnet20:32:int8:w", "torch has no int8 convolutions"),
    ],
)
def test_what_a_runtime_cannot_do_is_said(runtime: str, source: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        gpu_runners.RUNTIMES[runtime](source, draw(1), "cpu")


def make_cell() -> GpuCell:
    cell = GpuCell("resnet50", 8, "fp32", failed={"TensorRT": "there is none"})
    times = {"CUDA": 0.002, "CUDA, tuned": 0.001, "torch eager": 0.004, "torch.compile": 0.0015}
    for name, seconds in times.items():
        cell.calls[name] = {"resident": [[seconds] * 3] * 5, "whole": [[2 * seconds] * 3] * 5}
        cell.opened[name], cell.apart[name], cell.agreeing[name] = 1.0, 1e-6, 1.0
    return cell


def test_a_row_compares_our_fastest_with_the_fastest_peer() -> None:
    compared = make_cell().compare("resident")
    assert compared is not None
    assert (compared["ours"], compared["peer"]) == ("CUDA, tuned", "torch.compile")
    assert compared["ratio"]["median"] == pytest.approx(1.5)
    assert make_cell().to_dict()["candidates"]["CUDA"]["images_per_second"] == pytest.approx(4000)
    assert GpuCell("resnet50", 8, "fp32").compare("resident") is None


def test_the_report_says_what_could_not_run() -> None:
    report = {
        "device": "NVIDIA Something",
        "rounds": 5,
        "seconds": 0.25,
        "missing": ["tensorrt is not installed: no figures of TensorRT"],
        "machine": {"cpu": "a", "cores": 2, "os": "b", "python": "3", "packages": {}},
        "load_average": {"before": 0.0, "after": 0.0},
        "geometric_means": {mode: average_ratios([make_cell()], mode) for mode in MODES},
    }
    text = render(report, [make_cell(), GpuCell("unet", 1, "int8")])
    assert (
        "| resnet50 | 8 | fp32 | 2.00 | **1.00** | 4.00 | 1.50 | 1.50 (1.50–1.50) torch.compile / CUDA, tuned |" in text
    )
    assert "| unet | 1 | int8 | – | – | – | – | – |" in text
    assert "- resnet50, fp32, TensorRT: there is none" in text
    assert "- tensorrt is not installed" in text
    assert "Geometric mean of the ratios: fp32 1.50." in text


def test_results_stay_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.session.machine.find_gpu_problem", lambda: "no GPU was found: it is a test")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        run_benchmark("gpu", "", gpu.TASKS, gpu.measure, render, gpu.PACKAGES, add_options=gpu.add_options)
    assert stopped.value.code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_whole_benchmark_runs_on_a_cpu(tmp_path: Path) -> None:
    """The network that takes the least, and candidates that compile nothing."""
    words = ["--device", "cpu", "--quick", "--networks", "mobilenet_v2", "--batches", "1", "--precisions", "fp32"]
    words += ["--candidates", "CUDA", "CUDA, tuned", "TensorRT", "torch eager", "--seconds", "0.001", "--tune", "0.1"]
    command = [sys.executable, "-m", "benchmarks.gpu", *words, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert report["device"].startswith("no GPU")
    (cell,) = report["cells"]
    assert set(cell["candidates"]) == {"CUDA", "CUDA, tuned", "torch eager"}
    assert all(found["relative_difference_from_fp32"] < 1e-4 for found in cell["candidates"].values())
    assert all(found["predictions_as_in_fp32"] == 1 for found in cell["candidates"].values())
    assert list(cell["could_not_run"]) == ["TensorRT"]
    assert (tmp_path / "gpu.md").read_text(encoding="utf-8") in done.stdout
