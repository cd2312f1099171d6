"""Outputs come in whatever batches, and are numbers or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from archspec.errors import ArchspecError, ModelError
from runtime.prediction.network_outputs import compute_outputs, run_images
from runtime.session.session import Session
from tests.support.models import build_linear, build_model, save

WEIGHT = np.arange(8, dtype=np.float32).reshape(2, 4)


def open_model(folder: Path, batch: int | str) -> Session:
    model = build_linear(WEIGHT, np.ones(2, np.float32), (batch, 1, 2, 2), {})
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_any_batch_gives_the_same(tmp_path: Path, batch: int | str) -> None:
    images = np.random.default_rng(0).normal(size=(7, 1, 2, 2)).astype(np.float32)
    session = open_model(tmp_path, batch)
    (found,) = run_images(session, images, 3).values()
    np.testing.assert_allclose(found, images.reshape(7, 4) @ WEIGHT.T + 1, rtol=1e-5)
    assert not np.allclose(found, images[::-1].reshape(7, 4) @ WEIGHT.T + 1), "control"
    (wide,) = compute_outputs(session, images).values()
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide, found, rtol=1e-6)


def test_what_cannot_be_filled_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="takes batches of 1073741824 alone, which are too large to fill up"):
        compute_outputs(open_model(tmp_path, 1 << 30), np.zeros((1, 1, 2, 2), np.float32))


def test_what_is_not_finite_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Div", ["x", "x"], ["y"])]
    session = Session(
        save(build_model(nodes, {"x": ["N", 2]}, {"y": ["N", 2]}), tmp_path / "m.onnx"), providers=["cpu"]
    )
    assert run_images(session, np.ones((1, 2), np.float32))["y"].tolist() == [[1, 1]]
    with pytest.raises(ModelError, match="gives infinite numbers or NaN in 'y'"):
        run_images(session, np.zeros((1, 2), np.float32))
