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
    Softplus,
    Tanh,
)
from archspec.ops.adaptive import AdaptiveAvgPool, AdaptiveMaxPool
from archspec.ops.arithmetic import Div, Max, Min, Sub
from archspec.ops.attention import Attention
from archspec.ops.base import Layer, Op
from archspec.ops.bounds import Bounds
from archspec.ops.chance import Dropout, ShakeDrop, StochasticDepth
from archspec.ops.channel_conv import ChannelConv
from archspec.ops.embedding import Embedding
from archspec.ops.functions import Abs, Clip, Exp, Glu, HardTanh, Mish, Selu
from archspec.ops.joining import ConcatPositions
from archspec.ops.kernel import Kernel
from archspec.ops.learned import Learned
from archspec.ops.linear import Conv, ConvTranspose, Linear
from archspec.ops.merge import Add, Concat, Input, Mean, Merge, Mul, Shake, Sum, Vote
from archspec.ops.normalization import (
    BatchNorm,
    BatchRenorm,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Normalization,
)
from archspec.ops.padding import Pad
from archspec.ops.partition import EnterWindows, LeaveWindows
from archspec.ops.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from archspec.ops.rearranging import DepthToSpace, Map, ShuffleChannels, SpaceToDepth, Tokens, Transpose
from archspec.ops.recurrent import Gru, Lstm
from archspec.ops.reducing import Reduce
from archspec.ops.rescaling import L2Norm, RmsNorm
from archspec.ops.reshape import Crop, Flatten, PadChannels, PadSpace
from archspec.ops.resize import Resize, Upsample
from archspec.ops.response import LocalResponseNorm
from archspec.ops.scalar import Activation
from archspec.ops.scaling import Scale, Shift
from archspec.ops.slicing import Roll, Slice
from archspec.ops.softmax import Softmax
from archspec.ops.values import Init, OpError, Saved, Shape, Weight, Weights, in_words
from archspec.ops.window import Positions, Span, Window

OPS: tuple[type[Op], ...] = (
    *(Conv, ConvTranspose, Linear),
    *(BatchNorm, GhostBatchNorm, BatchRenorm, LayerNorm, GroupNorm, InstanceNorm),
    *(Relu, Relu6, LeakyRelu, Prelu, Elu, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh, Softplus, Softmax),
    *(Mish, Selu, HardTanh, Clip, Exp, Abs, Glu),
    *(Lstm, Gru, Embedding),
    *(AdaptiveAvgPool, AdaptiveMaxPool),
    *(MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, Upsample, Flatten, PadChannels),
    *(Slice, Roll, Pad, Tokens, Transpose, DepthToSpace, SpaceToDepth, ShuffleChannels, Reduce, Learned),
    *(Scale, Shift, Dropout, StochasticDepth, ShakeDrop),
    *(Attention, EnterWindows, LeaveWindows),
    *(Input, Add, Mul, Concat, Mean, Shake, Vote, ConcatPositions, Crop, PadSpace, Map, Resize),
    *(Sub, Div, Max, Min),
    *(RmsNorm, L2Norm, LocalResponseNorm),
    *(ChannelConv,),
)

NORMALIZATIONS: dict[str, type[Normalization | RmsNorm]] = {
    op.kind.removesuffix("_norm"): op for op in OPS if issubclass(op, Normalization | RmsNorm)
}
"""The normalizations that `norm` may be, by the word for their kind."""

ACTIVATIONS: dict[str, type[Activation]] = {op.kind: op for op in OPS if issubclass(op, Activation)}
"""The operations that `activation` may be."""

LAYERS: dict[str, type[Layer]] = {op.kind: op for op in OPS if issubclass(op, Layer)}
"""The operations that are words of the language."""

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "NORMALIZATIONS",
    "OPS",
    "Abs",
    "Activation",
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "Add",
    "Attention",
    "AvgPool",
    "BatchNorm",
    "BatchRenorm",
    "Bounds",
    "ChannelConv",
    "Clip",
    "Concat",
    "ConcatPositions",
    "Conv",
    "ConvTranspose",
    "Crop",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Elu",
    "Embedding",
    "EnterWindows",
    "Exp",
    "Flatten",
    "Gelu",
    "GhostBatchNorm",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Glu",
    "GroupNorm",
    "Gru",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Init",
    "Input",
    "InstanceNorm",
    "Kernel",
    "L2Norm",
    "Layer",
    "LayerNorm",
    "LeakyRelu",
    "Learned",
    "LeaveWindows",
    "Linear",
    "LocalResponseNorm",
    "Lstm",
    "Map",
    "Max",
    "MaxPool",
    "Mean",
    "Merge",
    "Min",
    "Mish",
    "Mul",
    "Normalization",
    "Op",
    "OpError",
    "Pad",
    "PadChannels",
    "PadSpace",
    "Positions",
    "Prelu",
    "Reduce",
    "Relu",
    "Relu6",
    "Resize",
    "RmsNorm",
    "Roll",
    "Saved",
    "Scale",
    "Selu",
    "Shake",
    "ShakeDrop",
    "Shape",
    "Shift",
    "ShuffleChannels",
    "Sigmoid",
    "Silu",
    "Slice",
    "Softmax",
    "Softplus",
    "SpaceToDepth",
    "Span",
    "StochasticDepth",
    "Sub",
    "Sum",
    "Tanh",
    "Tokens",
    "Transpose",
    "Upsample",
    "Vote",
    "Weight",
    "Weights",
    "Window",
    "in_words",
]
