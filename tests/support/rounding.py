"""A file of half precision as GPUs compute it, for plain ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from compiler.onnx_target.options import Precision
from runtime.verification.model.half_rounding import round_nodes

TOLERANCE: Mapping[Precision, float] = {"fp16": 2e-3, "bf16": 2e-2}
"""Of the largest number, for one operation: some roundings, each of at most 2**-11 and 2**-8 of a number."""
COSINES = 4
"""Times the tolerance for attention by cosines: its scores begin at ten times a cosine, and are rounded as numbers of
that size before they are exponents. Of 60 cases at random the worst was 3.0 times off in fp16 and 2.2 times in bf16,
and half of them more than once (`test_precision_attention.py`)."""


def round_file(path: Path) -> bytes:
    """The model in a file, in which every result is rounded and all numbers are float32."""
    model = onnx.load(path)
    round_nodes(model)
    written: bytes = model.SerializeToString()
    return written
