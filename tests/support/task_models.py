"""Models of no weights that answer tasks, and what they are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper
from PIL import Image

from archspec.arrays import Array
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.task_spec import TaskSpec, find_task_spec
from runtime.session.session import Session
from tests.support.models import build_model, save

PREPROCESS = Preprocess(3, (8, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
FACTS = {"archspec.preprocess": PREPROCESS.to_json(), "archspec.classes": json.dumps(["left", "middle", "right"])}


def open_model(folder: Path, metadata: dict[str, str], stride: int = 1, channels: int = 3, **shape: Any) -> Session:
    """A network that gives its input, or every `stride`-th pixel of it, as `small`, and behind that its negative."""
    size = shape.get("size", ("H", "W"))
    window: dict[str, Any] = {"kernel_shape": [1] * len(size), "strides": [stride] * len(size)}
    nodes = [helper.make_node("MaxPool", ["x"], ["small"], **window), helper.make_node("Neg", ["small"], ["negative"])]
    free: list[int | str | None] = ["N", channels, *(f"{axis}2" for axis in "DHW"[-len(size) :])]
    model = build_model(nodes, {"x": ["N", channels, *size]}, {"negative": free, "small": free}, metadata=metadata)
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


def ask(session: Session, *words: str | None) -> TaskSpec:
    spec = find_task_spec(session, *words)
    assert spec is not None
    return spec


def write_colours(path: Path, pixels: Array) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path
