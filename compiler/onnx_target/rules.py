"""Each operation in ONNX, valid from opset 17 to 22, in the form that stays on ONNX Runtime's fast path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np

from archspec.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
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
    Mean,
    Mul,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shift,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
    Upsample,
    Vote,
)
from archspec.ops.window import Window
from compiler.onnx_target.emitter import Emitter, Value
from compiler.passes.split_kernels import AxisConv
from compiler.rule_table import Table

OnnxRule: TypeAlias = Callable[..., Value]
RULES: Table[OnnxRule] = Table("onnx")
rule = RULES.rule


def _rank(emit: Emitter) -> int:
    """Spatial axes of the first operand."""
    return emit.graph[emit.node.inputs[0]].shape.rank


def _channels(emit: Emitter) -> int:
    return emit.graph[emit.node.inputs[0]].shape.channels


@rule(Conv)
def conv(op: Conv, emit: Emitter, x: Value) -> Value:
    window, rank = op.window, _rank(emit)
    return emit.op(
        "Conv",
        [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=[op.kernel] * rank,
        strides=[op.stride] * rank,
        pads=[window.padding] * (2 * rank),
        dilations=[op.dilation] * rank,
        group=op.groups,
    )


@rule(AxisConv)
def axis_conv(op: AxisConv, emit: Emitter, x: Value) -> Value:
    taps = op.taps(_rank(emit))
    return emit.op(
        "Conv",
        [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=list(taps),
        pads=[tap // 2 for tap in taps] * 2,
    )


@rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, emit: Emitter, x: Value) -> Value:
    """ONNX Runtime takes an output padding below the stride alone. A larger one is below the dilation: a tap of zeros
    at the end of the kernel reaches beyond it, and a padding cuts off what is too much."""
    rank = _rank(emit)
    fits = op.output_padding < op.stride
    end, taps = (op.padding, 0) if fits else (op.padding + op.dilation - op.output_padding, 1)
    return emit.op(
        "ConvTranspose",
        [x, _append_taps(taps, emit), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=[op.kernel + taps] * rank,
        strides=[op.stride] * rank,
        pads=[op.padding] * rank + [end] * rank,
        output_padding=[op.output_padding if fits else 0] * rank,
        dilations=[op.dilation] * rank,
        group=op.groups,
    )


def _append_taps(taps: int, emit: Emitter) -> Value:
    """A kernel with so many zeros more along each axis."""
    if not taps:
        return emit.weight("weight")
    stored = np.asarray(emit.weights[f"{emit.node.id}.weight"])
    return emit.constant("kernel", np.pad(stored, [(0, 0), (0, 0), *[(0, taps)] * (stored.ndim - 2)]))


@rule(Linear)
def linear(op: Linear, emit: Emitter, x: Value) -> Value:
    return emit.op("Gemm", [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])], transB=1)


def _affine(op: BatchNorm | InstanceNorm | LayerNorm, emit: Emitter) -> tuple[Value, Value]:
    """Scale and shift of each channel, ones and zeros where there are none."""
    if op.affine:
        return emit.weight("weight"), emit.weight("bias")
    channels = _channels(emit)
    return emit.constant("ones", np.ones(channels)), emit.constant("zeros", np.zeros(channels))


@rule(BatchNorm)
def batch_norm(op: BatchNorm, emit: Emitter, x: Value) -> Value:
    statistics = emit.weight("running_mean"), emit.weight("running_var")
    return emit.op("BatchNormalization", [x, *_affine(op, emit), *statistics], epsilon=op.eps)


@rule(InstanceNorm)
def instance_norm(op: InstanceNorm, emit: Emitter, x: Value) -> Value:
    return emit.op("InstanceNormalization", [x, *_affine(op, emit)], epsilon=op.eps)


@rule(GroupNorm)
def group_norm(op: GroupNorm, emit: Emitter, x: Value) -> Value:
    return _normalize_groups(op.groups, op, emit, x)


@rule(LayerNorm)
def layer_norm(op: LayerNorm, emit: Emitter, x: Value) -> Value:
    rank = _rank(emit)
    if op.over == "sample" or (rank == 0 and not op.affine):  # whose ones and zeros would fix the length of a vector
        return _normalize_groups(1, op, emit, x)
    last = emit.op("Transpose", [x], perm=[0, *range(2, rank + 2), 1]) if rank else x
    normal = emit.op("LayerNormalization", [last, *_affine(op, emit)], axis=-1, epsilon=op.eps)
    return emit.op("Transpose", [normal], perm=[0, rank + 1, *range(1, rank + 1)]) if rank else normal


def _normalize_groups(groups: int, op: GroupNorm | LayerNorm, emit: Emitter, x: Value) -> Value:
    """Opset 17 has no group normalization: instance normalization of the groups, laid out as channels."""
    ones, zeros = emit.constant("ones", np.ones(groups)), emit.constant("zeros", np.zeros(groups))
    rows = emit.op("Reshape", [x, emit.constant("rows", [0, groups, -1], np.int64)])
    normal = emit.op("InstanceNormalization", [rows, ones, zeros], epsilon=op.eps)
    result = emit.op("Reshape", [normal, emit.op("Shape", [x])])
    if not op.affine:
        return result
    return emit.op("Add", [emit.op("Mul", [result, _by_channel("weight", emit)]), _by_channel("bias", emit)])


def _by_channel(name: str, emit: Emitter) -> Value:
    """A stored number for each channel, as (C, 1, …): laid out here, once, and not by a node of the model."""
    stored = np.asarray(emit.weights[f"{emit.node.id}.{name}"])
    return emit.constant(name, stored.reshape(-1, *[1] * _rank(emit)))


def _plain(kind: str) -> OnnxRule:
    """A rule for an operation that ONNX has, without attributes."""
    return lambda op, emit, x: emit.op(kind, [x])


for _op, _kind in (
    (Relu, "Relu"),
    (Sigmoid, "Sigmoid"),
    (HardSwish, "HardSwish"),
    (Tanh, "Tanh"),
    (Softplus, "Softplus"),
    (Flatten, "Flatten"),
    (GlobalAvgPool, "GlobalAveragePool"),
    (GlobalMaxPool, "GlobalMaxPool"),
):
    rule(_op)(_plain(_kind))


@rule(Relu6)
def relu6(op: Relu6, emit: Emitter, x: Value) -> Value:
    return emit.op("Clip", [x, emit.constant("low", 0.0), emit.constant("high", 6.0)])


@rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, emit: Emitter, x: Value) -> Value:
    return emit.op("LeakyRelu", [x], alpha=op.slope)


@rule(Prelu)
def prelu(op: Prelu, emit: Emitter, x: Value) -> Value:
    return emit.op("PRelu", [x, _by_channel("weight", emit)])


@rule(Elu)
def elu(op: Elu, emit: Emitter, x: Value) -> Value:
    return emit.op("Elu", [x], alpha=op.alpha)


@rule(Gelu)
def gelu(op: Gelu, emit: Emitter, x: Value) -> Value:
    """0.5 x (1 + erf(x / √2)), or 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): the patterns that ONNX Runtime fuses."""
    if op.approximate == "none":
        inner = emit.op("Erf", [emit.op("Div", [x, emit.constant("root", math.sqrt(2))])])
    else:
        cube = emit.op("Mul", [emit.op("Pow", [x, emit.constant("three", 3.0)]), emit.constant("cubic", 0.044715)])
        inner = emit.op(
            "Tanh", [emit.op("Mul", [emit.op("Add", [x, cube]), emit.constant("root", math.sqrt(2 / math.pi))])]
        )
    gate = emit.op("Add", [inner, emit.constant("one", 1.0)])
    return emit.op("Mul", [emit.op("Mul", [x, gate]), emit.constant("half", 0.5)])


@rule(Silu)
def silu(op: Silu, emit: Emitter, x: Value) -> Value:
    return emit.op("Mul", [x, emit.op("Sigmoid", [x])])


@rule(HardSigmoid)
def hard_sigmoid(op: HardSigmoid, emit: Emitter, x: Value) -> Value:
    return emit.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5)


@rule(Softmax)
def softmax(op: Softmax, emit: Emitter, x: Value) -> Value:
    return emit.op("Softmax", [x], axis=1)


def _pool(kind: str, op: MaxPool | AvgPool, emit: Emitter, x: Value, **options: int) -> Value:
    """Before opset 19 ONNX infers a last window that begins in the padding, which no runtime computes. Axes of fixed
    extent along which there would be one need no `ceil_mode`; where others do, each have a node."""
    w, space = op.window, emit.node.shape.space
    fixed = [isinstance(extent, int) for extent in emit.shapes[emit.node.inputs[0]][2:]]
    before = emit.graph[emit.node.inputs[0]].shape.space
    whole = [known and w.slide(size) == count for known, size, count in zip(fixed, before, space, strict=True)]
    if not op.ceil or all(whole):
        return _pool_axes(kind, w, [True] * len(space), emit, x, ceil_mode=0, **options)
    early = [one and (size + 2 * w.padding - w.reach) % w.stride > 0 for one, size in zip(whole, before, strict=True)]
    if any(early):
        x = _pool_axes(kind, w, early, emit, x, ceil_mode=0, **options)
    return _pool_axes(kind, w, [not axis for axis in early], emit, x, ceil_mode=1, **options)


def _pool_axes(kind: str, w: Window, axes: Sequence[bool], emit: Emitter, x: Value, **options: int) -> Value:
    """Pooling along some of the axes."""
    return emit.op(
        kind,
        [x],
        kernel_shape=[w.kernel if axis else 1 for axis in axes],
        strides=[w.stride if axis else 1 for axis in axes],
        pads=[w.padding if axis else 0 for axis in axes] * 2,
        **options,
    )


@rule(MaxPool)
def max_pool(op: MaxPool, emit: Emitter, x: Value) -> Value:
    return _pool("MaxPool", op, emit, x)


@rule(AvgPool)
def avg_pool(op: AvgPool, emit: Emitter, x: Value) -> Value:
    # Without a padding it says nothing; but ONNX Runtime 1.16 to 1.24 then divides by positions that `ceil` adds.
    return _pool("AveragePool", op, emit, x, count_include_pad=int(op.padding > 0))


@rule(Upsample)
def upsample(op: Upsample, emit: Emitter, x: Value) -> Value:
    scales = emit.constant("scales", [1, 1, *[op.scale] * _rank(emit)], np.float32)
    if op.mode == "nearest":  # with ONNX's own defaults it leaves the blocked layout
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return emit.op("Resize", [x, None, scales], **options)


@rule(PadChannels)
def pad_channels(op: PadChannels, emit: Emitter, x: Value) -> Value:
    rank = _rank(emit)
    if isinstance(emit.shapes[emit.node.inputs[0]][1], int):
        ends = [0, op.out - _channels(emit), *[0] * rank]
        return emit.op("Pad", [x, emit.constant("pads", [0] * (rank + 2) + ends, np.int64)])
    missing = emit.op("Sub", [emit.constant("out", [op.out], np.int64), _count_channels(emit, x)])
    # Pad takes what is negative, and cuts: so as many zeros are counted, and of fewer than none no runtime makes any.
    missing = emit.op("Shape", [emit.op("ConstantOfShape", [missing])])
    return emit.op("Pad", [x, emit.op("Concat", [emit.constant("none", [0, 0, 0], np.int64), missing], axis=0)])


def _count_channels(emit: Emitter, x: Value) -> Value:
    """Of a vector whose length follows the sizes."""
    first, last = emit.constant("first", [1], np.int64), emit.constant("last", [2], np.int64)
    return emit.op("Slice", [emit.op("Shape", [x]), first, last])


@rule(Crop)
def crop(op: Crop, emit: Emitter, *values: Value) -> Value:
    """Start and end are computed from the operands' extents, so that they hold at every size."""
    whole, *others = _spaces(emit, values)
    part = emit.op("Min", [whole, *others])
    start = emit.op("Div", [emit.op("Sub", [whole, part]), emit.constant("two", [2], np.int64)])
    axes = emit.constant("axes", range(2, _rank(emit) + 2), np.int64)
    return emit.op("Slice", [values[0], start, emit.op("Add", [start, part]), axes])


