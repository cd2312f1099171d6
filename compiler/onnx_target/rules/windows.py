"""Convolutions and pooling: whatever slides a window over maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from archspec.ops import AvgPool, Conv, ConvTranspose, GlobalAvgPool, GlobalMaxPool, MaxPool, MaxUnpool
from archspec.ops.fields import along
from archspec.ops.pooling import Pool
from archspec.ops.window import Window
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import plain, rule
from compiler.passes.split_kernels import AxisConv


@rule(Conv)
def conv(op: Conv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    if emit.rows:
        return _multiply(op, emit, x)
    windows = op.windows(emit.before)
    moving = _find_moving(op, emit)
    # ONNX's own rule is for all axes, and ONNX Runtime has it without dilation alone.
    auto = all(moving) and all(window.dilation == 1 for window in windows)
    if any(moving) and not auto:
        x = _pad_moving(windows, moving, emit, x)
        windows = tuple(replace(w, before=0, after=0) if one else w for w, one in zip(windows, moving, strict=True))
    return emit.op(
        "Conv",
        [x, emit.weight("weight"), *([emit.weight("bias")] if op.bias else [])],
        **_say_windows(windows, auto=auto),
        dilations=[window.dilation for window in windows],
        group=op.groups,
    )


def _multiply(op: Conv, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a convolution of single positions in rows, as a product with the matrix (in, out)."""
    product = emit.lead(emit.op("MatMul", [x, emit.matrix("weight")]))
    return emit.op("Add", [product, emit.weight("bias")]) if op.bias else product


def _find_moving(op: Conv | Pool, emit: Emitter) -> list[bool]:
    """Tell along which axes the padding depends on the size, which is none that is known."""
    rules = along(op.padding, emit.before, "padding")
    rows = zip(rules, op.windows(emit.before), emit.named[2:], strict=True)
    return [rule == "same_end" and w.stride > 1 and not isinstance(extent, int) for rule, w, extent in rows]


def _say_windows(windows: Sequence[Window], *, auto: bool = False) -> dict[str, Any]:
    """The attributes of windows; with `auto` each axis has ONNX's SAME_UPPER, which is our `same_end`."""
    begins, ends = [w.before for w in windows], [w.after for w in windows]
    padding = {"auto_pad": "SAME_UPPER"} if auto else {"pads": begins + ends}
    return {"kernel_shape": [w.kernel for w in windows], "strides": [w.stride for w in windows], **padding}


