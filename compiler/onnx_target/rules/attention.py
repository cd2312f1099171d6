"""Attention, as the matrix products and the softmax that it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import sqrt

import numpy as np

from archspec.arrays import Array
from archspec.ops import Attention
from archspec.ops.attention import LARGEST, MASKED
from archspec.ops.fields import along
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule

LOWEST = {"float16": -65504.0, "bfloat16": -3e38, "float32": -3e38}
"""The score of what is hidden, by the type of the model's numbers."""


@rule(Attention)
def attention(op: Attention, emit: Emitter, query: OnnxValue, key: OnnxValue, value: OnnxValue) -> OnnxValue:
    """Lay all out by window and head, multiply, and lay the result out as a map again."""
    rows = [OperandRows(op, emit, x, place) for place, x in enumerate((query, key, value))]
    q, k, v = rows
    scores = emit.op("MatMul", _compare(op, emit, q, k))
    for term in _list_terms(op, emit, q):
        scores = emit.op("Add", [scores, term])
    if op.causal:
        scores = _hide_later(emit, scores)
    return v.join(q, emit.op("MatMul", [emit.op("Softmax", [scores], axis=-1), v.by_position()]))


class OperandRows:
    """One operand, (N, C, *S), as rows: (N, *windows, heads, positions of a window, channels of a head); without a
    window (N, heads, positions, channels)."""

    def __init__(self, op: Attention, emit: Emitter, x: OnnxValue, place: int) -> None:
        id = emit.node.inputs[place]
        self.op, self.emit, self.x, self.tag = op, emit, x, ("query", "key", "value")[place]
        self.shape, self.space = emit.model.graph[id].shape, emit.model.shapes[id][2:]
        self.width = self.shape.channels // op.heads
        self.sizes = () if op.window is None else along(op.window, self.shape, "window")
        self.rank = len(self.sizes)

    def by_position(self) -> OnnxValue:
        """The rows."""
        if not self.sizes:
            return self.emit.op("Transpose", [self.by_channel()], perm=[0, 1, 3, 2])
        laid = self._cut([1, *self._inside, 2])
        return self._reshape("rows", laid, [*self._kept, -1, self.width])

    def by_channel(self) -> OnnxValue:
        """The rows, transposed."""
        if not self.sizes:
            return self._reshape("columns", self.x, [0, self.op.heads, self.width, -1])
        laid = self._cut([1, 2, *self._inside])
        return self._reshape("columns", laid, [*self._kept, self.width, -1])

    def join(self, query: OperandRows, rows: OnnxValue) -> OnnxValue:
        """Lay rows of these channels out as a map of the query's extents."""
        if self.sizes:
            rank = self.rank
            parts = self._reshape("parts", rows, [*self._kept, *self.sizes, self.width])
            pairs = ((1 + axis, 2 + rank + axis) for axis in range(rank))
            order = [0, 1 + rank, 2 + 2 * rank, *chain.from_iterable(p[::-1] if self.op.grid else p for p in pairs)]
            laid = self.emit.op("Transpose", [parts], perm=order)
        else:
            laid = self.emit.op("Transpose", [rows], perm=[0, 1, 3, 2])
        if sum(isinstance(extent, str) for extent in query.space) < 2:
            extents = [-1 if isinstance(extent, str) else extent for extent in query.space]
            return self._reshape("map", laid, [0, self.shape.channels, *extents])
        head = self.emit.constant("head", [0, self.shape.channels], np.int64)
        return self.emit.op("Reshape", [laid, self.emit.op("Concat", [head, query.extents()], axis=0)])

    def extents(self) -> OnnxValue:
        """The spatial extents, as they are when the model runs."""
        first, last = (
            self.emit.constant(name, [at], np.int64) for name, at in (("first", 2), ("last", 2 + len(self.space)))
        )
        return self.emit.op("Slice", [self.emit.op("Shape", [self.x]), first, last])

    def windows(self) -> list[int] | None:
        """The number of windows along each axis; None where some extent is not fixed."""
        if any(isinstance(extent, str) for extent in self.space):
            return None
        return [extent // size for extent, size in zip(self.shape.space, self.sizes, strict=True)]

    def count_windows(self) -> OnnxValue:
        """The number of windows along each axis, as it is when the model runs."""
        return self.emit.op("Div", [self.extents(), self.emit.constant("sizes", self.sizes, np.int64)])

    @property
    def _kept(self) -> list[int]:
        """The first axes, which a change of shape keeps: batch, windows, heads."""
        return [0] * (2 + self.rank)

    @property
    def _inside(self) -> range:
        return range(3 + (not self.op.grid), 3 + 2 * self.rank, 2)

    def _cut(self, order: Sequence[int]) -> OnnxValue:
        """Cut each axis into windows and places in them, and bring batch and windows to the front."""
        grid, heads = self.op.grid, [0, self.op.heads, self.width]
        windows = range(3 + grid, 3 + 2 * self.rank, 2)
        counts = self.windows()
        if counts is not None:
            pairs = zip(counts, self.sizes, strict=True)
            parts = self._reshape("cut", self.x, [*heads, *chain.from_iterable(p[::-1] if grid else p for p in pairs)])
        else:
            column = self.emit.constant("column", [-1, 1], np.int64)
            pair = [self.emit.op("Reshape", [self.count_windows(), column])]
            pair.append(self.emit.constant("column_sizes", np.reshape(self.sizes, (-1, 1)), np.int64))
            flat = self.emit.constant("flat", [-1], np.int64)
            extents = self.emit.op("Reshape", [self.emit.op("Concat", pair[::-1] if grid else pair, axis=1), flat])
            head = self.emit.constant(f"{self.tag}_heads", heads, np.int64)
            parts = self.emit.op("Reshape", [self.x, self.emit.op("Concat", [head, extents], axis=0)])
        return self.emit.op("Transpose", [parts], perm=[0, *windows, *order])

    def _reshape(self, name: str, x: OnnxValue, extents: Sequence[int]) -> OnnxValue:
        return self.emit.op("Reshape", [x, self.emit.constant(f"{self.tag}_{name}", extents, np.int64)])


def _compare(op: Attention, emit: Emitter, q: OperandRows, k: OperandRows) -> list[OnnxValue]:
    """The factors of the scores; what scales them is multiplied to the query, which is smaller."""
    rows, columns = q.by_position(), k.by_channel()
    if op.similarity == "cosine":
        rows = emit.op("LpNormalization", [rows], axis=-1, p=2)
        columns = emit.op("LpNormalization", [columns], axis=-2, p=2)
        factor = np.exp(np.minimum(np.asarray(emit.array("logit_scale"), np.float64), LARGEST))
        return [emit.op("Mul", [rows, emit.constant("factor", factor[:, None, None])]), columns]
    scale = op.scale if op.scale is not None else 1 / sqrt(q.width)
    return [emit.op("Mul", [rows, emit.constant("scale", scale)]), columns]


def _list_terms(op: Attention, emit: Emitter, q: OperandRows) -> list[OnnxValue]:
    """The terms that are added to all scores."""
    terms = [emit.constant("bias", _read_bias(op, emit, op.seen(q.shape)))] if op.bias != "none" else []
    shifts = along(op.shift, q.shape, "shift")
    counts = q.windows() if any(shifts) else [1]
    if counts is None:
        terms.append(_mask_shifted(emit, q, shifts))
    elif any(shift and count > 1 for shift, count in zip(shifts, counts, strict=False)):
        lasts = [np.arange(count) == count - 1 if count > 1 else np.zeros(count, bool) for count in counts]
        apart = np.zeros((*counts, 1, 1, 1), bool)
        for axis, last in enumerate(lasts):
            apart = apart | (_along(last, axis, q.rank + 3) & _tell_sides(q.sizes, shifts, axis))
        terms.append(emit.constant("mask", MASKED * apart))
    return terms


def _mask_shifted(emit: Emitter, q: OperandRows, shifts: Sequence[int]) -> OnnxValue:
    """Compute the term of pairs that are neighbours only since the map was rolled, at whatever number of windows."""
    counts, masks = q.count_windows(), []
    zero, one = (emit.constant(name, [number], np.int64) for name, number in (("none", 0), ("single", 1)))
    for axis, shift in enumerate(shifts):
        if not shift:
            continue
        at = emit.constant(f"axis_{axis}", [axis], np.int64)
        count = emit.op("Gather", [counts, at])
        limits = [emit.op("Squeeze", [limit]) for limit in (zero, count, one)]
        places = emit.op("Range", limits)
        last = emit.op("Equal", [places, emit.op("Sub", [count, one])])
        last = emit.op("And", [last, emit.op("Greater", [count, one])])
        shape = emit.constant(f"along_{axis}", [-1 if i == axis else 1 for i in range(q.rank + 3)], np.int64)
        term = emit.constant(f"sides_{axis}", MASKED * _tell_sides(q.sizes, shifts, axis))
        masks.append(emit.op("Mul", [emit.op("Reshape", [emit.cast(last, emit.float_type), shape]), term]))
    return emit.op("Min", masks) if len(masks) > 1 else masks[0]


def _tell_sides(sizes: Sequence[int], shifts: Sequence[int], axis: int) -> Array:
    """True for each pair of places in a window of which one lies before the end of the map along an axis, and the other
    behind it: (L, L)."""
    behind = np.broadcast_to(_along(np.arange(sizes[axis]) >= sizes[axis] - shifts[axis], axis, len(sizes)), sizes)
    return np.asarray(behind.reshape(-1, 1) != behind.reshape(1, -1))


def _along(row: Array, axis: int, rank: int) -> Array:
    return row.reshape([-1 if other == axis else 1 for other in range(rank)])


def _read_bias(op: Attention, emit: Emitter, sizes: Sequence[int]) -> Array:
    """The term of each pair of positions, for each head, from the stored numbers: (heads, L, L)."""
    if op.bias == "relative":
        table = np.asarray(emit.array("table"))
    else:
        inner, bias, outer = (np.asarray(emit.array(name), np.float64) for name in ("inner", "inner_bias", "outer"))
        steps = np.meshgrid(*(np.arange(1 - n, n) * (8 / max(n - 1, 1)) for n in sizes), indexing="ij")
        whole = np.stack(steps, axis=-1).reshape(-1, len(sizes))
        distances = np.sign(whole) * np.log2(np.abs(whole) + 1) / 3
        table = 16 / (1 + np.exp(-np.maximum(distances @ inner.T + bias, 0) @ outer.T))
    number = np.zeros((1, 1), np.int64)
    for size, place in zip(sizes, np.indices(sizes), strict=True):
        row = place.reshape(-1)
        number = number * (2 * size - 1) + row[:, None] - row[None, :] + size - 1
    return np.moveaxis(table[number], -1, 0)


def _hide_later(emit: Emitter, scores: OnnxValue) -> OnnxValue:
    """Give the scores of later positions the lowest number."""
    zero, one = (emit.constant(name, number, np.int64) for name, number in (("zero", 0), ("one", 1)))
    count = emit.op(
        "Squeeze", [emit.op("Gather", [emit.op("Shape", [scores]), emit.constant("last_axis", [-1], np.int64)])]
    )
    places = emit.op("Range", [zero, count, one])
    column = emit.op("Unsqueeze", [places, emit.constant("second_axis", [1], np.int64)])
    lowest = emit.constant("lowest", LOWEST[emit.float_type.name])
    return emit.op("Where", [emit.op("Greater", [places, column]), lowest, scores])
