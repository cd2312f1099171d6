"""The primitive operations. A word stands for each, and its class is imported when it is first looked up, so that a
spec of a few words loads a few operations. The tables below name every one; nothing registers itself."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from archspec.ops.base import Layer, Op
from archspec.ops.bounds import Bounds
from archspec.ops.values import Init, OpError, Saved, Shape, Weight, Weights, in_words
from archspec.ops.window import Positions, Span, Window
from archspec.ops.words import Words, list_homes

if TYPE_CHECKING:
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
    from archspec.ops.chance import Dropout, ShakeDrop, StochasticDepth
    from archspec.ops.channel_conv import ChannelConv
    from archspec.ops.deform import DeformConv
    from archspec.ops.embedding import Embedding
    from archspec.ops.functions import Abs, Clip, Exp, Glu, HardTanh, Log, Mish, Selu, Sqrt
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
    from archspec.ops.repeating import RepeatSpace
    from archspec.ops.rescaling import L2Norm, RmsNorm
    from archspec.ops.reshape import Crop, Flatten, PadChannels, PadSpace
    from archspec.ops.resize import Resize, Upsample
    from archspec.ops.response import LocalResponseNorm
    from archspec.ops.scalar import Activation
    from archspec.ops.scaling import Scale, Shift
    from archspec.ops.slicing import Roll, Slice
    from archspec.ops.softmax import Softmax
    from archspec.ops.unpooling import MaxUnpool

_NORMALIZATIONS = {
    "normalization": "BatchNorm GhostBatchNorm BatchRenorm LayerNorm GroupNorm InstanceNorm",
    "rescaling": "RmsNorm",
}
_ACTIVATIONS = {
    "activation": "Relu Relu6 LeakyRelu Prelu Elu Gelu Silu Sigmoid HardSigmoid HardSwish Tanh Softplus",
    "softmax": "Softmax",
    "functions": "Mish Selu HardTanh Clip Exp Log Sqrt Abs",
}
_LAYERS = {
    "linear": "Conv ConvTranspose Linear",
    "channel_conv": "ChannelConv",
    "functions": "Glu",
    "recurrent": "Lstm Gru",
    "adaptive": "AdaptiveAvgPool AdaptiveMaxPool",
    "pooling": "MaxPool AvgPool GlobalAvgPool GlobalMaxPool",
    "reducing": "Reduce",
    "resize": "Upsample",
    "reshape": "Flatten PadChannels",
    "slicing": "Slice Roll",
    "padding": "Pad",
    "rearranging": "Tokens Transpose DepthToSpace SpaceToDepth ShuffleChannels",
    "learned": "Learned",
    "scaling": "Scale Shift",
    "chance": "Dropout StochasticDepth ShakeDrop",
    "rescaling": "L2Norm",
    "response": "LocalResponseNorm",
    "embedding": "Embedding",
}
_MERGES = {
    "merge": "Add Mul Concat Mean Shake Vote",
    "arithmetic": "Sub Div Max Min",
    "joining": "ConcatPositions",
}
_OTHERS = {
    "merge": "Input",
    "attention": "Attention",
    "deform": "DeformConv",
    "partition": "EnterWindows LeaveWindows",
    "reshape": "Crop PadSpace",
    "repeating": "RepeatSpace",
    "rearranging": "Map",
    "resize": "Resize",
    "unpooling": "MaxUnpool",
}
_BASES = {"kernel": "Kernel", "merge": "Merge Sum", "normalization": "Normalization", "scalar": "Activation"}

NORMALIZATIONS: Words[type["Normalization | RmsNorm"]] = Words(
    __name__, {word.removesuffix("_norm"): home for word, home in list_homes(_NORMALIZATIONS).items()}
)
"""The normalizations that `norm` may be, by the word for their kind."""

ACTIVATIONS: Words[type["Activation"]] = Words(__name__, list_homes(_ACTIVATIONS))
"""The operations that `activation` may be."""

LAYERS: Words[type[Layer]] = Words(
    __name__, list_homes(_NORMALIZATIONS) | list_homes(_ACTIVATIONS) | list_homes(_LAYERS)
)
"""The operations that are words of the language."""

MERGES: Words[type["Merge"]] = Words(__name__, list_homes(_MERGES))
"""The operations that merge several values."""

if TYPE_CHECKING:
    OPS: tuple[type[Op], ...]
    """Every operation: to go through them imports them all."""

_HOMES = LAYERS.homes | MERGES.homes | list_homes(_OTHERS)
_MODULES = {
    home.rpartition(".")[2]: home.rpartition(".")[0] for home in (*_HOMES.values(), *list_homes(_BASES).values())
}


def __getattr__(name: str) -> Any:
    if name == "OPS":
        return tuple(Words[type[Op]](__name__, _HOMES).values())
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found


__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "MERGES",
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
    "DeformConv",
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
    "Log",
    "Lstm",
    "Map",
    "Max",
    "MaxPool",
    "MaxUnpool",
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
    "RepeatSpace",
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
    "Sqrt",
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
