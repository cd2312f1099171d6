"""What `tune` finds is stored beside the model, and its session takes it up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.measuring.tune import TuneRequest, tune
from runtime.session.session import Session
from runtime.session.tuning_file import read_entries
from tests.support.models import build_double, build_linear, save


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    sizes = {"archspec.sizes": "{}"}
    return save(build_linear(weight, np.zeros(10, np.float32), metadata=sizes), tmp_path / "m.onnx")


def test_a_model_is_tuned_and_its_session_knows(linear: Path) -> None:
    steps: list[tuple[int, int]] = []
    request = TuneRequest(linear, batch=2, provider="cpu", seconds=0.1)
    found = tune(request, on_step=lambda done, of: steps.append((done, of)))
    assert found.sizes == {"N": 2}
    assert found.default_milliseconds > 0
    assert {trial.verdict for trial in (*found.trials, *found.finals)} <= {"taken", "no faster"}
    assert found.entries == read_entries(linear)
    assert steps
    session = Session(linear, providers=("cpu",))
    counts = f"{len(found.trials)} of {len(found.trials) + len(found.untried)} changes tried"
    assert (session.settings, session.settings_source) == (found.settings, f"m.onnx.tune.json: {counts}")
    assert found.batch == 2
    assert json.loads(json.dumps(found.to_dict()))["settings"] == found.settings.to_dict()


def test_a_batch_that_a_model_does_not_have_is_refused(tmp_path: Path) -> None:
    path = save(build_double((3, 8, 8)), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match="no free first axis for a batch of 2"):
        tune(TuneRequest(path, batch=2, provider="cpu", seconds=1))
    with pytest.raises(ArchspecError, match="no free first axis for a batch of 1"):
        tune(TuneRequest(path, batch=1, provider="cpu", seconds=1))
    assert tune(TuneRequest(path, provider="cpu", seconds=0.1)).batch is None


def test_sizes_by_place_are_tuned_by_name(tmp_path: Path) -> None:
    path = save(build_double(("N", 3, "h", None)), tmp_path / "m.onnx")
    found = tune(TuneRequest(path, sizes={"x.2": 8, "x.3": 5}, provider="cpu", seconds=0.1))
    assert found.sizes == {"N": 1, "h": 8, "x.3": 5}
    assert not any(trial.verdict == "failed" for trial in found.finals), found.finals


@pytest.mark.parametrize("options", [{"batch": 0}, {"seconds": 0}])
def test_nonsense_is_refused(linear: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArchspecError, match="must be positive"):
        tune(TuneRequest(linear, **options))
