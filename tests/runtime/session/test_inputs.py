"""Inputs that are made up have the batch and the sizes that are asked for, else the model's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archspec.api import open_network
from archspec.errors import ArchspecError
from runtime.measuring.bench import bench
from runtime.session.inputs import make_inputs
from runtime.session.session import Session
from tests.support.models import build_double, build_model, save

SIZES = {"archspec.sizes": json.dumps({"H": {"value": 8, "first": 8, "step": 4}, "W": {"value": 5}})}


def open_double(folder: Path, shape: tuple[Any, ...] = ("N", 3, "H", "W"), metadata: dict[str, str] = SIZES) -> Session:
    return Session(save(build_double(shape, metadata), folder / "m.onnx"), providers=["cpu"], threads=1)


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
