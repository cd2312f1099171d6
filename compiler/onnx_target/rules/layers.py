"""Matrix products and normalizations: whatever has weights and no window."""

from __future__ import annotations

import numpy as np

from archspec.ops import BatchNorm, ChannelConv, GroupNorm, InstanceNorm, LayerNorm, Linear
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule


@rule(Linear)
def linear(op: Linear, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Gemm", [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])], transB=1)


@rule(ChannelConv)
def channel_conv(op: ChannelConv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a convolution along the channels: they become the positions of one channel, and back."""
    row = emit.op("Reshape", [x, emit.constant("row", [0, 1, -1], np.int64)])
    sums = emit.op("Conv", [row, emit.weight("weight")], kernel_shape=[op.kernel], pads=[op.kernel // 2] * 2)
    return emit.op("Reshape", [sums, emit.constant("channels", [0, -1, *[1] * emit.before.rank], np.int64)])


def _affine(op: BatchNorm | InstanceNorm | LayerNorm, emit: Emitter) -> tuple[OnnxValue, OnnxValue]:
    """Scale and shift of each channel, ones and zeros where there are none."""
    if op.affine:
        return emit.weight("weight"), emit.weight("bias")
    channels = emit.before.channels
    return emit.constant("ones", np.ones(channels)), emit.constant("zeros", np.zeros(channels))


@rule(BatchNorm)
def batch_norm(op: BatchNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    statistics = emit.weight("running_mean"), emit.weight("running_var")
    return emit.op("BatchNormalization", [x, *_affine(op, emit), *statistics], epsilon=op.eps)


@rule(InstanceNorm)
def instance_norm(op: InstanceNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("InstanceNormalization", [x, *_affine(op, emit)], epsilon=op.eps)


@rule(GroupNorm)
def group_norm(op: GroupNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _normalize_groups(op.groups, op, emit, x)


@rule(LayerNorm)
def layer_norm(op: LayerNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    rank = emit.before.rank
    if op.over == "sample" or (rank == 0 and not op.affine):  # whose ones and zeros would fix the length of a vector
        return _normalize_groups(1, op, emit, x)
    turns = rank > 0 and not emit.rows
    last = emit.op("Transpose", [x], perm=[0, *range(2, rank + 2), 1]) if turns else x
    normal = emit.op("LayerNormalization", [last, *_affine(op, emit)], axis=-1, epsilon=op.eps)
    return emit.op("Transpose", [normal], perm=[0, rank + 1, *range(1, rank + 1)]) if turns else normal


def _normalize_groups(groups: int, op: GroupNorm | LayerNorm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a group normalization, which opset 17 has not: instance normalization of the groups, laid out as
    channels."""
    ones, zeros = emit.constant("ones", np.ones(groups)), emit.constant("zeros", np.zeros(groups))
    rows = emit.op("Reshape", [x, emit.constant("rows", [0, groups, -1], np.int64)])
    normal = emit.op("InstanceNormalization", [rows, ones, zeros], epsilon=op.eps)
    result = emit.op("Reshape", [normal, emit.op("Shape", [x])])
    if not op.affine:
        return result
    return emit.op("Add", [emit.op("Mul", [result, emit.weight_by_channel("weight")]), emit.weight_by_channel("bias")])
