"""An export, which has an optimized form beside it or none, and what a session makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.api import elaborate, load, to_onnx, to_torch
from runtime.session.optimized_form import describe_runtime
from runtime.session.session import Session
from tests.support.lowering import Arrays, sample_inputs, stir

GRAPH = elaborate(load("resnet_digits"))
FEED = sample_inputs(GRAPH, 3, {"H": 12, "W": 9})

needs_instructions = pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")


def export(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    to_onnx(GRAPH, stir(to_torch(GRAPH), seed).state_dict(), folder / "m.onnx", verify=False)
    return folder / "m.onnx"


def run(path: Path, **options: object) -> tuple[Arrays, bool]:
    """Outputs, and whether they came from the optimized file."""
    session = Session(path, providers=["cpu"], **options)  # type: ignore[arg-type]
    level = session._session.get_session_options().graph_optimization_level
    return session.run(FEED), level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def cut_off(beside: Path) -> None:
    beside.write_bytes(beside.read_bytes()[:-200])


def edit_numbers(path: Path) -> None:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("linear_0"):
            tensor.raw_data = np.ones(tensor.dims, np.float32).tobytes()
    onnx.save(model, path)
