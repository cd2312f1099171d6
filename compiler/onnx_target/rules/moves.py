"""Operations that put numbers at other places: slices."""

from __future__ import annotations

import numpy as np

from archspec.ops import Slice
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule

END = np.iinfo(np.int64).max
"""The end of every axis, as ONNX has it."""


@rule(Slice)
def slice_(op: Slice, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return cut(emit, x, "", emit.axis(op.axis), op.start, op.stop, op.step)


def cut(emit: Emitter, x: OnnxValue, name: str, axis: int, start: int, stop: int | None, step: int = 1) -> OnnxValue:
    """Take positions along an axis of the file's value; `name` tells its constants from those of others."""
    numbers = {"start": start, "stop": END if stop is None else stop, "axis": axis, "step": step}
    given = [emit.constant(f"{name}{key}", [number], np.int64) for key, number in numbers.items()]
    return emit.op("Slice", [x, *(given if step != 1 else given[:3])])
