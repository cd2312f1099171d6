"""Operations that put numbers at other places, or take them together."""

from __future__ import annotations

import numpy as np

from archspec.ops import (
    ConcatPositions,
    DepthToSpace,
    Learned,
    Map,
    Pad,
    Reduce,
    Roll,
    ShuffleChannels,
    Slice,
    SpaceToDepth,
    Tokens,
    Transpose,
)
from archspec.ops.pooling import Pool
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


@rule(Tokens)
def tokens(op: Tokens, emit: Emitter, x: OnnxValue) -> OnnxValue:
    row = emit.lay_out([0], [emit.before.channels if emit.rows else 0], [-1])
    return emit.op("Reshape", [x, emit.constant("row", row, np.int64)])


@rule(Transpose)
def transpose(op: Transpose, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Transpose", [x], perm=[0, 2, 1])


@rule(Map)
def map_(op: Map, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
    return emit.op(
        "Reshape", [x, _extend(emit, "head", emit.before.channels, emit.op("Shape", [like], **emit.space(1)))]
    )


@rule(ConcatPositions)
def concat_positions(op: ConcatPositions, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    return emit.op("Concat", values, axis=emit.axis(op.axis))


@rule(ShuffleChannels)
def shuffle_channels(op: ShuffleChannels, emit: Emitter, x: OnnxValue) -> OnnxValue:
    channels = emit.before.channels // op.groups
    groups = [0, op.groups, channels, -1] if emit.before.rank else [0, op.groups, -1]
    parts = emit.op("Reshape", [x, emit.constant("groups", groups, np.int64)])
    dealt = emit.op("Transpose", [parts], perm=[0, 2, 1, *range(3, len(groups))])
    return emit.op("Reshape", [dealt, emit.op("Shape", [x])])


@rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower it to ONNX's own for images; it has none for other maps."""
    rank, channels = emit.before.rank, emit.node.shape.channels
    if rank == 2:
        return emit.op("DepthToSpace", [x], blocksize=op.block, mode="CRD")
    space = emit.op("Shape", [x], start=2)
    head = emit.constant("blocks", [0, channels, *[op.block] * rank], np.int64)
    parts = emit.op("Reshape", [x, emit.op("Concat", [head, space], axis=0)])
    order = [axis for place in range(rank) for axis in (2 + rank + place, 2 + place)]
    laid = emit.op("Transpose", [parts], perm=[0, 1, *order])
    larger = emit.op("Mul", [space, emit.constant("block", [op.block], np.int64)])
    whole = emit.op("Concat", [emit.constant("whole", [0, channels], np.int64), larger], axis=0)
    return emit.op("Reshape", [laid, whole])


@rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower it by hand: ONNX's own puts the positions of a block before the channels."""
    rank, first = emit.before.rank, emit.axis(1)
    space = emit.op("Shape", [x], **emit.space())
    fewer = emit.op("Div", [space, emit.constant("block", [op.block], np.int64)])
    column = emit.op("Unsqueeze", [fewer, emit.constant("last", [1], np.int64)])
    pairs = emit.op("Concat", [column, emit.constant("blocks", [[op.block]] * rank, np.int64)], axis=1)
    flat = emit.op("Reshape", [pairs, emit.constant("flat", [-1], np.int64)])
    parts = emit.op("Reshape", [x, _extend(emit, "head", emit.before.channels, flat)])
    coarse, fine = range(first, first + 2 * rank, 2), range(first + 1, first + 1 + 2 * rank, 2)
    channels = 1 + 2 * rank if emit.rows else 1
    laid = emit.op("Transpose", [parts], perm=emit.lay_out([0], [channels, *fine], coarse))
    return emit.op("Reshape", [laid, _extend(emit, "whole", emit.node.shape.channels, fewer)])


def _extend(emit: Emitter, name: str, channels: int, space: OnnxValue) -> OnnxValue:
    """The extents of a value of any batch with so many channels."""
    if not emit.rows:
        return emit.op("Concat", [emit.constant(name, [0, channels], np.int64), space], axis=0)
    batch, last = (emit.constant(f"{name}_{axis}", [extent], np.int64) for axis, extent in (("0", 0), ("1", channels)))
    return emit.op("Concat", [batch, space, last], axis=0)


@rule(Reduce)
def reduce(op: Reduce, emit: Emitter, x: OnnxValue) -> OnnxValue:
    axes = [emit.axis(0)] if op.over_channels else [emit.axis(axis) for axis in range(1, emit.before.rank + 1)]
    kind = {"mean": "ReduceMean", "max": "ReduceMax", "sum": "ReduceSum", "norm": "ReduceL2"}[op.by]
    return emit.reduce(kind, x, axes)


@rule(Learned)
def learned(op: Learned, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a learned value, for as many samples as there are."""
    batch = emit.op("Shape", [x], start=0, end=1)
    extents = emit.lay_out([], op.shape[:1], op.shape[1:])
    shape = emit.op("Concat", [batch, emit.constant("shape", extents, np.int64)], axis=0)
    return emit.op("Expand", [emit.weight_by_position("value"), shape])


@rule(Pad)
def pad(op: Pad, emit: Emitter, x: OnnxValue) -> OnnxValue:
    befores, afters = zip(*op.sides(emit.before), strict=True)
    ends = emit.constant("pads", emit.lay_out([0], [0], befores) + emit.lay_out([0], [0], afters), np.int64)
    if op.mode != "zeros":
        return emit.op("Pad", [x, ends], mode=op.mode)
    return emit.op("Pad", [x, ends, *_tell_zeros(emit)])


def _tell_zeros(emit: Emitter) -> list[OnnxValue]:
    """The number that a padding adds, where it has to be told: before a pooling it is -0, which is no other number.

    ONNX Runtime makes the padding of zeros a pooling's own, where it never wins a maximum and is no value of a mean. It
    takes a number whose bits are not all zero for another one.
    """
    readers = (emit.model.graph[id].op for id in emit.model.graph.readers[emit.node.id])
    return [emit.constant("zero", -0.0)] if any(isinstance(reader, Pool) for reader in readers) else []


def cut(emit: Emitter, x: OnnxValue, name: str, axis: int, start: int, stop: int | None, step: int = 1) -> OnnxValue:
    """Take positions along an axis of the file's value; `name` tells its constants from those of others."""
    numbers = {"start": start, "stop": END if stop is None else stop, "axis": axis}
    if step != 1:
        numbers["step"] = step
    return emit.op("Slice", [x, *(emit.constant(f"{name}{key}", [at], np.int64) for key, at in numbers.items())])
