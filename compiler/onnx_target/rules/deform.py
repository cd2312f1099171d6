"""Deformable convolution, which ONNX has from opset 19 on."""

from __future__ import annotations

from archspec.ops import DeformConv
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule


@rule(DeformConv)
def deform_conv(op: DeformConv, emit: Emitter, x: OnnxValue, offset: OnnxValue, *mask: OnnxValue) -> OnnxValue:
    windows = op.windows(emit.before)
    bias = emit.weight("bias") if op.bias else None
    given = [x, emit.weight("weight"), offset, *([bias, *mask] if mask or bias else [])]
    return emit.op(
        "DeformConv",
        given,
        kernel_shape=[w.kernel for w in windows],
        strides=[w.stride for w in windows],
        pads=[w.before for w in windows] + [w.after for w in windows],
        dilations=[w.dilation for w in windows],
        group=op.groups,
        offset_group=op.offset_groups,
    )
