"""What is added to the scores of attention: biases by distance, and masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.ops import Attention
from archspec.ops.attention import MASKED
from archspec.ops.fields import along
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.attention_layout import HeadLayout
from compiler.onnx_target.rules.window_places import find_places
from compiler.onnx_target.window_rows import WindowRegion

MAX_BIAS = 1 << 28
"""The largest number of terms that a file holds for the distances of one attention, 1 GiB in fp32."""

LOWEST = {"float16": -65504.0, "bfloat16": -3e38, "float32": -3e38}
"""The score of what is hidden, by the type of the model's numbers."""


def add_terms(op: Attention, emit: Emitter, q: HeadLayout, scores: OnnxValue) -> OnnxValue:
    """Add to all scores what is added to them: biases and masks, which are added up first, so that a runtime that knows
    the extents does so beforehand. A mask of windows that are samples is repeated for each of the others."""
    terms = _list_terms(op, emit, q)
    if not terms:
        return scores
    term = reduce(lambda total, term: emit.op("Add", [total, term]), terms)
    if emit.windows and len(terms) > (op.bias != "none"):
        term = _repeat(emit, emit.windows, term)
    return emit.op("Add", [scores, term])


def _repeat(emit: Emitter, region: WindowRegion, term: OnnxValue) -> OnnxValue:
    """Repeat what is of each window for all samples: a Tile, since ONNX Runtime's optimizer for transformers takes what
    is added for the bias of its Attention, which has an entry for each sample and window, or one for all."""
    samples = emit.op("Shape", [find_places(region, emit).x], start=0, end=1)
    once = emit.constant("once", [1, 1, 1], np.int64)
    return emit.op("Tile", [term, emit.op("Concat", [samples, once], axis=0)])


def _list_terms(op: Attention, emit: Emitter, q: HeadLayout) -> list[OnnxValue]:
    """The terms that are added to all scores: the bias, and then the mask. Where windows are samples, they have four
    axes: (1, heads, L, L) and (windows, 1, L, L)."""
    terms = []
    if op.bias != "none":
        bias = read_bias(op, emit, q)
        terms.append(emit.constant("bias", bias[None] if emit.windows else bias))
    shifts = along(op.shift, q.shape, "shift")
    if not any(shifts):
        return terms
    counts = q.count_windows()
    if counts is None:
        name = f"mask of {q.sizes} shifted by {shifts} in {q.space}{' by window' * (emit.windows is not None)}"
        return [*terms, emit.once(name, lambda: _mask_shifted(emit, q, shifts))]
    if all(count == 1 for shift, count in zip(shifts, counts, strict=True) if shift):
        return terms
    apart = np.zeros((*counts, 1, 1, 1), bool)
    for axis, count in enumerate(counts):
        last = (np.arange(count) == count - 1) & (count > 1)
        apart = apart | (_along(last, axis, q.rank + 3) & _tell_sides(q.sizes, shifts, axis))
    return [
        *terms,
        emit.constant("mask", MASKED * (apart.reshape(-1, *apart.shape[q.rank :]) if emit.windows else apart)),
    ]


def _mask_shifted(emit: Emitter, q: HeadLayout, shifts: Sequence[int]) -> OnnxValue:
    """Compute the term of pairs that are neighbours only since the map was rolled, at whatever number of windows."""
    masks = []
    zero, one = (emit.constant(name, [number], np.int64) for name, number in (("none", 0), ("single", 1)))
    for axis, shift in enumerate(shifts):
        if not shift:
            continue
        count = q.compute_windows(axis)
        limits = [emit.op("Squeeze", [limit]) for limit in (zero, count, one)]
        places = emit.op("Range", limits)
        last = emit.op("Equal", [places, emit.op("Sub", [count, one])])
        last = emit.op("And", [last, emit.op("Greater", [count, one])])
        shape = emit.constant(f"along_{axis}", [-1 if i == axis else 1 for i in range(q.rank + 3)], np.int64)
        term = emit.constant(f"sides_{axis}", MASKED * _tell_sides(q.sizes, shifts, axis))
        masks.append(emit.op("Mul", [emit.op("Reshape", [emit.cast(last, emit.float_type), shape]), term]))
    mask = emit.op("Min", masks) if len(masks) > 1 else masks[0]
    if emit.windows is None:
        return mask
    length = prod(q.sizes)
    return emit.op("Reshape", [mask, emit.constant("by_window", [-1, 1, length, length], np.int64)])


def _tell_sides(sizes: Sequence[int], shifts: Sequence[int], axis: int) -> Array:
    """True for each pair of places in a window of which one lies before the end of the map along an axis, and the other
    behind it: (L, L)."""
    behind = np.broadcast_to(_along(np.arange(sizes[axis]) >= sizes[axis] - shifts[axis], axis, len(sizes)), sizes)
    return np.asarray(behind.reshape(-1, 1) != behind.reshape(1, -1))


def _along(row: Array, axis: int, rank: int) -> Array:
    return row.reshape([-1 if other == axis else 1 for other in range(rank)])


def read_bias(op: Attention, emit: Emitter, q: HeadLayout) -> Array:
    """The term of each pair of positions, for each head, from the stored numbers: (heads, L, L)."""
    sizes = op.seen(q.shape)
    if (count := op.heads * prod(sizes) ** 2) > MAX_BIAS:
        message = f"{emit.node.id} adds a term to {count:,} scores; a file holds at most {MAX_BIAS:,}"
        raise ArchspecError(f"{message}: put the attention into `windows`")
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


def hide_later(emit: Emitter, scores: OnnxValue) -> OnnxValue:
    """Give the scores of later positions the lowest number."""
    zero, one = (emit.constant(name, number, np.int64) for name, number in (("zero", 0), ("one", 1)))
    count = emit.op(
        "Squeeze", [emit.op("Gather", [emit.op("Shape", [scores]), emit.constant("last_axis", [-1], np.int64)])]
    )
    places = emit.op("Range", [zero, count, one])
    column = emit.op("Unsqueeze", [places, emit.constant("second_axis", [1], np.int64)])
    lowest = emit.constant("lowest", LOWEST[emit.float_type.name])
    return emit.op("Where", [emit.op("Greater", [places, column]), lowest, scores])