def _pad_moving(windows: Sequence[Window], axes: Sequence[bool], emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Pad with zeros along some axes so that ⌈size / stride⌉ windows fit, from the extents that x has."""
    sizes, end = _find_ends(windows, emit, x)
    missing = emit.op("Sub", [end, sizes])
    missing = emit.op("Max", [missing, emit.constant("zero", [0], np.int64)])
    missing = emit.op("Mul", [missing, emit.constant("axes", list(map(int, axes)), np.int64)])
    before = emit.op("Div", [missing, emit.constant("two", [2], np.int64)])
    none = emit.constant("none", [0, 0], np.int64)
    ends = emit.op("Concat", [none, before, none, emit.op("Sub", [missing, before])], axis=0)
    return emit.op("Pad", [x, ends])


def _cut_unread(windows: Sequence[Window], axes: Sequence[bool], emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Cut off what no window reaches, along some axes: where strides are beyond the windows, ONNX Runtime pads a
    pooling by less than nothing otherwise."""
    far = [axis for axis, (w, one) in enumerate(zip(windows, axes, strict=True)) if one and w.stride > w.reach]
    if not far:
        return x
    _, ends = _find_ends(windows, emit, x)
    chosen = emit.op("Gather", [ends, emit.constant("far", far, np.int64)])
    starts, places = emit.constant("starts", [0] * len(far), np.int64), [2 + axis for axis in far]
    return emit.op("Slice", [x, starts, chosen, emit.constant("places", places, np.int64)])


def _find_ends(windows: Sequence[Window], emit: Emitter, x: OnnxValue) -> tuple[OnnxValue, OnnxValue]:
    """Compute the extents that x has, and those over which as many windows slide as ⌈extent / stride⌉."""
    first, last = emit.constant("first", [2], np.int64), emit.constant("last", [len(windows) + 2], np.int64)
    sizes = emit.op("Slice", [emit.op("Shape", [x]), first, last])
    strides = emit.constant("strides", [w.stride for w in windows], np.int64)
    # (⌈size / stride⌉ - 1) stride, with ⌈size / stride⌉ - 1 = ⌊(size - 1) / stride⌋
    start = emit.op(
        "Mul", [emit.op("Div", [emit.op("Sub", [sizes, emit.constant("one", [1], np.int64)]), strides]), strides]
    )
    reach = emit.constant("reach", [w.reach for w in windows], np.int64)
    return sizes, emit.op("Add", [start, reach])


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
    windows, grown = op.windows(emit.before), along(op.output_padding, emit.before, "output_padding")
    fits = [more < w.stride for more, w in zip(grown, windows, strict=True)]
    ends = [w.after if fit else w.after + w.dilation - more for w, more, fit in zip(windows, grown, fits, strict=True)]
    return emit.op(
        "ConvTranspose",
        [x, _append_taps([int(not fit) for fit in fits], emit), *([emit.weight("bias")] if op.bias else [])],
        kernel_shape=[w.kernel + (not fit) for w, fit in zip(windows, fits, strict=True)],
        strides=[w.stride for w in windows],
        pads=[w.before for w in windows] + ends,
        output_padding=[more if fit else 0 for more, fit in zip(grown, fits, strict=True)],
        dilations=[w.dilation for w in windows],
        group=op.groups,
    )


def _append_taps(taps: Sequence[int], emit: Emitter) -> OnnxValue:
    """A kernel with so many zeros more along each axis."""
    if not any(taps):
        return emit.weight("weight")
    stored = np.asarray(emit.array("weight"))
    return emit.constant("kernel", np.pad(stored, [(0, 0), (0, 0), *((0, more) for more in taps)]))


def _pool(kind: str, op: MaxPool | AvgPool, emit: Emitter, x: OnnxValue, **options: Any) -> OnnxValue:
    """Lower a pooling. Before opset 19 ONNX infers a last window that begins in the padding, which no runtime computes.
    Axes of fixed extent along which there would be one need no `ceil_mode`; where others do, each have a node, as have
    axes whose padding ONNX's own rule says."""
    windows, before, after = op.windows(emit.before), emit.before.space, emit.node.shape.space
    moving = _find_moving(op, emit)
    if any(moving):
        x = _cut_unread(windows, moving, emit, x)
        x = _pool_axes(kind, windows, moving, emit, x, auto=True, **options)
        if all(moving):
            return x
    rest = [not one for one in moving]
    fixed = [isinstance(extent, int) for extent in emit.named[2:]]
    rows = zip(windows, fixed, before, after, strict=True)
    whole = [known and w.slide(size) == count for w, known, size, count in rows]
    if not op.ceil or all(whole):
        return _pool_axes(kind, windows, rest, emit, x, ceil_mode=0, **options)
    rows_left = zip(windows, whole, before, strict=True)
    early = [one and (size + w.padding - w.reach) % w.stride > 0 for w, one, size in rows_left]
    if any(early):
        x = _pool_axes(kind, windows, early, emit, x, ceil_mode=0, **options)
    later = [one and not axis for one, axis in zip(rest, early, strict=True)]
    return _pool_axes(kind, windows, later, emit, x, ceil_mode=1, **options)


def _pool_axes(
    kind: str,
    windows: Sequence[Window],
    axes: Sequence[bool],
    emit: Emitter,
    x: OnnxValue,
    *,
    auto: bool = False,
    **options: Any,
) -> OnnxValue:
    """Lower a pooling along some of the axes."""
    chosen = [w if axis else Window(1, 1) for w, axis in zip(windows, axes, strict=True)]
    return emit.op(kind, [x], **_say_windows(chosen, auto=auto), **options)


@rule(MaxPool)
def max_pool(op: MaxPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _pool("MaxPool", op, emit, x)


@rule(MaxUnpool)
def max_unpool(op: MaxUnpool, emit: Emitter, x: OnnxValue, pooled: OnnxValue) -> OnnxValue:
    """Lower the way back from a pooling along the row of a channel's positions: ONNX counts places through batch and
    channels too, and its own MaxUnpool takes them for those of a smaller map where a pooling leaves out positions."""
    pooled = emit.model.read(emit.node.inputs[1], rows=False)
    space = emit.model.graph[emit.node.inputs[1]].shape
    largest = emit.op("MaxPool", [pooled], **_say_windows(op.pooling.windows(space)), ceil_mode=int(op.ceil))
    shape, flat = emit.op("Shape", [pooled]), emit.constant("flat", [0, 0, -1], np.int64)
    zeros, places, values = (
        emit.op("Reshape", [value, flat])
        for value in (emit.op("Expand", [emit.constant("zero", 0.0), shape]), emit.beside(largest), x)
    )
    length = emit.op("Shape", [zeros], start=2, end=3)
    scattered = emit.op("ScatterElements", [zeros, emit.op("Mod", [places, length]), values], axis=2)
    return emit.op("Reshape", [scattered, shape])


@rule(AvgPool)
def avg_pool(op: AvgPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    # Without a padding it says nothing; but ONNX Runtime 1.16 to 1.24 then divides by positions that `ceil` adds.
    return _pool("AveragePool", op, emit, x, count_include_pad=int(op.pads and op.count == "all"))


rule(GlobalAvgPool)(plain("GlobalAveragePool"))
rule(GlobalMaxPool)(plain("GlobalMaxPool"))
