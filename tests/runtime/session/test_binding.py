"""Runs that copy nothing compute what runs that copy do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from runtime.session.session import Session
from runtime.session.settings import Settings
from tests.support.models import build_double, save


@pytest.fixture
def model(tmp_path: Path) -> Path:
    sizes = {"H": {"value": 8, "first": 8, "step": 4}, "W": {"value": 5}}
    return save(build_double(metadata={"archspec.sizes": json.dumps(sizes)}), tmp_path / "m.onnx")


def draw(seed: int, height: int = 8) -> Any:
    return np.random.default_rng(seed).standard_normal((2, 3, height, 5)).astype(np.float32)


@pytest.mark.parametrize("fixed", [{}, {"N": 2, "H": 8, "W": 5}])
def test_a_binding_runs_on_what_was_put_there(model: Path, fixed: dict[str, int]) -> None:
    session = Session(model, providers=("cpu",), fixed=fixed)
    given = draw(0)
    binding = session.bind(given)
    first = binding.fetch()
    assert np.array_equal(first["y"], session.run(draw(0))["y"])
    binding.update({"x": draw(1)})
    with pytest.raises(ArchspecError, match=r"nothing to fetch: inputs were updated since the last run: run\(\) first"):
        binding.fetch()
    binding.run()
    assert np.array_equal(binding.fetch()["y"], 2 * draw(1))
    binding.update({})
    assert np.array_equal(binding.fetch()["y"], 2 * draw(1))  # of nothing new
    assert np.array_equal(first["y"], 2 * draw(0))  # what was fetched is the caller's own
    assert np.array_equal(given, draw(0))  # and so is what was given


def test_other_shapes_are_bound_again(model: Path) -> None:
    session = Session(model, providers=("cpu",))
    binding = session.bind(draw(0))
    with pytest.raises(ArchspecError, match=r"'x' was bound as \(2, 3, 8, 5\), found \(2, 3, 12, 5\): bind it again"):
        binding.update({"x": draw(0, 12)})
    with pytest.raises(ArchspecError, match=r"axis 2 .* is 13; the model takes"):
        session.bind(draw(0, 13))


def test_a_recorded_run_reads_what_it_is_given(model: Path) -> None:
    """The CPU records nothing; the way there and back is the same."""
    session = Session(model, providers=("cpu",), settings=Settings(cuda_graph=True), fixed={"N": 2, "H": 8, "W": 5})
    for seed in range(3):
        assert np.array_equal(session.run(draw(seed))["y"], 2 * draw(seed))


def test_a_recorded_run_needs_its_sizes(model: Path) -> None:
    session = Session(model, providers=("cpu",), settings=Settings(cuda_graph=True), fixed={"N": 2})
    with pytest.raises(ArchspecError, match="cuda_graph needs every size fixed: x: float32"):
        session.run(draw(0))


def build_gather() -> onnx.ModelProto:
    """Four numbers by their index, of which one may be none, beside the index itself."""
    index = helper.make_tensor_value_info("i", TensorProto.INT64, ["N"])
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])
    table = onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32), "table")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "i"], ["y"])], "g", [index], [value, index], [table]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


GOOD, BAD, OTHER = np.array([1, 0]), np.array([2, 9]), np.array([3, 3])


def test_a_run_that_failed_leaves_nothing_to_fetch(tmp_path: Path) -> None:
    path = save(build_gather(), tmp_path / "m.onnx")
    session = Session(path, providers=["cpu"])
    with pytest.raises(ArchspecError, match="idx=9 must be within"):
        session.bind(BAD)
    binding = session.bind(GOOD)
    binding.update(BAD)
    with pytest.raises(ArchspecError) as failed:
        binding.run()
    for _ in range(2):
        with pytest.raises(ArchspecError, match=r"nothing to fetch: .*idx=9 must be within") as caught:
            binding.fetch()
        assert str(failed.value) in str(caught.value)
    binding.update(OTHER)
    with pytest.raises(ArchspecError, match="nothing to fetch"):
        binding.fetch()
    binding.run()
    assert binding.fetch()["y"].tolist() == [3, 3]


def test_a_run_that_was_interrupted_leaves_nothing_to_fetch(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = Session(model, providers=["cpu"]).bind(draw(0))

    def interrupt(given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(binding, "session", type("Interrupted", (), {"run_with_iobinding": staticmethod(interrupt)})())
    with pytest.raises(KeyboardInterrupt):
        binding.run()
    with pytest.raises(ArchspecError, match="there is nothing to fetch: the last run did not end"):
        binding.fetch()


class Broken:
    """An OrtValue whose device takes half of an array."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def shape(self) -> list[int]:
        return list(self.value.shape())

    def update_inplace(self, array: Any) -> None:
        half = self.value.numpy().copy()
        half[:1] = array[:1]
        self.value.update_inplace(half)
        raise RuntimeError("the device is gone")


def test_nothing_runs_on_half_an_update(model: Path) -> None:
    binding = Session(model, providers=["cpu"]).bind(draw(0))
    whole = binding._inputs["x"]
    binding._inputs["x"] = Broken(whole)
    with pytest.raises(ArchspecError, match="the device is gone"):
        binding.update(draw(1))
    for _ in range(2):
        with pytest.raises(ArchspecError, match="an update of 'x' failed: update it again"):
            binding.run()
    with pytest.raises(ArchspecError, match=r"nothing to fetch: .*an update of 'x' failed"):
        binding.fetch()
    binding._inputs["x"] = whole
    binding.update(draw(2))
    binding.run()
    assert np.array_equal(binding.fetch()["y"], 2 * draw(2))


@pytest.mark.parametrize("fixed", [{}, {"N": 2}])
def test_an_output_that_is_an_input_is_that_of_the_last_run(tmp_path: Path, fixed: dict[str, int]) -> None:
    binding = Session(save(build_gather(), tmp_path / "m.onnx"), providers=["cpu"], fixed=fixed).bind(GOOD)
    first = binding.fetch()
    assert [found.tolist() for found in first.values()] == [[1, 0], [1, 0]]
    for given in (OTHER, GOOD, OTHER):
        binding.update(given)
        binding.run()
        assert [found.tolist() for found in binding.fetch().values()] == [given.tolist()] * 2
    assert [found.tolist() for found in first.values()] == [[1, 0], [1, 0]]  # the caller's own
