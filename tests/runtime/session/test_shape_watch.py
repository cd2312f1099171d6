"""Outputs that have not the shapes that their model declares are told of, once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from runtime.session.session import Session
from runtime.session.shape_watch import ShapeWatch, find_lies
from tests.support.models import build_model, save

MEAN = [
    helper.make_node("Reshape", ["x", "row"], ["flat"]),
    helper.make_node("ReduceMean", ["flat"], ["y"], axes=[1], keepdims=1),
]


def bind_twice(session: Session, given: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The second run reads and writes where the first did."""
    binding = session.bind(-given)
    binding.update(given)
    binding.run()
    return binding.fetch()


@pytest.mark.parametrize("bound", [False, True], ids=["run", "bind"])
@pytest.mark.parametrize(
    ("nodes", "declared", "said"),
    [
        (MEAN, ["N", 1], "the output 'y' is (1, 1), declared as (N, 1) where N is 3 in the input 'x'"),
        (MEAN, [1, 1], None),  # the controls: what is declared came, and nothing is declared
        (MEAN, None, None),
        ([helper.make_node("Neg", ["x"], ["y"])], [1, 4], "the output 'y' is (3, 4), declared as (1, 4)"),
        ([helper.make_node("Neg", ["x"], ["y"])], [6, 4], "the output 'y' is (3, 4), declared as (6, 4)"),
        ([helper.make_node("Neg", ["x"], ["y"])], ["N", 4], None),
        ([helper.make_node("Neg", ["x"], ["y"])], ["M", 4], None),  # a name that no input has
    ],
)
def test_shapes_that_lie_are_told_once(
    nodes: list[Any], declared: list[int | str] | None, said: str | None, bound: bool, tmp_path: Path, caplog: Any
) -> None:
    model = build_model(nodes, {"x": ["N", 4]}, {"y": declared or []}, {"row": np.array([1, -1])})
    if declared is None:
        model.graph.output[0].type.tensor_type.ClearField("shape")
    session = Session(save(model, tmp_path / "m.onnx"), providers="cpu")
    assert session.outputs["y"] == (None if declared is None else tuple(declared))
    for count in (3, 3, 2):
        given = np.full((count, 4), count, np.float32)
        found = bind_twice(session, given) if bound else session.run(given)
        witness = -given if nodes is not MEAN else np.full((1, 1), count)
        assert np.array_equal(found["y"], witness)
    assert [said in line for line in caplog.messages] == [True] if said else not caplog.messages


def test_of_many_threads_one_says_it(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """All of them find the shape that was not declared before one of them has said so."""
    found, together = find_lies, Barrier(4)

    def find_together(*given: Any) -> Iterator[str]:
        together.wait(10)
        return found(*given)

    monkeypatch.setattr("runtime.session.shape_watch.find_lies", find_together)
    watch = ShapeWatch(Path("m.onnx"), {"x": (1,)}, {"y": (1,)})
    shapes = [{"x": np.zeros(count)} for count in range(1, 5)]  # of one shape only the first run is looked at
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda feed: watch.look_at(feed, {"y": np.zeros(7)}), shapes))
    assert len(caplog.records) == 1
