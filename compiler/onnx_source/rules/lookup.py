"""Positions and rows that are chosen by whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from archspec.ops import Embedding, Flatten
from compiler.onnx_source.call import NodeCall, NodeRule
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.rules.layout import lay_straight, slice_axis
from compiler.onnx_source.samples import MixedSamplesError, agree
from compiler.onnx_source.values import Constant, FileValue, Operand


def gather(call: NodeCall) -> Operand:
    """Gather chosen positions along an axis."""
    data, indices = call.operand(0), call.operand(1)
    if data is None or indices is None:
        call.fail("should have a value and positions")
    axis = call.axis(call.attribute("axis", 0), len(data.shape))
    if isinstance(data, Constant) and isinstance(indices, FileValue) and (axis, len(data.shape)) == (0, 2):
        found = look_up(call, data, call.straighten(indices))
        if found is not None:
            return found
    if isinstance(data, FileValue) and isinstance(indices, Constant):
        taken = take_positions(call, data, axis, indices)
        if taken is not None:
            return taken
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    values = [call.straighten(item) for item in (data, indices) if isinstance(item, FileValue)]
    places = []
    if isinstance(data, FileValue) and data.samples:
        if data.samples.axis == axis:
            raise MixedSamplesError
        behind = len(indices.shape) - 1 if data.samples.axis > axis else 0
        places.append(replace(data.samples, axis=data.samples.axis + behind))
    if isinstance(indices, FileValue) and indices.samples:
        places.append(replace(indices.samples, axis=indices.samples.axis + axis))
    stored = call.stored_values()
    details = (("axis", str(axis)), *call.tell_constants())
    fields: dict[str, Any] = {"function": "gather", "details": details}
    return call.foreign(Rearrange, values, shape, samples=agree(places), stored=stored, **fields)


def take_positions(call: NodeCall, x: FileValue, axis: int, indices: Constant) -> FileValue | None:
    """Take positions at equal distances along an axis of a map, or a single one of a row, whose axis then goes. None
    where they are others."""
    if indices.array is None or not call.is_map(x, least=2) or not x.order[axis] or len(indices.shape) > 1:
        return None
    extent, numbers = x.shape[axis], [int(number) for number in indices.array.reshape(-1)]
    places = [number % extent for number in numbers if -extent <= number < extent]
    steps = {after - before for before, after in pairwise(places)} or {1}
    if len(places) < max(1, len(numbers)) or len(steps) > 1 or min(steps) < 1:
        return None
    if not indices.shape and not call.is_row(x):
        return None
    part = slice_axis(call, x, axis, range(places[0], places[-1] + 1, steps.pop()))
    if indices.shape:
        return part
    flat = call.add(Flatten(), part)
    return replace(flat, shape=(x.shape[0], flat.shape[-1]), order=(0, 1))


def look_up(call: NodeCall, table: Constant, numbers: FileValue) -> FileValue | None:
    """Look up rows of a stored table (rows, out) by numbers (N, *S): (N, *S, out). None where the first axis holds no
    samples, or there are too many of the others."""
    shape, batch = numbers.shape, call.writer.batch if numbers.samples else 1
    leads = numbers.samples is None or (numbers.samples.axis, numbers.samples.apart) == (0, 1)
    if not table.floating or not 1 <= len(shape) <= 4 or shape[0] != batch or not leads:
        return None
    rows, out = table.shape
    one = lay_straight(call, numbers, (batch, 1, *shape[1:]))
    found = call.add(Embedding(rows=rows, out=out), one, weight=table)
    order = (0, *range(2, len(shape) + 1), 1)
    return replace(found, shape=(*shape, out), order=order, type=call.types[0])


RULES: Mapping[str, NodeRule] = {"Gather": gather}
