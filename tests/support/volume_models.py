"""A network without weights that knows where a volume is bright, exported as networks of volumes are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from runtime.pictures.preprocess import Preprocess
from runtime.session.session import Session
from tests.support.models import build_model, save

WINDOW = (-1000.0, 1000.0)
"""The values that become 0 and 1."""

CLASSES = ("rest", "dark", "bright")
"""The classes of `draw_spheres`."""

THRESHOLDS = (-350.5, 250.5)
"""The values between its classes."""


def open_thresholds(folder: Path, **preprocess: Any) -> Session:
    """A model that gives each voxel three numbers, of which the largest is that of its class by its value alone, in
    windows of 8 by 10 by 12."""
    dynamic = preprocess.pop("dynamic", False)
    facts = {"resize": "none", "window": (WINDOW,)} | preprocess
    prepared = Preprocess(1, (8, 10, 12), (0.5,), (0.25,), **facts)
    low, high = (((value - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) - 0.5) / 0.25 for value in THRESHOLDS)
    # of the lines 0, x - low and 2 x - low - high, each is the largest where its class is
    slopes = np.array([0, 1, 2], np.float32).reshape(3, 1, 1, 1, 1)
    offsets = np.array([0, -low, -low - high], np.float32)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[1, 1, 1])]
    sizes: list[Any] = ["D", "H", "W"] if dynamic else [8, 10, 12]
    model = build_model(
        nodes,
        {"x": ["N", 1, *sizes]},
        {"y": ["N", 3, *sizes]},
        {"w": slopes, "b": offsets},
        {
            "archspec.preprocess": prepared.to_json(),
            "archspec.classes": json.dumps(CLASSES),
            "archspec.task": "maps",
        },
    )
    return Session(save(model, folder / "thresholds.onnx"), providers=["cpu"])
