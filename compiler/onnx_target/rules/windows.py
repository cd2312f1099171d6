"""Convolutions and pooling: whatever slides a window over maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.ops import AvgPool, Conv, ConvTranspose, GlobalAvgPool, GlobalMaxPool, MaxPool
from archspec.ops.window import Window
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import plain, rule
from compiler.passes.split_kernels import AxisConv


@rule(Conv)
def conv(op: Conv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    if emit.rows:
        return _multiply(op, emit, x)
    window, rank = op.window, emit.before.rank
    return emit.op(
        "Conv",
        [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=[op.kernel] * rank,
        strides=[op.stride] * rank,
        pads=[window.padding] * (2 * rank),
        dilations=[op.dilation] * rank,
        group=op.groups,
    )


def _multiply(op: Conv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a convolution of single positions in rows, as a product with the matrix (in, out)."""
    product = emit.op("MatMul", [x, emit.matrix("weight")])
    return emit.op("Add", [product, emit.weight("bias")]) if op.bias else product


@rule(AxisConv)
def axis_conv(op: AxisConv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    taps = op.taps(emit.before.rank)
    return emit.op(
        "Conv",
        [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=list(taps),
        pads=[tap // 2 for tap in taps] * 2,
    )


@rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a transposed convolution. ONNX Runtime takes an output padding below the stride alone. A larger one is
    below the dilation: a tap of zeros at the end of the kernel reaches beyond it, and a padding cuts off what is too
    much."""
    rank = emit.before.rank
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


def _append_taps(taps: int, emit: Emitter) -> OnnxValue:
    """A kernel with so many zeros more along each axis."""
    if not taps:
        return emit.weight("weight")
    stored = np.asarray(emit.array("weight"))
    return emit.constant("kernel", np.pad(stored, [(0, 0), (0, 0), *[(0, taps)] * (stored.ndim - 2)]))


def _pool(kind: str, op: MaxPool | AvgPool, emit: Emitter, x: OnnxValue, **options: int) -> OnnxValue:
    """Lower a pooling. Before opset 19 ONNX infers a last window that begins in the padding, which no runtime computes.
    Axes of fixed extent along which there would be one need no `ceil_mode`; where others do, each have a node."""
    w, space = op.window, emit.node.shape.space
    fixed = [isinstance(extent, int) for extent in emit.named[2:]]
    before = emit.before.space
    whole = [known and w.slide(size) == count for known, size, count in zip(fixed, before, space, strict=True)]
    if not op.ceil or all(whole):
        return _pool_axes(kind, w, [True] * len(space), emit, x, ceil_mode=0, **options)
    early = [one and (size + 2 * w.padding - w.reach) % w.stride > 0 for one, size in zip(whole, before, strict=True)]
    if any(early):
        x = _pool_axes(kind, w, early, emit, x, ceil_mode=0, **options)
    return _pool_axes(kind, w, [not axis for axis in early], emit, x, ceil_mode=1, **options)


def _pool_axes(kind: str, w: Window, axes: Sequence[bool], emit: Emitter, x: OnnxValue, **options: int) -> OnnxValue:
    """Lower a pooling along some of the axes."""
    return emit.op(
        kind,
        [x],
        kernel_shape=[w.kernel if axis else 1 for axis in axes],
        strides=[w.stride if axis else 1 for axis in axes],
        pads=[w.padding if axis else 0 for axis in axes] * 2,
        **options,
    )


@rule(MaxPool)
def max_pool(op: MaxPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _pool("MaxPool", op, emit, x)


@rule(AvgPool)
def avg_pool(op: AvgPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    # Without a padding it says nothing; but ONNX Runtime 1.16 to 1.24 then divides by positions that `ceil` adds.
    return _pool("AveragePool", op, emit, x, count_include_pad=int(op.padding > 0))


rule(GlobalAvgPool)(plain("GlobalAveragePool"))
rule(GlobalMaxPool)(plain("GlobalMaxPool"))
