"""Ultralytics' detectors that answer with what their heads say at each level, for `tests.zoo.witness`; making one needs
ultralytics, and no OpenCV, with which that reads pictures."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from tempfile import TemporaryDirectory
from types import MethodType
from typing import Any
from unittest.mock import MagicMock

from torch import Tensor, nn


@contextmanager
def _without_opencv() -> Iterator[None]:
    """Lend ultralytics something in the place of OpenCV, and a folder for its settings that is gone afterwards."""
    with TemporaryDirectory() as folder:
        os.environ["YOLO_CONFIG_DIR"] = folder
        sys.modules.setdefault("cv2", MagicMock(__spec__=ModuleSpec("cv2", None), __version__="4.0.0"))
        yield


def detector(config: str) -> nn.Module:
    """The detector of one of Ultralytics' files, such as `yolov8n.yaml`: its boxes and classes, level by level."""
    with _without_opencv():
        model = import_module("ultralytics.nn.tasks").DetectionModel(config, verbose=False)

    def say(head: Any, levels: list[Tensor]) -> list[Tensor]:
        return [tower(x) for x, *towers in zip(levels, head.cv2, head.cv3, strict=True) for tower in towers]

    model.model[-1].forward = MethodType(say, model.model[-1])
    return model
