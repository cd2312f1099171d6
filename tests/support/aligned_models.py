"""Models of one file whose weights lie where they can be mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from runtime.session.mapped_weights import ALIGNMENT, can_map
from runtime.session.model_file import ModelFile
from tests.support.models import build_model, save

CHANNELS = 1024
X = np.arange(CHANNELS, dtype=np.float32)


def build_sum(value: float, note: str = "", channels: int = CHANNELS, **fields: Any) -> onnx.ModelProto:
    """x + w, where w is the same number everywhere."""
    data = np.full(channels, value, np.float32).tobytes()
    usual: dict[str, Any] = {"name": "w", "data_type": TensorProto.FLOAT, "dims": [channels], "raw_data": data}
    model = build_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [channels]}, {"y": [channels]})
    model.graph.initializer.append(TensorProto(**usual | fields))
    model.producer_name = note
    return model


def save_aligned(value: float, path: Path, **changes: object) -> Path:
    """Foreign writers align nothing, but by chance: a note as long as it takes."""
    first = build_sum(value, ".", **changes)  # type: ignore[arg-type]
    start = first.SerializeToString().index(first.graph.initializer[0].raw_data)
    save(build_sum(value, "." * (1 - start % ALIGNMENT + ALIGNMENT), **changes), path)  # type: ignore[arg-type]
    assert can_map(ModelFile.open(path).check())
    return path
