"""Functions of several values at the same position, and of a value with stored numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from archspec.ops import Add, Div, Max, Mean, Merge, Min, Mul, Scale, Shift, Sub
from archspec.ops.fields import MAX_REAL
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.node import broadcast
from compiler.onnx_source.values import Constant, FileValue, Operand

MERGES: Mapping[str, Merge] = {
    "Add": Add(),
    "Sum": Add(),
    "Mean": Mean(),
    "Mul": Mul(),
    "Sub": Sub(),
    "Div": Div(),
    "Max": Max(),
    "Min": Min(),
}
REPEATING: Mapping[str, Merge] = {
    "Add": Add(repeat=True),
    "Sum": Add(repeat=True),
    "Mul": Mul(),
    "Sub": Sub(repeat=True),
    "Div": Div(repeat=True),
    "Max": Max(repeat=True),
    "Min": Min(repeat=True),
}
"""The operations that repeat operands along axes of one position."""
ORDERED = ("Sub", "Div")
"""Those of which the order of operands matters."""


def combine(call: NodeCall) -> Operand:
    """Add the language's word where it says the same, else a foreign function of all operands."""
    call.require_operands(1 if call.kind in ANY_NUMBER else 2, len(call.operands) if call.kind in ANY_NUMBER else 2)
    values = [item for item in call.operands if isinstance(item, FileValue)]
    constants = [item for item in call.operands if isinstance(item, Constant)]
    if len(values) == 1 and len(constants) == 1 and call.kind in WITH_NUMBERS:
        found = _with_stored(call, values[0], constants[0])
        if found is not None:
            return found
    if len(values) > 1 and not constants and call.kind in MERGES:
        found = _merge(call, values)
        if found is not None:
            return found
    if len(values) == 1 and not constants:
        return values[0]
    return _as_foreign(call, values)


def _merge(call: NodeCall, values: list[FileValue]) -> FileValue | None:
    values = _align(call, values)
    shapes = [value.ordered for value in values]
    if len({*shapes}) == 1:
        return call.add(MERGES[call.kind], *values)
    op = REPEATING.get(call.kind)
    if op and all(call.is_map(value) for value in values) and len({*map(len, shapes)}) == 1:
        largest = broadcast(call, shapes)
        if call.kind in ORDERED:
            return call.add(op, *values)
        first = next((value for value in values if value.ordered == largest), values[0])
        return call.add(op, first, *(value for value in values if value is not first))
    return None


def _align(call: NodeCall, values: list[FileValue]) -> list[FileValue]:
    """The values with their axes in one order: of rows of tokens, in that of the one which was there first."""
    if len({value.order for value in values}) == 1:
        return values
    if not all(map(call.is_row, values)):
        return list(map(call.straighten, values))
    ids = {value.id: value.order for value in values}
    order = next(ids[id] for id in call.writer.nodes if id in ids)
    return [value if value.order == order else call.writer.exchange(value) for value in values]


def _with_stored(call: NodeCall, x: FileValue, stored: Constant) -> FileValue | None:
    """A value times or plus stored numbers: one, or one for each channel."""
    first, kind = call.operand(0) is x, call.kind
    number = stored.number
    if number is not None and len(stored.shape) <= len(x.shape) and math.isfinite(number):
        return _with_number(call, x, number, first)
    if kind in ("Add", "Sum", "Mul") and stored.floating and _is_by_channel(call, x, stored):
        if kind == "Mul":
            return call.add(Scale(trainable=True, per="channel"), x, factor=stored)
        return call.add(Shift(trainable=True, per="channel"), x, term=stored)
    if kind in ("Add", "Sum", "Mul") and stored.floating and _is_by_position(call, x, stored):
        if kind == "Mul":
            return call.add(Scale(trainable=True, per="position"), x, factor=stored)
        return call.add(Shift(trainable=True, per="position"), x, term=stored)
    return None


def _with_number(call: NodeCall, x: FileValue, number: float, first: bool) -> FileValue | None:
    """Read x + n, x - n, n - x, x n, x / n."""
    match call.kind:
        case "Add" | "Sum":
            return _shift(call, x, number)
        case "Sub":
            return _shift(call, x, -number) if first else _shift(call, _scale(call, x, -1.0), number)
        case "Mul":
            return _scale(call, x, number)
        case "Div" if first and number:
            return _scale(call, x, 1 / number)
    return None


def _scale(call: NodeCall, x: FileValue, value: float) -> FileValue:
    return call.add(build(call, Scale, value=_bounded(value)), x)


def _shift(call: NodeCall, x: FileValue, value: float) -> FileValue:
    return call.add(build(call, Shift, value=_bounded(value)), x)


def _bounded(value: float) -> float:
    """Bound a number: what stands for infinity in a mask may round to more than single precision holds."""
    return max(-MAX_REAL, min(MAX_REAL, value))


def _is_by_channel(call: NodeCall, x: FileValue, stored: Constant) -> bool:
    if not call.is_map(x, least=2) or len(stored.shape) > len(x.shape):
        return False
    padded = (*[1] * (len(x.shape) - len(stored.shape)), *stored.shape)
    channel = x.order.index(1)
    return all(extent == (x.shape[i] if i == channel else 1) for i, extent in enumerate(padded))


def _is_by_position(call: NodeCall, x: FileValue, stored: Constant) -> bool:
    """True if there is a stored number for each of a value, whatever the order of its axes behind the batch."""
    own = x.shape[1:]
    one_sample = stored.shape in (own, (1, *own)) and call.writer.per_sample(x) == x.ordered[1:]
    return x.order[0] == 0 and one_sample and call.is_map(x, least=2)


def _as_foreign(call: NodeCall, values: list[FileValue]) -> FileValue:
    shape = broadcast(call, [item.shape for item in call.operands if item is not None])
    numbers = all(math.prod(item.shape) == 1 for item in call.operands if isinstance(item, Constant))
    if numbers and all(len(value.shape) == len(shape) for value in values):
        values = _align(call, values)
    else:  # the axes of stored numbers, and missing ones, are those of the file
        values = list(map(call.straighten, values))
    order = values[0].order if len(values[0].shape) == len(shape) else None
    return call.elementwise(values, shape, order=order)


def where(call: NodeCall) -> Operand:
    call.require_operands(3, 3)
    return _as_foreign(call, [item for item in call.operands if isinstance(item, FileValue)])


ANY_NUMBER = ("Sum", "Mean", "Max", "Min")
WITH_NUMBERS = ("Add", "Sum", "Sub", "Mul", "Div")
NAMES = (
    "Add Sum Mean Mul Sub Div Pow Mod Max Min And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual BitShift"
    " BitwiseAnd BitwiseOr BitwiseXor"
)

RULES: Mapping[str, NodeRule] = {**dict.fromkeys(NAMES.split(), combine), "Where": where}
