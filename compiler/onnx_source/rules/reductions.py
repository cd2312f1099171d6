"""Operations that take the numbers along some axes together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archspec.ops import Flatten, GlobalAvgPool, GlobalMaxPool, Reduce
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.details import Details
from compiler.onnx_source.ops.along import ReduceAxes
from compiler.onnx_source.values import FileValue, Operand


def reduce(call: NodeCall) -> Operand:
    x = call.value()
    axes = call.given("axes", 1)
    if not axes and call.attribute("noop_with_empty_axes", 0):
        return x
    chosen = {call.axis(axis, len(x.shape)) for axis in axes or range(len(x.shape))}
    return _reduce(call, x, chosen, keep=call.attribute("keepdims", 1) == 1)


def arg_reduce(call: NodeCall) -> Operand:
    x = call.value()
    axis = call.axis(call.attribute("axis", 0), len(x.shape))
    return _reduce(call, x, {axis}, keep=call.attribute("keepdims", 1) == 1)


def _reduce(call: NodeCall, x: FileValue, chosen: set[int], *, keep: bool) -> FileValue:
    op = {"ReduceMean": GlobalAvgPool(), "ReduceMax": GlobalMaxPool()}.get(call.kind)
    over = {x.order[axis] for axis in chosen}
    if op and call.is_map(x) and over == set(range(2, len(x.shape))):
        pooled = call.add(op, x)
        return pooled if keep else call.add(Flatten(), pooled)
    by = {"ReduceMean": "mean", "ReduceMax": "max", "ReduceSum": "sum", "ReduceL2": "norm"}.get(call.kind)
    if keep and by and call.is_map(x, least=2):
        if over == {1}:
            return call.add(build(call, Reduce, over="channels", by=by), x)
        if over and over == set(range(2, len(x.shape))):
            return call.add(build(call, Reduce, over="positions", by=by), x)
    x = call.straighten(x)
    shape = [1 if axis in chosen else extent for axis, extent in enumerate(x.shape)]
    if not keep:
        shape = [extent for axis, extent in enumerate(x.shape) if axis not in chosen]
    function, samples = call.kind.removeprefix("Reduce").lower(), x.samples
    if samples and not keep:
        samples = replace(samples, axis=samples.axis - sum(axis < samples.axis for axis in chosen))
    axes, gone = call.places(x, chosen), {x.shape[axis] for axis in chosen}
    details: Details = ()
    if not keep and gone & {*shape}:  # the shape does not tell which are gone
        details = (("axes", ", ".join(map(str, axes))),)
    return call.foreign(ReduceAxes, [x], shape, samples=samples, function=function, axes=axes, details=details)


REDUCTIONS = "ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare"

RULES: Mapping[str, NodeRule] = {
    **dict.fromkeys(REDUCTIONS.split(), reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), arg_reduce),
}