@rule(PadSpace)
def pad_space(op: PadSpace, emit: Emitter, *values: Value) -> Value:
    """Both ends are computed from the operands' extents, so that they hold at every size."""
    part, *others = _spaces(emit, values)
    missing = emit.op("Sub", [emit.op("Max", [part, *others]), part])
    before = emit.op("Div", [missing, emit.constant("two", [2], np.int64)])
    none = emit.constant("none", [0, 0], np.int64)
    ends = emit.op("Concat", [none, before, none, emit.op("Sub", [missing, before])], axis=0)
    return emit.op("Pad", [values[0], ends])


def _spaces(emit: Emitter, values: Sequence[Value]) -> list[Value]:
    """The spatial extents of each value."""
    first, last = emit.constant("first", [2], np.int64), emit.constant("last", [_rank(emit) + 2], np.int64)
    return [emit.op("Slice", [emit.op("Shape", [value]), first, last]) for value in values]


@rule(Scale)
def scale(op: Scale, emit: Emitter, x: Value) -> Value:
    return emit.op("Mul", [x, _learned("factor", op, emit)])


@rule(Shift)
def shift(op: Shift, emit: Emitter, x: Value) -> Value:
    return emit.op("Add", [x, _learned("term", op, emit)])


def _learned(name: str, op: Scale | Shift, emit: Emitter) -> Value:
    """What a scale multiplies by or a shift adds: a constant, a stored number, or one for each channel."""
    if not op.trainable:
        return emit.constant(name, op.value)
    return _by_channel(name, emit) if op.per == "channel" else emit.weight(name)


