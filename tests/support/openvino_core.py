"""OpenVINO, which reads ONNX with no code of ONNX Runtime's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import openvino


@cache
def _open_core() -> openvino.Core:
    """The one core of a process. OpenVINO 2026.4 lays a signal stack of its own over that of a thread, and puts the
    earlier one back when a core ends; where two have lived at once, that may be the other's, which is gone. The next
    signal that Python's handlers get then ends the process: that of a child's end, once a DataLoader has had workers.
    """
    return openvino.Core()


def compile_openvino(path: Path) -> openvino.CompiledModel:
    """A file for the CPU, in float32, which OpenVINO would give up on processors that have bfloat16."""
    return _open_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
