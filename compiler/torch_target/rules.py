"""Each operation in torch: a layer's rule gives its module, a merge's rule a function of the operands.

Modules are built on the meta device, without storage; the weights' first values come from the graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec import ops
from archspec.ops import Shape
from archspec.ops.resize import Resampling
from compiler.rule_table import RuleTable
from compiler.torch_target import attention, deform, modules, moves, normalization, randomness, recurrent, windows

TorchRule: TypeAlias = Callable[..., nn.Module | Callable[..., Tensor]]
RULES: RuleTable[TorchRule] = RuleTable("torch", "torch_module")
rule = RULES.rule

ADAPTIVE_AVG_POOL = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
ADAPTIVE_MAX_POOL = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
LINEAR_MODE = ("linear", "bilinear", "trilinear")


@rule(ops.Linear)
def linear(op: ops.Linear, x: Shape) -> nn.Module:
    if op.weight_norm:
        return normalization.normalize_weights(op, x, F.linear)
    return nn.Linear(x.channels, op.out, op.bias)


@rule(ops.BatchNorm)
def batch_norm(op: ops.BatchNorm, x: Shape) -> nn.Module:
    return normalization.BatchNorm(x.channels, op.eps, op.momentum, op.affine)


@rule(ops.GhostBatchNorm)
def ghost_batch_norm(op: ops.GhostBatchNorm, x: Shape) -> nn.Module:
    return normalization.GhostBatchNorm(x.channels, op.eps, op.momentum, op.affine, op.size)


@rule(ops.BatchRenorm)
def batch_renorm(op: ops.BatchRenorm, x: Shape) -> nn.Module:
    return normalization.BatchRenorm(x.channels, op.eps, op.momentum, op.affine, op.r_max, op.d_max)


@rule(ops.LayerNorm)
def layer_norm(op: ops.LayerNorm, x: Shape) -> nn.Module:
    if op.over == "channels":
        return normalization.ChannelNorm(x.channels, op.eps, op.affine)
    return normalization.group_norm(1, x.channels, op.eps, op.affine)


@rule(ops.GroupNorm)
def group_norm(op: ops.GroupNorm, x: Shape) -> nn.Module:
    return normalization.group_norm(op.groups, x.channels, op.eps, op.affine)


@rule(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, x: Shape) -> nn.Module:
    return normalization.group_norm(x.channels, x.channels, op.eps, op.affine)


@rule(ops.RmsNorm)
def rms_norm(op: ops.RmsNorm, x: Shape) -> nn.Module:
    return normalization.RmsNorm(x.channels, op.eps, op.affine)


@rule(ops.L2Norm)
def l2_norm(op: ops.L2Norm, x: Shape) -> nn.Module:
    return normalization.L2Norm(op.eps)


@rule(ops.ChannelConv)
def channel_conv(op: ops.ChannelConv, x: Shape) -> nn.Module:
    return modules.ChannelConv(op.kernel)


@rule(ops.LocalResponseNorm)
def local_response_norm(op: ops.LocalResponseNorm, x: Shape) -> nn.Module:
    return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)


@rule(ops.LeakyRelu)
def leaky_relu(op: ops.LeakyRelu, x: Shape) -> nn.Module:
    return nn.LeakyReLU(op.slope)


@rule(ops.Prelu)
def prelu(op: ops.Prelu, x: Shape) -> nn.Module:
    return nn.PReLU(op.weights(x)["weight"].numel, op.start)


@rule(ops.Elu)
def elu(op: ops.Elu, x: Shape) -> nn.Module:
    return nn.ELU(op.alpha)


@rule(ops.Gelu)
def gelu(op: ops.Gelu, x: Shape) -> nn.Module:
    return nn.GELU(op.approximate)


@rule(ops.Clip)
def clip(op: ops.Clip, x: Shape) -> nn.Module:
    return modules.Clip(op.low, op.high)


@rule(ops.Glu)
def glu(op: ops.Glu, x: Shape) -> nn.Module:
    return nn.GLU(dim=1)


@rule(ops.Softmax)
def softmax(op: ops.Softmax, x: Shape) -> nn.Module:
    return nn.Softmax(dim=1) if op.over_channels else modules.SharesOf(op.branches)


rule(ops.Conv)(windows.conv)
rule(ops.ConvTranspose)(windows.conv_transpose)
rule(ops.MaxPool)(windows.max_pool)
rule(ops.MaxUnpool)(windows.max_unpool)
rule(ops.AvgPool)(windows.avg_pool)

for _op, _module in (
    (ops.Relu, nn.ReLU),
    (ops.Relu6, nn.ReLU6),
    (ops.Silu, nn.SiLU),
    (ops.Sigmoid, nn.Sigmoid),
    (ops.HardSigmoid, nn.Hardsigmoid),
    (ops.HardSwish, nn.Hardswish),
    (ops.Tanh, nn.Tanh),
    (ops.Softplus, nn.Softplus),
    (ops.Mish, nn.Mish),
    (ops.Selu, nn.SELU),
    (ops.HardTanh, nn.Hardtanh),
    (ops.Abs, modules.Abs),
    (ops.Exp, modules.Exp),
    (ops.Flatten, nn.Flatten),
    (ops.Crop, modules.CentreCrop),
    (ops.PadSpace, modules.CentrePad),
    (ops.RepeatSpace, modules.RepeatSpace),
    (ops.Vote, modules.Vote),
):
    rule(_op)(lambda op, *shapes, _module=_module: _module())


rule(ops.Sqrt)(lambda op, x: modules.Sqrt(op.eps))
rule(ops.Log)(lambda op, x: modules.Log(op.eps))


@rule(ops.GlobalAvgPool)
def global_avg_pool(op: ops.GlobalAvgPool, x: Shape) -> nn.Module:
    return ADAPTIVE_AVG_POOL[x.rank - 1](1)


@rule(ops.GlobalMaxPool)
def global_max_pool(op: ops.GlobalMaxPool, x: Shape) -> nn.Module:
    return ADAPTIVE_MAX_POOL[x.rank - 1](1)


@rule(ops.Lstm)
def lstm(op: ops.Lstm, x: Shape) -> nn.Module:
    return recurrent.Lstm(x.channels, op.out, batch_first=True, bidirectional=op.both)


@rule(ops.Gru)
def gru(op: ops.Gru, x: Shape) -> nn.Module:
    return recurrent.Gru(x.channels, op.out, batch_first=True, bidirectional=op.both)


@rule(ops.Embedding)
def embedding(op: ops.Embedding, x: Shape) -> nn.Module:
    return modules.Embedding(op.rows, op.out)


@rule(ops.AdaptiveAvgPool)
def adaptive_avg_pool(op: ops.AdaptiveAvgPool, x: Shape) -> nn.Module:
    return ADAPTIVE_AVG_POOL[x.rank - 1](op.size)


@rule(ops.AdaptiveMaxPool)
def adaptive_max_pool(op: ops.AdaptiveMaxPool, x: Shape) -> nn.Module:
    return ADAPTIVE_MAX_POOL[x.rank - 1](op.size)


@rule(ops.Upsample)
def upsample(op: ops.Upsample, x: Shape) -> nn.Module:
    factors = tuple(map(float, op.scale)) if isinstance(op.scale, tuple) else float(op.scale)
    return nn.Upsample(scale_factor=factors, **_say_positions(op, x.rank))


@rule(ops.Resize)
def resize(op: ops.Resize, x: Shape, like: Shape) -> nn.Module:
    return modules.Resize(**_say_positions(op, x.rank))


def _say_positions(op: Resampling, rank: int) -> dict[str, Any]:
    if op.mode == "nearest":
        return {"mode": "nearest"}
    mode = "bicubic" if op.mode == "cubic" else LINEAR_MODE[rank - 1]
    return {"mode": mode, "align_corners": op.corners == "aligned"}


@rule(ops.PadChannels)
def pad_channels(op: ops.PadChannels, x: Shape) -> nn.Module:
    return modules.PadChannels(op.out)


@rule(ops.Slice)
def slice_(op: ops.Slice, x: Shape) -> nn.Module:
    return moves.Slice(op.axis, op.start, op.stop, op.step)


@rule(ops.Roll)
def roll(op: ops.Roll, x: Shape) -> nn.Module:
    return moves.Roll(op.along_axes(x))


@rule(ops.Tokens)
def tokens(op: ops.Tokens, x: Shape) -> nn.Module:
    return nn.Flatten(2)


@rule(ops.Transpose)
def transpose(op: ops.Transpose, x: Shape) -> nn.Module:
    return moves.Transpose()


@rule(ops.Map)
def map_(op: ops.Map, x: Shape, like: Shape) -> nn.Module:
    return moves.Map()


@rule(ops.ConcatPositions)
def concat_positions(op: ops.ConcatPositions, *shapes: Shape) -> Callable[..., Any]:
    return lambda *values: torch.cat(values, dim=op.axis + 1)


@rule(ops.DepthToSpace)
def depth_to_space(op: ops.DepthToSpace, x: Shape) -> nn.Module:
    return nn.PixelShuffle(op.block) if x.rank == 2 else moves.DepthToSpace(op.block)


@rule(ops.SpaceToDepth)
def space_to_depth(op: ops.SpaceToDepth, x: Shape) -> nn.Module:
    return nn.PixelUnshuffle(op.block) if x.rank == 2 else moves.SpaceToDepth(op.block)


@rule(ops.ShuffleChannels)
def shuffle_channels(op: ops.ShuffleChannels, x: Shape) -> nn.Module:
    return moves.ShuffleChannels(op.groups)


@rule(ops.Reduce)
def reduce_(op: ops.Reduce, x: Shape) -> nn.Module:
    return modules.Reduce(op.by, (1,) if op.over_channels else tuple(range(2, x.rank + 2)))


@rule(ops.Learned)
def learned(op: ops.Learned, x: Shape) -> nn.Module:
    return modules.Learned(op.shape)


@rule(ops.Pad)
def pad(op: ops.Pad, x: Shape) -> nn.Module:
    return moves.Pad(op.sides(x), {"zeros": "constant", "edge": "replicate"}.get(op.mode, op.mode))


@rule(ops.Scale)
def scale(op: ops.Scale, x: Shape) -> nn.Module:
    return modules.LearnedScale(op.weights(x)["factor"].shape) if op.trainable else modules.Scale(op.value)


@rule(ops.Shift)
def shift(op: ops.Shift, x: Shape) -> nn.Module:
    return modules.LearnedShift(op.weights(x)["term"].shape) if op.trainable else modules.Shift(op.value)


@rule(ops.Dropout)
def dropout(op: ops.Dropout, x: Shape) -> nn.Module:
    return nn.Dropout(op.rate)


@rule(ops.StochasticDepth)
def stochastic_depth(op: ops.StochasticDepth, x: Shape) -> nn.Module:
    return randomness.StochasticDepth(op.survival, op.draw, op.rescale)


@rule(ops.ShakeDrop)
def shake_drop(op: ops.ShakeDrop, x: Shape) -> nn.Module:
    return randomness.ShakeDrop(op.survival, op.draw)


@rule(ops.Shake)
def shake(op: ops.Shake, *shapes: Shape) -> nn.Module:
    return randomness.Shake(op.draw)


@rule(ops.Attention)
def attend(op: ops.Attention, query: Shape, *others: Shape) -> nn.Module:
    return attention.Attention(op, query)


@rule(ops.DeformConv)
def deform_conv(op: ops.DeformConv, x: Shape, *given: Shape) -> nn.Module:
    return deform.DeformConv(op, x)


@rule(ops.EnterWindows)
def enter_windows(op: ops.EnterWindows, x: Shape) -> nn.Module:
    return attention.EnterWindows(op)


@rule(ops.LeaveWindows)
def leave_windows(op: ops.LeaveWindows, *shapes: Shape) -> nn.Module:
    return attention.LeaveWindows(op)


for _merge, _combine in (
    (ops.Add, operator.add),
    (ops.Mul, operator.mul),
    (ops.Sub, operator.sub),
    (ops.Div, operator.truediv),
    (ops.Max, torch.maximum),
    (ops.Min, torch.minimum),
):
    rule(_merge)(lambda op, *shapes, _combine=_combine: lambda *values: reduce(_combine, values))


@rule(ops.Mean)
def mean(op: ops.Mean, *shapes: Shape) -> Callable[..., Tensor]:
    return lambda *values: reduce(operator.add, values) / len(values)


@rule(ops.Concat)
def concat(op: ops.Concat, *shapes: Shape) -> Callable[..., Any]:
    return lambda *values: torch.cat(values, dim=1)