@rule(Add)
def add(op: Add, emit: Emitter, *values: Value) -> Value:
    """Two by two, since ONNX Runtime fuses Add into the convolution before it, and Sum into none."""
    return reduce(lambda total, value: emit.op("Add", [total, value]), values)


@rule(Mean)
def mean(op: Mean, emit: Emitter, *values: Value) -> Value:
    """The sum times 1/n, since ONNX Runtime's kernel of Mean is for single precision alone."""
    total = emit.op("Sum", values)
    return emit.op("Mul", [total, emit.constant("share", 1 / len(values))])


@rule(Vote)
def vote(op: Vote, emit: Emitter, *values: Value) -> Value:
    """Counted in whole numbers, which every type holds exactly; and not by OneHot, which has not every type."""
    channels = _number_channels(emit, values[0])
    winners = [emit.op("ArgMax", [value], axis=1, keepdims=1) for value in values]
    counts = [emit.cast(emit.op("Equal", [winner, channels]), emit.float_type) for winner in winners]
    return emit.op("Mul", [emit.op("Sum", counts), emit.constant("share", 1 / len(values))])


def _number_channels(emit: Emitter, x: Value) -> Value:
    """0, 1, …, laid out as channels."""
    if isinstance(emit.shapes[emit.node.inputs[0]][1], int):
        numbers = np.arange(_channels(emit)).reshape(-1, *[1] * _rank(emit))
        return emit.constant("channels", numbers, np.int64)
    scalar = emit.op("Squeeze", [_count_channels(emit, x)])
    return emit.op("Range", [emit.constant("zero", 0, np.int64), scalar, emit.constant("one", 1, np.int64)])


@rule(Mul)
def mul(op: Mul, emit: Emitter, *values: Value) -> Value:
    return reduce(lambda product, value: emit.op("Mul", [product, value]), values)


@rule(Concat)
def concat(op: Concat, emit: Emitter, *values: Value) -> Value:
    return emit.op("Concat", values, axis=1)
