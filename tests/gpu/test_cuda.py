"""On a machine with an NVIDIA GPU: what is tested elsewhere without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import archspec
from archspec.api import to_torch
from archspec.errors import ArchspecError
from runtime.measuring.climb import FIXED
from runtime.measuring.tune import TuneRequest, list_changes, tune
from runtime.session.machine import find_gpu_problem
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.settings import SETTING_SPECS, Settings
from runtime.session.tuning_file import identify

SHAPE = {"batch": 2, "H": 32, "W": 32}


def _find_problem(provider: str) -> str | None:
    """Why a provider cannot be used here; None where it can."""
    problem = find_gpu_problem()
    if problem is None:
        from runtime.doctor import examine

        problem = {attempt.provider: attempt.reason for attempt in examine().attempts}[provider] or None
    return problem


PROBLEMS = {provider: _find_problem(provider) for provider in ("cuda", "tensorrt")}
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(PROBLEMS["cuda"] is not None, reason=f"needs CUDA: {PROBLEMS['cuda']}"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = archspec.elaborate(archspec.load("resnet20"))
    path = tmp_path_factory.mktemp("gpu") / "m.onnx"
    archspec.to_onnx(graph, to_torch(graph, seed=0).state_dict(), path, verify=False)
    return path


def test_a_file_is_verified_where_it_is_to_run(model: Path, tmp_path: Path) -> None:
    """Within the limits of the CPU; one weight that is another is the control."""
    graph = archspec.elaborate(archspec.load("resnet20"))
    weights = to_torch(graph, seed=0).state_dict()
    assert archspec.verify_model(model, (graph, weights), batches=[2], providers=["cuda"]).passed
    name = next(name for name in weights if name.endswith("weight"))
    other = weights | {name: weights[name] + 0.5}
    assert not archspec.verify_model(model, (graph, other), batches=[2], providers=["cuda"]).passed


def draw(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((2, 3, 32, 32)).astype(np.float32)


def check_equal(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-4) -> None:
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() <= tolerance * np.abs(array).max()


@pytest.mark.parametrize(
    "name", [name for name, spec in SETTING_SPECS.items() if spec.place == "cuda" and name != "tf32"]
)
def test_every_setting_loads_and_changes_no_numbers(model: Path, name: str) -> None:
    allowed = SETTING_SPECS[name].allowed
    expected = Session(model, providers=("cpu",)).run(draw(0))
    for value in (False, True) if allowed is bool else sorted(allowed):
        session = Session(
            model, providers=("cuda",), settings=Settings(**cast(dict[str, Any], {name: value})), fixed=SHAPE
        )
        assert session.provider == "cuda"
        check_equal(session.run(draw(0)), expected)
        check_equal(session.run(draw(0)), expected)


def test_tf32_gives_up_digits_and_nothing_more(model: Path) -> None:
    expected = Session(model, providers=("cpu",)).run(draw(0))
    check_equal(Session(model, providers=("cuda",), settings=Settings(tf32=True)).run(draw(0)), expected, 2e-2)


def test_a_recorded_run_reads_what_it_is_given(model: Path) -> None:
    plain = Session(model, providers=("cpu",))
    recorded = Session(model, providers=("cuda",), settings=Settings(cuda_graph=True), fixed=SHAPE)
    for seed in range(4):
        check_equal(recorded.run(draw(seed)), plain.run(draw(seed)))
    with pytest.raises(AssertionError):
        check_equal(recorded.run(draw(4)), plain.run(draw(5)))


def test_a_binding_stays_on_the_device(model: Path) -> None:
    binding = Session(model, providers=("cuda",)).bind(draw(0))
    plain = Session(model, providers=("cpu",))
    check_equal(binding.fetch(), plain.run(draw(0)))
    binding.update(dict.fromkeys(plain.inputs, draw(1)))
    binding.run()
    check_equal(binding.fetch(), plain.run(draw(1)))


@pytest.mark.slow
def test_tuning_finds_settings_for_this_gpu(model: Path) -> None:
    found = tune(TuneRequest(model, batch=2, provider="cuda", seconds=60))
    assert {trial.change for trial in found.trials} | set(found.untried) == set(map(str, list_changes("cuda", 1)))
    assert not [trial for trial in (*found.trials, *found.finals) if trial.verdict in ("failed", "refused")]
    assert FIXED in {trial.change for trial in found.finals}
    assert found.key == identify(ModelFile.open(model), "cuda")
    assert Session(model, providers=("cuda",)).settings == found.settings


@pytest.mark.slow
@pytest.mark.skipif(PROBLEMS["tensorrt"] is not None, reason=f"needs TensorRT: {PROBLEMS['tensorrt']}")
def test_tensorrt_agrees_and_keeps_its_engine(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = Session(model, providers=("cpu",)).run(draw(0))
    check_equal(Session(model, providers=("tensorrt", "cuda"), fixed=SHAPE).run(draw(0)), expected, 2e-2)
    assert list(tmp_path.rglob("*.engine"))


@pytest.mark.skipif(PROBLEMS["tensorrt"] is None, reason="TensorRT is here")
def test_a_missing_tensorrt_is_refused_by_name(model: Path) -> None:
    with pytest.raises(ArchspecError, match="TensorRT was asked for"):
        Session(model, providers=("tensorrt",))
