from __future__ import annotations

from typing import get_args

import torch

from archspec.precision import BYTES, FloatPrecision


def test_a_number_takes_as_many_bytes_as_torchs() -> None:
    kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    assert {name: kind.itemsize for name, kind in kinds.items()} == BYTES
    assert tuple(BYTES) == get_args(FloatPrecision)
