"""Operations that give a value other extents, or move its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.ops import Concat, Crop, Flatten, PadChannels, PadSpace, RepeatSpace
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import plain, rule


@rule(PadChannels)
def pad_channels(op: PadChannels, emit: Emitter, x: OnnxValue) -> OnnxValue:
    rank = emit.before.rank
    if isinstance(emit.named[1], int):
        ends = [0, op.out - emit.before.channels, *[0] * rank]
        return emit.op("Pad", [x, emit.constant("pads", [0] * (rank + 2) + ends, np.int64)])
    missing = emit.op("Sub", [emit.constant("out", [op.out], np.int64), count_channels(emit, x)])
    # Pad takes what is negative, and cuts: so as many zeros are counted, and of fewer than none no runtime makes any.
    missing = emit.op("Shape", [emit.op("ConstantOfShape", [missing])])
    return emit.op("Pad", [x, emit.op("Concat", [emit.constant("none", [0, 0, 0], np.int64), missing], axis=0)])


def count_channels(emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Count the channels of a vector whose length follows the sizes."""
    first, last = emit.constant("first", [1], np.int64), emit.constant("last", [2], np.int64)
    return emit.op("Slice", [emit.op("Shape", [x]), first, last])


@rule(Crop)
def crop(op: Crop, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """Start and end are computed from the operands' extents, so that they hold at every size."""
    whole, *others = _spaces(emit, values)
    part = emit.op("Min", [whole, *others])
    start = emit.op("Div", [emit.op("Sub", [whole, part]), emit.constant("two", [2], np.int64)])
    axes = emit.constant("axes", range(*emit.space().values()), np.int64)
    return emit.op("Slice", [values[0], start, emit.op("Add", [start, part]), axes])


@rule(PadSpace)
def pad_space(op: PadSpace, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """Lower a padding. Both ends are computed from the operands' extents, so that they hold at every size."""
    part, *others = _spaces(emit, values)
    missing = emit.op("Sub", [emit.op("Max", [part, *others]), part])
    before = emit.op("Div", [missing, emit.constant("two", [2], np.int64)])
    none = emit.constant("none", [0, 0], np.int64)
    ends = emit.op("Concat", [none, before, none, emit.op("Sub", [missing, before])], axis=0)
    return emit.op("Pad", [values[0], ends])


@rule(RepeatSpace)
def repeat_space(op: RepeatSpace, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """Lower a repetition to the largest extents, which hold at every size."""
    largest = emit.op("Max", _spaces(emit, values))
    return emit.op("Expand", [values[0], emit.op("Concat", [emit.constant("own", [1, 1], np.int64), largest], axis=0)])


def _spaces(emit: Emitter, values: Sequence[OnnxValue]) -> list[OnnxValue]:
    """The spatial extents of each value."""
    return [_slice_space(emit, place, value) for place, value in enumerate(values)]


def _slice_space(emit: Emitter, place: int, value: OnnxValue) -> OnnxValue:
    name = "_of_rows" if emit.reads_rows(place) else ""
    ends = (
        emit.constant(f"{end}{name}", [at], np.int64)
        for end, at in zip(("first", "last"), emit.space(place).values(), strict=True)
    )
    return emit.op("Slice", [emit.op("Shape", [value]), *ends])


@rule(Concat)
def concat(op: Concat, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    return emit.op("Concat", values, axis=emit.axis(0))


rule(Flatten)(plain("Flatten"))
