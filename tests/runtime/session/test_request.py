"""A session is loaded as it was asked for, and its model's file is read once to describe it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.session.model_file import ModelFile
from runtime.session.request import SessionRequest
from runtime.session.session import Session
from runtime.session.settings import Settings
from runtime.session.tuning_file import SettingsSource, TuningEntry, identify, keep_entries
from tests.support.models import build_linear, save

SEEN: list[str] = []
sys.addaudithook(lambda event, given: SEEN.append(str(given[0])) if event == "open" else None)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An export of ours says its content; weights are large enough to stay where they lie."""
    metadata = {"archspec.content": "xxh3:" + 32 * "0"}
    weight = np.ones((3, 4096), np.float32)
    return save(build_linear(weight, np.zeros(3, np.float32), ("N", 1, 64, 64), metadata), tmp_path / "m.onnx")


def count_reads(path: Path, act: Callable[[], object]) -> int:
    """How often Python opens a file meanwhile; a watch opens it by os.open, with flags, and reads nothing."""
    SEEN.clear()
    act()
    return SEEN.count(str(path))


@pytest.mark.parametrize("options", [{}, {"fixed": {"N": 2}}, {"mapped": False}, {"as_written": True}])
def test_a_file_is_read_once_to_describe_it(model: Path, options: dict[str, Any]) -> None:
    key = identify(ModelFile.open(model), "cpu")
    keep_entries(model, (TuningEntry(key, {"N": 1}, False, Settings(threads=1), 1.0, 2.0),))
    found: list[Session] = []
    assert count_reads(model, lambda: found.append(Session(model, providers="cpu", **options))) == 1
    assert found[0].settings == Settings(threads=1)  # which were measured for it


def test_reads_are_counted(model: Path) -> None:
    """The control: whoever opens it twice is seen."""
    assert count_reads(model, lambda: [ModelFile.open(model) for _ in range(2)]) == 2


def test_cuda_computes_fp32_as_it_was_proven(model: Path) -> None:
    file = ModelFile.open(model)
    request = SessionRequest(file, None, SettingsSource(file), {})
    options = request.choose_options("CUDAExecutionProvider", Settings())
    assert options == {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    chosen = Settings(tf32=True, conv_search="exhaustive", nhwc=True, arena_growth="exact", threads=3)
    assert request.choose_options("CUDAExecutionProvider", chosen) == {
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "use_tf32": "1",
        "prefer_nhwc": "1",
        "arena_extend_strategy": "kSameAsRequested",
    }
    assert request.choose_options("CPUExecutionProvider", chosen) == {}
