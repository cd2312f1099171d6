"""Operations that add positions, or channels, before and after those of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from archspec.ops import Pad, PadChannels
from archspec.ops.fields import one_or_each
from archspec.ops.window import Fill
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.details import tell_value
from compiler.onnx_source.ops.moves import PadEdges
from compiler.onnx_source.samples import MixedSamplesError
from compiler.onnx_source.values import Constant, Operand, UnknownOpError


def pad(call: NodeCall) -> Operand:
    x, pads = call.straighten(call.value()), call.given("pads", 1) or []
    axes = [call.axis(axis, len(x.shape)) for axis in call.given("axes", 3) or range(len(x.shape))]
    if len(pads) != 2 * len(axes):
        call.fail(f"pads {len(pads)} ends of {len(axes)} axes")
    begins, ends = dict(zip(axes, pads, strict=False)), dict(zip(axes, pads[len(axes) :], strict=True))
    shape = tuple(begins.get(i, 0) + extent + ends.get(i, 0) for i, extent in enumerate(x.shape))
    if shape == x.shape and not any(pads):
        return x
    fill = call.attribute("mode", "constant")
    if fill not in get_args(Fill):
        raise UnknownOpError
    filled = fill == "constant" and _is_zero(call.operand(2))
    appended = not any(begins.values()) and ends.get(1, 0) > 0 and sum(map(bool, ends.values())) == 1
    if filled and appended and call.is_map(x, least=2):
        return call.add(build(call, PadChannels, out=shape[1]), x)
    sides = [(begins.get(axis, 0), ends.get(axis, 0)) for axis in range(len(shape))]
    mode = {"reflect": "reflect", "edge": "edge", "constant": "zeros" if filled else ""}.get(fill)
    if mode and not any(map(any, sides[:2])) and min(map(min, sides)) >= 0 and call.is_map(x):
        before, after = (one_or_each(each) for each in zip(*sides[2:], strict=True))
        return call.add(build(call, Pad, before=before, after=after, mode=mode), x)
    if x.samples and shape[x.samples.axis] != x.shape[x.samples.axis]:
        raise MixedSamplesError
    padded = replace(x, shape=call.check_shape(shape))
    kept = [axis for axis in range(len(shape)) if axis != call.writer.find_dropped(padded)]
    before = tuple(begins.get(axis, 0) for axis in kept)
    value = None if fill != "constant" else call.attributes.get("value", _read_number(call.operand(2)))
    details = (("value", tell_value(value)),) if value else ()
    return call.foreign(PadEdges, [x], shape, begins=before, fill=fill, details=details)


def _read_number(operand: Operand) -> float | None:
    return operand.number if isinstance(operand, Constant) else None


def _is_zero(operand: Operand) -> bool:
    return operand is None or (isinstance(operand, Constant) and operand.number == 0)


RULES: Mapping[str, NodeRule] = {"Pad": pad}
