"""Inputs are made up of the numbers that a file takes, or it is said that none can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from archspec.api import verify_model
from archspec.errors import ArchspecError
from runtime.session.session import Session
from runtime.verification.model.inside import ModelInside
from runtime.verification.runs.feeds import Feeds
from tests.support.verification import FLOAT, make_node, save


def test_text_is_no_number(tmp_path: Path) -> None:
    node = make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")
    path = save(tmp_path, [node], {"x": [2]}, {"y": [2]}, kind=TensorProto.STRING)
    with pytest.raises(
        ArchspecError, match="takes text in 'x', and verify makes up plain numbers alone: the file is sound to"
    ):
        verify_model(path)


def test_whole_numbers_stay_inside_their_tables(tmp_path: Path) -> None:
    table = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    nodes = [make_node("Unsqueeze", ["x", "one"], ["u"]), make_node("Gather", ["t", "u"], ["y"])]
    weights = {"t": table, "one": np.array([1])}
    path = save(tmp_path, nodes, {"x": ["N", 50]}, {"y": ["N", 1, 50, 4]}, weights, TensorProto.INT64, gives=FLOAT)
    assert verify_model(path).passed

    feed = Feeds(ModelInside(path), Session(path, providers=["cpu"]), seed=0).make(2, {})["x"]
    assert set(feed.ravel()) == set(range(7))


EIGHT = [make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]


def test_inputs_reach_over_a_range_that_is_not_the_usual_one(tmp_path: Path) -> None:
    """A file that takes 0 to 255: standard normal numbers would be a few of its steps."""

    weights = {"s": np.array(1, np.float32), "z": np.array(np.uint8(0))}
    path = save(tmp_path, EIGHT, {"x": ["N", 400]}, {"y": ["N", 400]}, weights)
    feed = Feeds(ModelInside(path), Session(path, providers=["cpu"]), seed=0).make(1, {})["x"]
    assert (feed.min(), feed.max()) == (0, 255)
    assert len(set(np.rint(feed).ravel())) > 200
