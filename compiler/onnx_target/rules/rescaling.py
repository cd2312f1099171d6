"""Normalizations that take no mean off, in the nodes that every opset has."""

from __future__ import annotations

import numpy as np

from archspec.ops import L2Norm, LocalResponseNorm, RmsNorm
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.formats import FLOAT16, FLOAT32
from compiler.onnx_target.rules.table import rule


@rule(RmsNorm)
def rms_norm(op: RmsNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    wide = _widen(emit, x)
    mean = emit.reduce("ReduceMean", emit.op("Mul", [wide, wide]), [emit.axis(0)])
    root = emit.op("Sqrt", [emit.op("Add", [mean, _write_least(emit, op.eps)])])
    normal = _narrow(emit, emit.op("Div", [wide, root]))
    return emit.op("Mul", [normal, emit.weight_by_channel("weight")]) if op.affine else normal


@rule(L2Norm)
def l2_norm(op: L2Norm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    wide = _widen(emit, x)
    length = emit.op("Clip", [emit.reduce("ReduceL2", wide, [emit.axis(0)]), _write_least(emit, op.eps)])
    return _narrow(emit, emit.op("Div", [wide, length]))


def _widen(emit: Emitter, x: OnnxValue) -> OnnxValue:
    """The numbers as float32 where they are of half precision, in which the squares of those from 256 on are infinite,
    and of those below 2**-12 zero."""
    return emit.cast(x, FLOAT32) if emit.float_type == FLOAT16 else x


def _narrow(emit: Emitter, x: OnnxValue) -> OnnxValue:
    """The numbers in the type of the model again."""
    return emit.cast(x, FLOAT16) if emit.float_type == FLOAT16 else x


def _write_least(emit: Emitter, eps: float) -> OnnxValue:
    return emit.constant("eps", eps, FLOAT32 if emit.float_type == FLOAT16 else None)


@rule(LocalResponseNorm)
def local_response_norm(op: LocalResponseNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower it to ONNX's own, which ONNX Runtime has for images alone."""
    fields = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.k}
    if emit.before.rank == 2:
        return emit.op("LRN", [x], **fields)
    image = emit.op("Reshape", [x, emit.constant("image", [0, 0, -1, 1], np.int64)])
    return emit.op("Reshape", [emit.op("LRN", [image], **fields), emit.op("Shape", [x])])
