"""Normalizations that take no mean off, in the nodes that every opset has."""

from __future__ import annotations

import numpy as np

from archspec.ops import L2Norm, LocalResponseNorm, RmsNorm
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.formats import FLOAT16, LEAST_HALF
from compiler.onnx_target.rules.table import rule


@rule(RmsNorm)
def rms_norm(op: RmsNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    mean = _over_channels("ReduceMean", emit, emit.op("Mul", [x, x]))
    root = emit.op("Sqrt", [emit.op("Add", [mean, emit.constant("eps", op.eps)])])
    normal = emit.op("Div", [x, root])
    return emit.op("Mul", [normal, emit.weight_by_channel("weight")]) if op.affine else normal


@rule(L2Norm)
def l2_norm(op: L2Norm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a division by the length. In half precision a bound below all its numbers is the least of them: lengths
    other than zero are not below it either, and with a length of zero the channels are zeros, whatever divides them."""
    length = _over_channels("ReduceL2", emit, x)
    least = max(op.eps, LEAST_HALF) if emit.float_type == FLOAT16 else op.eps
    return emit.op("Div", [x, emit.op("Clip", [length, emit.constant("eps", least)])])


@rule(LocalResponseNorm)
def local_response_norm(op: LocalResponseNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower it to ONNX's own, which ONNX Runtime has for images alone."""
    fields = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.k}
    if emit.before.rank == 2:
        return emit.op("LRN", [x], **fields)
    image = emit.op("Reshape", [x, emit.constant("image", [0, 0, -1, 1], np.int64)])
    return emit.op("Reshape", [emit.op("LRN", [image], **fields), emit.op("Shape", [x])])


def _over_channels(kind: str, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Reduce the channels to one; from opset 18 on, axes are an operand."""
    if emit.opset >= 18:
        return emit.op(kind, [x, emit.constant("axes", [emit.axis(0)], np.int64)], keepdims=1)
    return emit.op(kind, [x], axes=[emit.axis(0)], keepdims=1)
