"""The ways into windows and out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.ops import EnterWindows, LeaveWindows
from archspec.ops.fields import along
from archspec.ops.partition import Windowed
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule
from compiler.onnx_target.rules.window_places import WindowPlaces, write_shape
from compiler.onnx_target.window_rows import WindowRegion

END = np.iinfo(np.int64).max
"""A position behind every end."""


@rule(EnterWindows)
def enter_windows(op: EnterWindows, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Pad the ends, and roll towards the start; or lay out what is written window by window."""
    if emit.windows:
        return _take_windows(emit.windows, emit, x)
    whole = _pad(op, emit, x)
    if _is_fixed(emit):
        rolled = _roll(emit, whole, list(op.shifts(op.pad(emit.before))), back=False)
        return rolled if rolled is not x else emit.op("Identity", [x])
    return _roll(emit, whole, _find_shifts(op, emit, _read_space(emit, whole, 0)), back=False)


def _take_windows(region: WindowRegion, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Take the rows of a map in the order of windows: (N·windows, places, C). The padding of what no attention reads
    may hold any numbers, and needs no zeros."""
    padded = emit.node.id in region.padded
    assert isinstance(emit.node.op, EnterWindows)
    channels, places = emit.before.channels, WindowPlaces(region, emit, emit.named[2:], x)
    whole = _pad(emit.node.op, emit, x) if padded else x
    row = emit.op("Reshape", [whole, _write(emit, "row", [0, -1, channels])])
    taken = emit.op("Gather", [row, places.list_inside(padded=padded)], axis=1)
    return emit.op("Reshape", [taken, _write(emit, "windows", [-1, places.places, channels])])


def _pad(op: EnterWindows, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Pad the ends with zeros, to whole windows."""
    shape, rank = emit.before, emit.before.rank
    if _is_fixed(emit):
        missing = [more - own for more, own in zip(op.pad(shape).space, shape.space, strict=True)]
        if not any(missing):
            return x
        ends = emit.lay_out([0], [0], missing)
        return emit.op("Pad", [x, emit.constant("pads", [*[0] * (rank + 2), *ends], np.int64)])
    sizes = _write(emit, "sizes", along(op.size, shape, "size"))
    rest = emit.op("Mod", [_read_space(emit, x, 0), sizes])
    missing_now = emit.op("Mod", [emit.op("Sub", [sizes, rest]), sizes])
    parts = [_write(emit, "none", [0] * (rank + (3 if emit.rows else 4))), missing_now]
    return emit.op("Pad", [x, emit.op("Concat", parts + ([_write(emit, "zero", [0])] if emit.rows else []), axis=0)])


@rule(LeaveWindows)
def leave_windows(op: LeaveWindows, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
    """Roll back, and cut the ends off; or take the rows of the map out of the windows."""
    if region := emit.model.windows.get(emit.node.inputs[0]):
        return _take_map(region, emit, x, like)
    shape, rank = emit.before, emit.before.rank
    if _is_fixed(emit):
        whole = _roll(emit, x, list(op.shifts(shape)), back=True)
        if emit.node.shape == shape:
            return whole if whole is not x else emit.op("Identity", [x])
        ends = _write(emit, "ends", emit.node.shape.space)
    else:
        whole = _roll(emit, x, _find_shifts(op, emit, _read_space(emit, x, 0)), back=True)
        ends = _read_space(emit, like, 1)
    starts, axes = _write(emit, "starts", [0] * rank), _write(emit, "axes", range(*emit.space().values()))
    return emit.op("Slice", [whole, starts, ends, axes])


def _take_map(region: WindowRegion, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
    """Take the rows of a map, in its order, out of its windows."""
    channels, space = emit.before.channels, emit.model.shapes[emit.node.inputs[1]][2:]
    places = WindowPlaces(region, emit, space, like)
    row = emit.op("Reshape", [x, write_shape(emit, "row", [-1, places.count_windows() * places.places, channels])])
    taken = emit.op("Gather", [row, places.list_outside()], axis=1)
    return emit.op("Reshape", [taken, write_shape(emit, "map", [-1, *places.extents, channels])])


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
