"""A small network with weights, and images for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.api import to_torch
from compiler.onnx_file.metadata import PREPROCESS
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.pictures.preprocess import Preprocess
from tests.support.arrays import save_array
from tests.support.documents import graph_from
from tests.support.lowering import stir

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [1, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 4, "kernel": 3}}, "global_avg_pool"],
}


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    graph = graph_from(NETWORK)
    weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    return build_model(graph, weights, metadata={PREPROCESS: Preprocess(1, (8, 8), (0.5,), (0.25,)).to_json()})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return save_array(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((100, 1, 8, 8)))
