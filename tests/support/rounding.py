"""A file of half precision as GPUs compute it, for plain ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import onnx

from runtime.verification.model.half_rounding import round_nodes


def round_file(path: Path) -> bytes:
    """The model in a file, in which every result is rounded and all numbers are float32."""
    model = onnx.load(path)
    round_nodes(model)
    written: bytes = model.SerializeToString()
    return written
