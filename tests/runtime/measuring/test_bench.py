"""A benchmark runs what it says, as often as it says; the clock is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archspec.api import open_network
from archspec.errors import ArchspecError
from runtime.measuring.bench import LEAST_RUNS, WARMUPS, bench
from runtime.session.inputs import make_inputs
from runtime.session.session import Session
from tests.support.models import build_double, build_model, save

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


def test_axes_without_a_name_are_sizes_by_their_places(tmp_path: Path) -> None:
    """Each by itself: 8 × 16 can be asked for."""
    session = open_double(tmp_path, (None, 3, None, "?"), {})
    assert make_inputs(session, 2, {"x.2": 8, "x.3": 16})["x"].shape == (2, 3, 8, 16)
    (row,) = bench(session, (2,), sizes={"x.2": 8, "x.3": 16}, seconds=0.01)
    assert row.batch == 2
    with pytest.raises(
        ArchspecError, match=r"the size x\.3 of the input x: .*\(x\.0, 3, x\.2, x\.3\) is free: .*--size x\.3="
    ):
        bench(session, sizes={"x.2": 8})
    with pytest.raises(ArchspecError, match=r"no free size '\?'"):
        bench(session, sizes={"?": 8})
    with pytest.raises(ArchspecError, match=r"no free size 'x\.0': it is the batch"):
        bench(session, sizes={"x.0": 8})


def test_a_named_axis_may_be_called_by_its_place(tmp_path: Path) -> None:
    """A name stands for one number wherever it stands."""
    session = open_double(tmp_path, ("N", 3, "h", "h"), {})
    assert (
        make_inputs(session, 2, {"x.2": 8})["x"].shape == make_inputs(session, 2, {"h": 8})["x"].shape == (2, 3, 8, 8)
    )
    assert make_inputs(session, 2, {"x.2": 8, "h": 8, "x.3": 8})["x"].shape == (2, 3, 8, 8)
    with pytest.raises(ArchspecError, match=r"the size h is given as 8 and, as 'x\.3', as 9"):
        make_inputs(session, 2, {"x.2": 8, "x.3": 9})
    with pytest.raises(ArchspecError, match=r"no free size 'x\.1' \(free sizes: h; inputs: x: float32"):
        make_inputs(session, 2, {"x.1": 3})
    with pytest.raises(ArchspecError, match=r"no free size 'N': it is the batch"):
        make_inputs(session, 2, {"x.0": 3})
    fixed = Session(session.path, providers=["cpu"], fixed={"x.3": 8})
    assert fixed.inputs == {"x": ("N", 3, 8, 8)}
    with pytest.raises(ArchspecError, match=r"no free size 'x\.3' \(free sizes: none"):
        make_inputs(fixed, 2, {"x.3": 8})


@pytest.mark.parametrize("name", ["analyze", "session"])
def test_analyses_and_sessions_call_an_axis_the_same(tmp_path: Path, name: str) -> None:
    path = open_double(tmp_path, ("?", 3, None, "W"), {}).path
    sizes = {"x.2": 8, "W": 16}
    if name == "analyze":
        graph, _ = open_network(path, sizes=sizes)
        assert [str(node.shape) for node in graph.inputs.values()] == ["3×8×16"]
    else:
        assert make_inputs(Session(path, providers=["cpu"]), 1, sizes)["x"].shape == (1, 3, 8, 16)


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
