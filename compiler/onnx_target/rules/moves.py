"""Operations that put numbers at other places: slices."""

from __future__ import annotations

import numpy as np

from archspec.ops import Roll, Slice
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule

END = np.iinfo(np.int64).max
"""The end of every axis, as ONNX has it."""


@rule(Slice)
def slice_(op: Slice, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return cut(emit, x, "", emit.axis(op.axis), op.start, op.stop, op.step)


@rule(Roll)
def roll(op: Roll, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a roll: what is beyond the end comes first. Counted from the end, it holds at every size."""
    for place, shift in enumerate(op.along_axes(emit.before), start=1):
        if shift:
            axis = emit.axis(place)
            beyond = cut(emit, x, f"beyond{axis}.", axis, -shift, None)
            x = emit.op("Concat", [beyond, cut(emit, x, f"rest{axis}.", axis, 0, -shift)], axis=axis)
    return x


def cut(emit: Emitter, x: OnnxValue, name: str, axis: int, start: int, stop: int | None, step: int = 1) -> OnnxValue:
    """Take positions along an axis of the file's value; `name` tells its constants from those of others."""
    numbers = {"start": start, "stop": END if stop is None else stop, "axis": axis, "step": step}
    given = [emit.constant(f"{name}{key}", [number], np.int64) for key, number in numbers.items()]
    return emit.op("Slice", [x, *(given if step != 1 else given[:3])])
