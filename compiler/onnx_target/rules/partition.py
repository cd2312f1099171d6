"""The ways into windows and out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.ops import EnterWindows, LeaveWindows
from archspec.ops.fields import along
from archspec.ops.partition import Windowed
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule

END = np.iinfo(np.int64).max
"""A position behind every end."""


@rule(EnterWindows)
def enter_windows(op: EnterWindows, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Pad the ends, and roll towards the start."""
    shape, rank = emit.before, emit.before.rank
    if _is_fixed(emit):
        whole = op.pad(shape)
        missing = [more - own for more, own in zip(whole.space, shape.space, strict=True)]
        if any(missing):
            ends = emit.lay_out([0], [0], missing)
            x = emit.op("Pad", [x, emit.constant("pads", [*[0] * (rank + 2), *ends], np.int64)])
        return _roll(emit, x, list(op.shifts(whole)), back=False)
    extents = _read_space(emit, x, 0)
    sizes = _write(emit, "sizes", along(op.size, shape, "size"))
    rest = emit.op("Mod", [extents, sizes])
    missing_now = emit.op("Mod", [emit.op("Sub", [sizes, rest]), sizes])
    parts = [_write(emit, "none", [0] * (rank + (3 if emit.rows else 4))), missing_now]
    x = emit.op("Pad", [x, emit.op("Concat", parts + ([_write(emit, "zero", [0])] if emit.rows else []), axis=0)])
    return _roll(emit, x, _find_shifts(op, emit, emit.op("Add", [extents, missing_now])), back=False)


@rule(LeaveWindows)
def leave_windows(op: LeaveWindows, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
    """Roll back, and cut the ends off."""
    shape, rank = emit.before, emit.before.rank
    if _is_fixed(emit):
        x = _roll(emit, x, list(op.shifts(shape)), back=True)
        if emit.node.shape == shape:
            return x
        ends = _write(emit, "ends", emit.node.shape.space)
    else:
        x = _roll(emit, x, _find_shifts(op, emit, _read_space(emit, x, 0)), back=True)
        ends = _read_space(emit, like, 1)
    starts, axes = _write(emit, "starts", [0] * rank), _write(emit, "axes", range(*emit.space().values()))
    return emit.op("Slice", [x, starts, ends, axes])


def _is_fixed(emit: Emitter) -> bool:
    return not any(isinstance(extent, str) for id in emit.node.inputs for extent in emit.model.shapes[id][2:])


def _read_space(emit: Emitter, x: OnnxValue, place: int) -> OnnxValue:
    """The spatial extents of an operand, as they are when the model runs."""
    return emit.op("Shape", [x], **emit.space(place))


def _find_shifts(op: Windowed, emit: Emitter, extents: OnnxValue) -> list[OnnxValue | int]:
    """Compute how far each axis is rolled: nowhere where there is one window."""
    shifts, sizes = (along(field, emit.before, name) for field, name in ((op.shift, "shift"), (op.size, "size")))
    if not any(shifts):
        return [0] * len(shifts)
    several = emit.cast(emit.op("Greater", [extents, _write(emit, "sizes", sizes)]), np.dtype(np.int64))
    amounts = emit.op("Mul", [several, _write(emit, "shifts", shifts)])
    return [
        emit.op("Gather", [amounts, _write(emit, f"axis_{axis}", [axis])]) if shift else 0
        for axis, shift in enumerate(shifts)
    ]


def _roll(emit: Emitter, x: OnnxValue, shifts: Sequence[OnnxValue | int], *, back: bool) -> OnnxValue:
    """Cut each axis in two, and put the first part behind the second; with `back` so that it was."""
    for axis, shift in enumerate(shifts, start=emit.axis(1)):
        if isinstance(shift, int):
            if not shift:
                continue
            at = _write(emit, f"{'back' if back else 'shift'}_{shift}", [-shift if back else shift])
        else:
            at = emit.op("Neg", [shift]) if back else shift
        place = _write(emit, f"place_{axis}", [axis])
        start, end = _write(emit, "start", [0]), _write(emit, "end", [END])
        parts = [emit.op("Slice", [x, at, end, place]), emit.op("Slice", [x, start, at, place])]
        x = emit.op("Concat", parts, axis=axis)
    return x


def _write(emit: Emitter, name: str, numbers: Sequence[int]) -> OnnxValue:
    return emit.constant(name, list(numbers), np.int64)
