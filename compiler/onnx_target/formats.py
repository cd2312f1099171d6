"""The precisions of a file: the type of its numbers, and the versions of ONNX that have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx

from archspec.precision import FloatPrecision


@dataclass(frozen=True, slots=True)
class Format:
    """The type of weights and activations, the operator set, and the version of the file format that goes with it."""

    dtype: np.dtype[Any]
    opset: int
    ir_version: int


FLOAT32, FLOAT16 = np.dtype(np.float32), np.dtype(np.float16)
BFLOAT16 = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16))
LEAST_HALF = float(np.finfo(np.float16).smallest_subnormal)
"""The smallest positive number of half precision, 2**-24."""

FORMATS: Mapping[FloatPrecision, Format] = MappingProxyType(
    {
        # What ONNX Runtime has run well since 1.16; with opset 22 and up some versions lose fused convolutions.
        "fp32": Format(FLOAT32, 17, 8),
        "fp16": Format(FLOAT16, 17, 8),
        # Before opset 22 convolution, pooling and instance normalization do not have the type.
        "bf16": Format(BFLOAT16, 22, 10),
    }
)
