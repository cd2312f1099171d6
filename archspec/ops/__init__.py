"""The primitive operations. `OPS` names every one; nothing registers itself."""

from archspec.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Prelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from archspec.ops.base import (
    Init,
    Layer,
    Op,
    OpError,
    Shape,
    Weight,
    Weights,
    Window,
    in_words,
)
from archspec.ops.linear import Conv, ConvTranspose, Linear
from archspec.ops.merge import Add, Concat, Input, Merge, Mul
from archspec.ops.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from archspec.ops.regularization import Dropout, Scale, StochasticDepth
from archspec.ops.resize import (
    AvgPool,
    Crop,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
    PadChannels,
    Upsample,
)

OPS: tuple[type[Op], ...] = (
    *(Conv, ConvTranspose, Linear),
    *(BatchNorm, LayerNorm, GroupNorm, InstanceNorm),
    *(Relu, Relu6, LeakyRelu, Prelu, Elu, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh, Softplus, Softmax),
    *(MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Upsample, Flatten, PadChannels),
    *(Scale, Dropout, StochasticDepth),
    *(Input, Add, Mul, Concat, Crop),
)

LAYERS: dict[str, type[Layer]] = {op.kind: op for op in OPS if issubclass(op, Layer)}
"""The operations that are words of the language."""

__all__ = [
    "LAYERS",
    "OPS",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "Dropout",
    "Elu",
    "Flatten",
    "Gelu",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "Init",
    "Input",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyRelu",
    "Linear",
    "MaxPool",
    "Merge",
    "Mul",
    "Op",
    "OpError",
    "PadChannels",
    "Prelu",
    "Relu",
    "Relu6",
    "Scale",
    "Shape",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "StochasticDepth",
    "Tanh",
    "Upsample",
    "Weight",
    "Weights",
    "Window",
    "in_words",
]
