"""Operations that move numbers, or join and reduce them along axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from archspec.ops import (
    Concat,
    ConcatPositions,
    Flatten,
    Learned,
    Slice,
    Tokens,
)
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.constants import shape_of
from compiler.onnx_source.node import broadcast, resolve_shape
from compiler.onnx_source.ops.moves import ConcatAlong, Cut, Rearrange, Sampled, SpaceBeforeDepth
from compiler.onnx_source.rules.attention_products import join_heads
from compiler.onnx_source.samples import MixedSamplesError, agree, follow_reshape
from compiler.onnx_source.values import Constant, FileValue, Operand


def reshape(call: NodeCall) -> Operand:
    wanted = call.given("shape", 1)
    shape = resolve_shape(call, call.value().shape, wanted or [])
    return join_heads(call, shape) or lay_out(call, shape)


def flatten(call: NodeCall) -> Operand:
    shape = call.value().shape
    axis = call.attribute("axis", 1)
    axis = call.axis(axis, len(shape)) if axis != len(shape) else axis
    return lay_out(call, (prod(shape[:axis]), prod(shape[axis:])))


def squeeze(call: NodeCall) -> Operand:
    shape, axes = call.value().shape, call.given("axes", 1)
    chosen = {call.axis(axis, len(shape)) for axis in axes} if axes else {i for i, n in enumerate(shape) if n == 1}
    if any(shape[axis] != 1 for axis in chosen):
        call.fail(f"cannot drop axes of {write_shape(shape)} that are longer than 1")
    return lay_out(call, [extent for axis, extent in enumerate(shape) if axis not in chosen])


def unsqueeze(call: NodeCall) -> Operand:
    shape, axes = call.value().shape, call.given("axes", 1) or []
    new = {call.axis(axis, len(shape) + len(axes)) for axis in axes}
    rest = iter(shape)
    return lay_out(call, [1 if axis in new else next(rest, 1) for axis in range(len(shape) + len(new))])


def lay_out(call: NodeCall, shape: Sequence[int]) -> FileValue:
    """Lay out the same numbers in the same order, in another shape."""
    x, shape = call.value(), call.check_shape(shape)
    if shape == x.shape:
        return x
    before = call.writer.turned.get(x)
    turned = before and before.lay_out(shape)
    if turned:
        return turned.settle() or call.remember(lay_straight(call, x, shape), turned)
    moved = [axis for axis, extent in zip(x.order, x.shape, strict=True) if extent > 1]
    if moved == sorted(moved) and call.is_map(x) and shape == (x.shape[0], prod(x.shape[1:])):
        return call.add(Flatten(), x)  # axes of one position may stand anywhere
    if call.is_map(x) and x.straight and len(shape) == 3 < len(x.shape) and shape[:2] == x.shape[:2]:
        return call.add(Tokens(), x)
    return lay_straight(call, call.straighten(x), shape)


def lay_straight(call: NodeCall, x: FileValue, shape: Sequence[int]) -> FileValue:
    """Lay out the numbers of a straight value in another shape; no operation where the graph has it already."""
    samples = follow_reshape(x.samples, call.writer.batch, x.shape, shape)
    again = replace(x, shape=tuple(shape), order=tuple(range(len(shape))), samples=samples)
    same = call.writer.per_sample(again) == call.writer.per_sample(x)  # but for axes of one position in front
    return again if same else call.move("reshape", x, shape, samples=samples)


def transpose(call: NodeCall) -> Operand:
    """Put the axes in another order, which is no operation where the batch stays first."""
    x = call.value()
    perm = call.ints("perm") or list(reversed(range(len(x.shape))))
    if sorted(perm) != list(range(len(x.shape))):
        call.fail(f"is no order of {len(x.shape)} axes: {perm[:12]}")
    shape = tuple(x.shape[axis] for axis in perm)
    samples = replace(x.samples, axis=perm.index(x.samples.axis)) if x.samples else None
    turned = replace(x, shape=shape, order=tuple(x.order[axis] for axis in perm), samples=samples)
    if turned.order[:1] == (0,) and call.is_map(x):
        return turned
    row = call.find_turned(x)
    if row is None:
        return _transpose_straight(call, x, perm, turned)
    row = row.permute(perm)
    return row.settle() or call.remember(_transpose_straight(call, x, perm, turned), row)


def _transpose_straight(call: NodeCall, x: FileValue, perm: Sequence[int], turned: FileValue) -> FileValue:
    """Transpose a value with its axes as in the file, to one of the shape and samples of `turned`."""
    x, turned = call.straighten(x), replace(turned, order=tuple(range(len(perm))))
    call.writer.replaced.update({x.id} - {call.value().id})
    order = call.writer.turn(x, turned, tuple(perm))
    if order and order == tuple(range(len(order))):  # the samples alone have moved
        return replace(turned, id=x.id)
    details = () if order else call.tell("perm")  # an axis of the samples has moved among the others
    return call.move("transpose", x, turned.shape, samples=turned.samples, perm=order, details=details)


def shape(call: NodeCall) -> Operand:
    return shape_of(call, call.value().shape)


def concat(call: NodeCall) -> Operand:
    items = [item for item in call.operands if item is not None and 0 not in item.shape]
    values = [item for item in items if isinstance(item, FileValue)]
    if len(items) == 1:
        return items[0]
    rank = len(items[0].shape)
    axis = call.axis(call.attribute("axis", 1), rank)
    whole = [extent for i, extent in enumerate(items[0].shape) if i != axis]
    if any([extent for i, extent in enumerate(item.shape) if i != axis] != whole for item in items):
        call.fail(f"cannot join {' and '.join(write_shape(item.shape) for item in items[:6])}")
    one_order = len({value.order for value in values}) == 1
    channels = one_order and values[0].order[axis] == 1 and all(call.is_map(value, least=2) for value in values)
    if channels and len(values) == len(items):
        return call.add(Concat(), *values)
    along = values[0].order[axis] - 1
    if one_order and along > 0 and all(call.is_map(value) for value in values):
        maps = [item if isinstance(item, FileValue) else _learn(call, values[0], item) for item in items]
        if all(maps):
            return call.add(ConcatPositions(axis=along), *(item for item in maps if item))
    values = list(map(call.straighten, values))
    joined = list(items[0].shape)
    joined[axis] = sum(item.shape[axis] for item in items)
    result = FileValue("", tuple(joined), tuple(range(rank)), samples=call.align(values, rank))
    places = call.places(result, [axis])
    return call.foreign(ConcatAlong, values, joined, axes=places, stored=call.stored_values())


def _learn(call: NodeCall, x: FileValue, stored: Constant) -> FileValue | None:
    """A stored tensor as a value of each sample, with its axes in the order of the other's; nothing where it is
    none."""
    if not (stored.floating and stored.sources and stored.shape[0] == 1 and x.shape[0] == 1 and x.order[0] == 0):
        return None
    ordered = [extent for _, extent in sorted(zip(x.order, stored.shape, strict=True))]
    return call.add(Learned(shape=tuple(ordered[1:])), x, value=stored)


def split(call: NodeCall) -> list[Operand]:
    x, count = call.value(), len(call.proto.output)
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    each = -(-x.shape[axis] // count)
    sizes = call.given("split", 1) or [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    if sum(sizes) != x.shape[axis] or len(sizes) != count:
        call.fail(f"cannot split {x.shape[axis]} into {sizes[:12]}")
    starts = [sum(sizes[:i]) for i in range(count)]
    return [_cut(call, x, {axis: range(start, start + size)}) for start, size in zip(starts, sizes, strict=True)]


def slice_(call: NodeCall) -> Operand:
    x = call.value()
    starts, ends = call.given("starts", 1), call.given("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        call.fail("should have as many starts as ends")
    axes, steps = call.given("axes", 3) or list(range(len(starts))), call.given("steps", 4) or [1] * len(starts)
    if len(axes) != len(starts) or len(steps) != len(starts) or 0 in steps:
        call.fail("should have an axis and a step, not 0, for each start")
    taken = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = call.axis(axis, len(x.shape))
        last = None if step < 0 and end < -x.shape[axis] else end
        taken[axis] = range(*slice(start, last, step).indices(x.shape[axis]))
    return _cut(call, x, taken)


def _cut(call: NodeCall, x: FileValue, taken: Mapping[int, range]) -> Operand:
    """The positions that are taken along each axis, all where none are said; nothing depends on a part without any."""
    ranges = [taken.get(axis, range(extent)) for axis, extent in enumerate(x.shape)]
    if all(positions == range(extent) for positions, extent in zip(ranges, x.shape, strict=True)):
        return x
    given = [len(positions) for positions in ranges]
    if 0 in given:
        return Constant(call.proto.output[0], tuple(given), None, x.type)
    cut = [axis for axis, extent in enumerate(x.shape) if ranges[axis] != range(extent)]
    # Along several axes it is one node; as slices one after the other it would make values that are in no file.
    if len(cut) == 1 and x.order[cut[0]] and ranges[cut[0]].step > 0 and call.is_map(x, least=2):
        return slice_axis(call, x, cut[0], ranges[cut[0]])
    x = call.straighten(x)
    kept = [positions for axis, positions in enumerate(ranges) if axis != call.writer.find_dropped(x)]
    if x.samples and ranges[x.samples.axis] != range(x.shape[x.samples.axis]):
        raise MixedSamplesError
    starts, steps = (tuple(getattr(positions, name) for positions in kept) for name in ("start", "step"))
    return call.foreign(Cut, [x], given, starts=starts, steps=steps)


def slice_axis(call: NodeCall, x: FileValue, axis: int, positions: range) -> FileValue:
    """Take some positions of a map along an axis of the file other than that of the batch."""
    stop = None if positions[-1] + positions.step >= x.shape[axis] else positions[-1] + 1
    return call.add(build(call, Slice, axis=x.order[axis] - 1, start=positions[0], stop=stop, step=positions.step), x)


def select(call: NodeCall) -> list[Operand]:
    """Select numbers by positions or by their size, or put them to positions; the shapes of the results are those that
    onnx infers, or that of what is written into."""
    values = [call.straighten(item) for item in call.operands if isinstance(item, FileValue)]
    if any(x.samples for x in values) and call.kind not in ALONG:
        raise MixedSamplesError
    if call.kind in ALONG:
        axis = call.attribute("axis", -1 if call.kind == "TopK" else 0)
        call.place(values[0], call.axis(axis, len(values[0].shape)))
    details = call.tell() + call.tell_constants()
    stored, function = call.stored_values(), call.kind.lower()
    results: list[Operand] = []
    for position in range(len(call.proto.output)):
        if not call.gives(position):
            results.append(None)
        elif position and isinstance(results[0], FileValue):
            results.append(call.move("result", results[0], call.find_shape(position)))
        else:
            scattered = call.operand(0) if call.kind == "ScatterElements" else None
            shape = scattered.shape if scattered else call.find_shape(position)
            fields: dict[str, Any] = {"function": function, "details": details}
            results.append(call.foreign(Rearrange, values, shape, stored=stored, **fields))
    return results


def sample(call: NodeCall) -> Operand:
    """Sample the numbers of a map at given places between its positions."""
    x, places = call.operand(0), call.operand(1)
    if x is None or places is None:
        call.fail("should have a map and places")
    values = [call.straighten(item) for item in (x, places) if isinstance(item, FileValue)]
    for value in values:
        call.keep_samples(value)
    shape = (*x.shape[:2], *places.shape[1:-1])
    samples = agree(value.samples for value in values)
    stored, details = call.stored_values(), call.tell()
    return call.foreign(Sampled, values, shape, samples=samples, stored=stored, details=details)


def expand(call: NodeCall) -> Operand:
    x, wanted = call.value(), call.given("shape", 1) or []
    whole = broadcast(call, [x.shape, wanted])
    return x if whole == x.shape else call.move("expand", call.straighten(x), whole)


def tile(call: NodeCall) -> Operand:
    x, repeats = call.value(), call.given("repeats", 1) or []
    if len(repeats) != len(x.shape):
        call.fail(f"repeats {len(repeats)} axes of {len(x.shape)}")
    whole = tuple(extent * times for extent, times in zip(x.shape, repeats, strict=True))
    if x.samples and repeats[x.samples.axis] != 1:
        raise MixedSamplesError
    return x if whole == x.shape else call.move("expand", call.straighten(x), whole)


def space_to_depth(call: NodeCall) -> Operand:
    x, block = call.straighten(call.value()), call.attribute("blocksize", 1)
    if len(x.shape) != 4 or block < 1 or any(extent % block for extent in x.shape[2:]):
        call.fail(f"blocks of {block} do not fit {write_shape(x.shape)}")
    call.keep_samples(x)
    n, c, h, w = x.shape
    return call.foreign(SpaceBeforeDepth, [x], (n, c * block * block, h // block, w // block), block=block)


ALONG = ("TopK", "GatherElements", "ScatterElements")
"""The operations that choose along one axis."""

RULES: Mapping[str, NodeRule] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Shape": shape,
    "Size": shape,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Expand": expand,
    "Tile": tile,
    "SpaceToDepth": space_to_depth,
    **dict.fromkeys((*ALONG, "GatherND", "ScatterND", "NonZero", "Compress", "Unique", "NonMaxSuppression"), select),
    "GridSample": sample,
}
