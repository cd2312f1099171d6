"""The precisions of a file: the type of its numbers, and the versions of ONNX that have it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
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


FIRST_OPSETS: Mapping[str, int] = MappingProxyType({"deform_conv": 19})
"""The versions of ONNX that first have what an operation is written in, by its kind, where that is none of the usual
ones."""


def choose_format(precision: FloatPrecision, kinds: Collection[str]) -> Format:
    """Choose the format of a file of this precision that has operations of these kinds."""
    usual = FORMATS[precision]
    opset = max([usual.opset, *(opset for kind, opset in FIRST_OPSETS.items() if kind in kinds)])
    if opset == usual.opset:
        return usual
    return replace(
        usual, opset=opset, ir_version=onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
    )
