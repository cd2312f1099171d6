"""Runs that copy nothing compute what runs that copy do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.session import Session
from runtime.settings import Settings
from tests.runtime.models import build_double, save


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
    assert np.array_equal(binding.fetch()["y"], first["y"])  # not run yet
    binding.run()
    assert np.array_equal(binding.fetch()["y"], 2 * draw(1))
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
