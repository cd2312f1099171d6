"""Each operation in torch: a layer's rule gives its module, a merge's rule a function of the operands.

Modules are built on the meta device, without storage; the weights' first values come from the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from archspec.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Elu,
    Flatten,
    Gelu,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    InstanceNorm,
    LayerNorm,
    LeakyRelu,
    Linear,
    MaxPool,
    Mul,
    PadChannels,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shape,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
    Upsample,
)
from compiler.table import Table
from compiler.torch_target import modules

TorchRule: TypeAlias = Callable[..., nn.Module | Callable[..., Tensor]]
RULES: Table[TorchRule] = Table("torch")
rule = RULES.rule

CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONV_TRANSPOSE = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAX_POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVG_POOL = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
GLOBAL_AVG_POOL = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
GLOBAL_MAX_POOL = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
LINEAR_MODE = ("linear", "bilinear", "trilinear")


@rule(Conv)
def conv(op: Conv, x: Shape) -> nn.Module:
    w = op.window
    make = CONV[x.rank - 1]
    return make(x.channels, op.out, w.kernel, w.stride, w.padding, w.dilation, op.groups, op.bias)


@rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, x: Shape) -> nn.Module:
    make = CONV_TRANSPOSE[x.rank - 1]
    sizes = (op.kernel, op.stride, op.padding, op.output_padding)
    return make(x.channels, op.out, *sizes, op.groups, op.bias, op.dilation)


@rule(Linear)
def linear(op: Linear, x: Shape) -> nn.Module:
    return nn.Linear(x.channels, op.out, op.bias)


@rule(BatchNorm)
def batch_norm(op: BatchNorm, x: Shape) -> nn.Module:
    return modules.BatchNorm(x.channels, op.eps, op.momentum, op.affine)


@rule(LayerNorm)
def layer_norm(op: LayerNorm, x: Shape) -> nn.Module:
    if op.over == "channels":
        return modules.ChannelNorm(x.channels, op.eps, op.affine)
    return nn.GroupNorm(1, x.channels, op.eps, op.affine)


@rule(GroupNorm)
def group_norm(op: GroupNorm, x: Shape) -> nn.Module:
    return nn.GroupNorm(op.groups, x.channels, op.eps, op.affine)


@rule(InstanceNorm)
def instance_norm(op: InstanceNorm, x: Shape) -> nn.Module:
    # Equal to nn.InstanceNorm, which refuses a single position while it trains.
    return nn.GroupNorm(x.channels, x.channels, op.eps, op.affine)


@rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, x: Shape) -> nn.Module:
    return nn.LeakyReLU(op.slope)


@rule(Prelu)
def prelu(op: Prelu, x: Shape) -> nn.Module:
    return nn.PReLU(x.channels, op.start)


@rule(Elu)
def elu(op: Elu, x: Shape) -> nn.Module:
    return nn.ELU(op.alpha)


@rule(Gelu)
def gelu(op: Gelu, x: Shape) -> nn.Module:
    return nn.GELU(op.approximate)


@rule(Softmax)
def softmax(op: Softmax, x: Shape) -> nn.Module:
    return nn.Softmax(dim=1)


for _op, _module in (
    (Relu, nn.ReLU),
    (Relu6, nn.ReLU6),
    (Silu, nn.SiLU),
    (Sigmoid, nn.Sigmoid),
    (HardSigmoid, nn.Hardsigmoid),
    (HardSwish, nn.Hardswish),
    (Tanh, nn.Tanh),
    (Softplus, nn.Softplus),
    (Flatten, nn.Flatten),
    (Crop, modules.CentreCrop),
):
    rule(_op)(lambda op, *shapes, _module=_module: _module())


@rule(MaxPool)
def max_pool(op: MaxPool, x: Shape) -> nn.Module:
    w = op.window
    return MAX_POOL[x.rank - 1](w.kernel, w.stride, w.padding, ceil_mode=op.ceil)


@rule(AvgPool)
def avg_pool(op: AvgPool, x: Shape) -> nn.Module:
    w = op.window
    return AVG_POOL[x.rank - 1](w.kernel, w.stride, w.padding, ceil_mode=op.ceil)


@rule(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, x: Shape) -> nn.Module:
    return GLOBAL_AVG_POOL[x.rank - 1](1)


@rule(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, x: Shape) -> nn.Module:
    return GLOBAL_MAX_POOL[x.rank - 1](1)


@rule(Upsample)
def upsample(op: Upsample, x: Shape) -> nn.Module:
    if op.mode == "nearest":
        return nn.Upsample(scale_factor=float(op.scale), mode="nearest")
    return nn.Upsample(scale_factor=float(op.scale), mode=LINEAR_MODE[x.rank - 1], align_corners=False)


@rule(PadChannels)
def pad_channels(op: PadChannels, x: Shape) -> nn.Module:
    return modules.PadChannels(op.out - x.channels, x.rank)


@rule(Scale)
def scale(op: Scale, x: Shape) -> nn.Module:
    return modules.LearnedScale(op.value) if op.trainable else modules.Scale(op.value)


@rule(Dropout)
def dropout(op: Dropout, x: Shape) -> nn.Module:
    return nn.Dropout(op.rate)


@rule(StochasticDepth)
def stochastic_depth(op: StochasticDepth, x: Shape) -> nn.Module:
    return modules.StochasticDepth(op.survival)


@rule(Add)
def add(op: Add, *shapes: Shape) -> Callable[..., Tensor]:
    return lambda *values: reduce(lambda a, b: a + b, values)


@rule(Mul)
def mul(op: Mul, *shapes: Shape) -> Callable[..., Tensor]:
    return lambda *values: reduce(lambda a, b: a * b, values)


@rule(Concat)
def concat(op: Concat, *shapes: Shape) -> Callable[..., Any]:
    return lambda *values: torch.cat(values, dim=1)
