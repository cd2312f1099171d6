"""Pooling to a given number of positions: of windows that lie at computed places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.ops import AdaptiveAvgPool, AdaptiveMaxPool
from archspec.ops.adaptive import AdaptivePool
from archspec.ops.fields import along
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule


@rule(AdaptiveAvgPool)
def adaptive_avg_pool(op: AdaptiveAvgPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _pool(op, emit, x, "AveragePool", "ReduceMean")


@rule(AdaptiveMaxPool)
def adaptive_max_pool(op: AdaptiveMaxPool, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _pool(op, emit, x, "MaxPool", "ReduceMax")


def _pool(op: AdaptivePool, emit: Emitter, x: OnnxValue, plain: str, reduce: str) -> OnnxValue:
    """Lower a pooling: by one node where all windows are of one extent; else along one axis after the other, since a
    largest value of largest values is one, and a mean of means of equally many values too."""
    sizes = along(op.size, emit.before, "size")
    if set(sizes) == {1}:
        return emit.op(f"Global{plain}", [x])
    fixed = all(isinstance(extent, int) for extent in emit.named[2:])
    if fixed and not any(extent % size for extent, size in zip(emit.before.space, sizes, strict=True)):
        kernel = [extent // size for extent, size in zip(emit.before.space, sizes, strict=True)]
        return emit.op(plain, [x], kernel_shape=kernel, strides=kernel)
    source = x
    for axis, size in enumerate(sizes, start=2):
        starts, ends = _find_ends(emit, source, axis, size)
        parts = [_take_window(emit, x, axis, [_pick(emit, ends_, i) for ends_ in (starts, ends)]) for i in range(size)]
        reduced = [emit.reduce(reduce, part, [axis], f"at_{axis}") for part in parts]
        x = emit.op("Concat", reduced, axis=axis) if size > 1 else reduced[0]
    return x


def _find_ends(emit: Emitter, x: OnnxValue, axis: int, size: int) -> tuple[OnnxValue, OnnxValue]:
    """Compute where the windows along an axis start and end, ⌊i S / n⌋ and ⌈(i + 1) S / n⌉: both are of whole numbers,
    so that they hold at every extent S."""
    first, last, count = (emit.constant(f"at_{n}", [n], np.int64) for n in (axis, axis + 1, size))
    extent = emit.op("Slice", [emit.op("Shape", [x]), first, last])
    numbers = emit.constant(f"numbers_{axis}", range(size), np.int64)
    starts = emit.op("Div", [emit.op("Mul", [numbers, extent]), count])
    behind = emit.constant(f"behind_{axis}", range(1, size + 1), np.int64)
    more = emit.constant(f"more_{axis}", [size - 1], np.int64)
    return starts, emit.op("Div", [emit.op("Add", [emit.op("Mul", [behind, extent]), more]), count])


def _pick(emit: Emitter, numbers: OnnxValue, i: int) -> OnnxValue:
    first, last = (emit.constant(f"at_{n}", [n], np.int64) for n in (i, i + 1))
    return emit.op("Slice", [numbers, first, last])


def _take_window(emit: Emitter, x: OnnxValue, axis: int, ends: Sequence[OnnxValue]) -> OnnxValue:
    return emit.op("Slice", [x, *ends, emit.constant(f"at_{axis}", [axis], np.int64)])
