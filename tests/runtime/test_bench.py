"""A benchmark runs what it says, as often as it says; the clock is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from runtime.bench import LEAST_RUNS, WARMUPS, bench, make_inputs
from runtime.session import Session
from tests.runtime.models import build_double, build_model, save

SIZES = {"archspec.sizes": json.dumps({"H": {"value": 8, "first": 8, "step": 4}, "W": {"value": 5}})}


def open_double(folder: Path, shape: tuple[Any, ...] = ("N", 3, "H", "W"), metadata: dict[str, str] = SIZES) -> Session:
    return Session(save(build_double(shape, metadata), folder / "m.onnx"), providers=["cpu"], threads=1)


def test_every_batch_is_timed_in_every_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_double(tmp_path)
    seen: list[tuple[int, ...]] = []
    run = session.run
    monkeypatch.setattr(session, "run", lambda feed: (seen.append(feed["x"].shape), run(feed))[1])
    rows = bench(session, (8, 1, 2, 1), seconds=1e-9, rounds=4)
    assert [row.batch for row in rows] == [1, 2, 8]
    assert [row.runs for row in rows] == [4 * LEAST_RUNS] * 3
    assert {shape[1:] for shape in seen} == {(3, 8, 5)}
    turns = [shape[0] for shape in seen[:: LEAST_RUNS + WARMUPS]]
    assert all(sorted(turns[start : start + 3]) == [1, 2, 8] for start in range(0, 12, 3))
    assert len({tuple(turns[start : start + 3]) for start in range(0, 12, 3)}) > 1


def test_a_row_is_consistent(tmp_path: Path) -> None:
    for row in bench(open_double(tmp_path), seconds=0.02):
        assert 0 < row.p50_ms <= row.p90_ms <= row.p99_ms
        assert row.images_per_second == pytest.approx(row.batch / row.mean_ms * 1e3)
        assert list(row.to_dict()) == ["batch", "p50_ms", "p90_ms", "p99_ms", "mean_ms", "images_per_second", "runs"]


def test_a_fixed_batch_is_the_only_one(tmp_path: Path) -> None:
    assert [row.batch for row in bench(open_double(tmp_path, (4, 3)), seconds=0.01)] == [4]


def test_sizes_come_from_the_caller_then_from_the_model(tmp_path: Path) -> None:
    session = open_double(tmp_path)
    assert make_inputs(session, 2, {})["x"].shape == (2, 3, 8, 5)
    assert make_inputs(session, 2, {"H": 12})["x"].shape == (2, 3, 12, 5)
    with pytest.raises(ArchspecError, match=r"axis 2 \(H\) is 13; the model takes 8, 12, 16"):
        bench(session, sizes={"H": 13})
    with pytest.raises(ArchspecError, match="no free size 'D'"):
        bench(session, sizes={"D": 13})
    with pytest.raises(ArchspecError, match=r"the size H of the input .* is free: give it with --size H=…"):
        bench(open_double(tmp_path, metadata={}))
    with pytest.raises(ArchspecError, match="export it again with that size fixed"):
        bench(open_double(tmp_path, ("N", None), {}))


def test_integer_inputs_are_zeros(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": ["N", 2]}, {"y": ["N", 2]}, kind=TensorProto.INT64
    )
    feed = make_inputs(Session(save(model, tmp_path / "m.onnx"), providers=["cpu"]), 3, {})
    assert feed["x"].dtype == np.int64
    assert not feed["x"].any()


@pytest.mark.parametrize("options", [{"batches": ()}, {"batches": (0,)}, {"rounds": 0}, {"seconds": 0}])
def test_nonsense_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArchspecError, match="must be positive"):
        bench(open_double(tmp_path), **options)
