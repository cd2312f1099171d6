"""A benchmark runs what it says, as often as it says; the clock is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.measuring.bench import MIN_RUNS, WARMUPS, bench
from runtime.session.session import Session
from tests.support.models import build_double, save

SIZES = {"archspec.sizes": json.dumps({"H": {"value": 8, "first": 8, "step": 4}, "W": {"value": 5}})}


def open_double(folder: Path, shape: tuple[Any, ...] = ("N", 3, "H", "W"), metadata: dict[str, str] = SIZES) -> Session:
    return Session(save(build_double(shape, metadata), folder / "m.onnx"), providers=["cpu"], threads=1)


def test_every_batch_is_timed_in_every_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_double(tmp_path)
    seen: list[tuple[int, ...]] = []
    run = session.run

    def watch(feed: dict[str, Array]) -> dict[str, Array]:
        seen.append(feed["x"].shape)
        return run(feed)

    monkeypatch.setattr(session, "run", watch)
    rows = bench(session, (8, 1, 2, 1), seconds=1e-9, rounds=4)
    assert [row.batch for row in rows] == [1, 2, 8]
    assert [row.runs for row in rows] == [4 * MIN_RUNS] * 3
    assert {shape[1:] for shape in seen} == {(3, 8, 5)}
    turns = [shape[0] for shape in seen[:: MIN_RUNS + WARMUPS]]
    assert all(sorted(turns[start : start + 3]) == [1, 2, 8] for start in range(0, 12, 3))
    assert len({tuple(turns[start : start + 3]) for start in range(0, 12, 3)}) > 1


def test_a_row_is_consistent(tmp_path: Path) -> None:
    for row in bench(open_double(tmp_path), seconds=0.02):
        assert row.batch
        assert 0 < row.p50_ms <= row.p90_ms <= row.p99_ms
        assert row.images_per_second == pytest.approx(row.batch / row.mean_ms * 1e3)
        assert list(row.to_dict()) == ["batch", "p50_ms", "p90_ms", "p99_ms", "mean_ms", "images_per_second", "runs"]


@pytest.mark.parametrize("shape", [(3, 8, 8), (4, 3), (), ("H", 3, "W")])
def test_a_model_without_a_free_first_axis_counts_no_images(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    """A first axis of 3 may be channels as well as a batch; H is a size of one sample by the model's own word."""
    session = open_double(tmp_path, shape)
    (row,) = bench(session, seconds=0.01)
    assert (row.batch, row.images_per_second) == (None, None)
    assert row.runs
    with pytest.raises(ArchspecError, match=r"no free first axis for a batch of 2 \(inputs: x: float32"):
        bench(session, (2,), seconds=0.01)


def test_a_fixed_batch_may_be_asked_for(tmp_path: Path) -> None:
    assert [row.batch for row in bench(open_double(tmp_path, (4, 3)), (4,), seconds=0.01)] == [None]


@pytest.mark.parametrize("options", [{"batches": ()}, {"batches": (0,)}, {"rounds": 0}, {"seconds": 0}])
def test_nonsense_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArchspecError, match="must be positive"):
        bench(open_double(tmp_path), **options)
