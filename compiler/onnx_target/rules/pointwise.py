"""Functions of one value, position by position."""

from __future__ import annotations

import math

import numpy as np

from archspec import ops
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.formats import FLOAT16, LEAST_HALF
from compiler.onnx_target.rules.layout import count_channels
from compiler.onnx_target.rules.table import plain, rule

for _op, _kind in (
    (ops.Relu, "Relu"),
    (ops.Sigmoid, "Sigmoid"),
    (ops.HardSwish, "HardSwish"),
    (ops.Tanh, "Tanh"),
    (ops.Softplus, "Softplus"),
    (ops.Abs, "Abs"),
    (ops.Exp, "Exp"),
):
    rule(_op)(plain(_kind))


@rule(ops.Relu6)
def relu6(op: ops.Relu6, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _clip(emit, x, *op.image)


@rule(ops.HardTanh)
def hard_tanh(op: ops.HardTanh, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _clip(emit, x, *op.image)


@rule(ops.Clip)
def clip(op: ops.Clip, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _clip(emit, x, op.low, op.high)


@rule(ops.Sqrt)
def sqrt(op: ops.Sqrt, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _floored("Sqrt", op, emit, x)


@rule(ops.Log)
def log(op: ops.Log, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _floored("Log", op, emit, x)


def _floored(kind: str, op: ops.Sqrt | ops.Log, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower f(max(x, eps)). In half precision, where a smaller `eps` would be zero, it is max(f(max(x, 0)), f(eps))."""
    if emit.float_type == FLOAT16 and op.eps < LEAST_HALF:
        found = emit.op(kind, [_clip(emit, x, 0.0, None)])
        return emit.op("Max", [found, emit.constant("least", op.above(op.eps))])
    return emit.op(kind, [_clip(emit, x, op.eps, None)])


def _clip(emit: Emitter, x: OnnxValue, low: float | None, high: float | None) -> OnnxValue:
    bounds = {name: number for name, number in (("low", low), ("high", high)) if number is not None}
    stored = {name: emit.constant(name, number) for name, number in bounds.items()}
    return emit.op("Clip", [x, stored.get("low"), *([stored["high"]] if "high" in stored else [])])


@rule(ops.LeakyRelu)
def leaky_relu(op: ops.LeakyRelu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("LeakyRelu", [x], alpha=op.slope)


@rule(ops.Prelu)
def prelu(op: ops.Prelu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a PReLU; a single slope has one axis, of one number, and is repeated."""
    return emit.op("PRelu", [x, emit.weight_by_channel("weight") if op.per == "channel" else emit.weight("weight")])


@rule(ops.Elu)
def elu(op: ops.Elu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Elu", [x], alpha=op.alpha)


@rule(ops.Gelu)
def gelu(op: ops.Gelu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a gelu, 0.5 x (1 + erf(x / √2)), or 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): the patterns that ONNX
    Runtime fuses."""
    if op.approximate == "none":
        inner = emit.op("Erf", [emit.op("Div", [x, emit.constant("root", math.sqrt(2))])])
    else:
        cube = emit.op("Mul", [emit.op("Pow", [x, emit.constant("three", 3.0)]), emit.constant("cubic", 0.044715)])
        inner = emit.op(
            "Tanh", [emit.op("Mul", [emit.op("Add", [x, cube]), emit.constant("root", math.sqrt(2 / math.pi))])]
        )
    gate = emit.op("Add", [inner, emit.constant("one", 1.0)])
    return emit.op("Mul", [emit.op("Mul", [x, gate]), emit.constant("half", 0.5)])


@rule(ops.Silu)
def silu(op: ops.Silu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Mul", [x, emit.op("Sigmoid", [x])])


@rule(ops.Mish)
def mish(op: ops.Mish, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Mul", [x, emit.op("Tanh", [emit.op("Softplus", [x])])])


@rule(ops.Selu)
def selu(op: ops.Selu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Selu", [x], alpha=op.ALPHA, gamma=op.SCALE)


@rule(ops.Glu)
def glu(op: ops.Glu, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a gated linear unit; each half is a slice, since the two results of a Split would be one rule's."""
    axis, ends = emit.constant("axis", [emit.axis(0)], np.int64), _find_halves(emit, x)
    value = emit.op("Slice", [x, ends[0], ends[1], axis])
    gate = emit.op("Slice", [x, ends[1], ends[2], axis])
    return emit.op("Mul", [value, emit.op("Sigmoid", [gate])])


def _find_halves(emit: Emitter, x: OnnxValue) -> list[OnnxValue]:
    """Find where the first half of the channels starts and ends, and where the second does."""
    if isinstance(emit.named[1], str):
        last = count_channels(emit, x)
        half = emit.op("Div", [last, emit.constant("two", [2], np.int64)])
        return [emit.constant("zero", [0], np.int64), half, last]
    middle = emit.before.channels // 2
    ends = (("first", 0), ("half", middle), ("last", 2 * middle))
    return [emit.constant(name, [at], np.int64) for name, at in ends]


@rule(ops.HardSigmoid)
def hard_sigmoid(op: ops.HardSigmoid, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5)


@rule(ops.Softmax)
def softmax(op: ops.Softmax, emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Lower a softmax; ONNX's is along one axis, so that positions of maps make a row first, and branches an axis."""
    if op.over_channels:
        return emit.op("Softmax", [x], axis=emit.axis(0))
    if op.branches is None and emit.before.rank == 1:
        return emit.op("Softmax", [x], axis=emit.axis(1))
    laid, axis = ([0, 0, -1], 2) if op.branches is None else ([0, op.branches, -1], 1)
    if op.branches is not None and emit.before.rank:
        laid = [0, op.branches, emit.before.channels // op.branches, -1]
    shares = emit.op("Softmax", [emit.op("Reshape", [x, emit.constant("laid", laid, np.int64)])], axis=axis)
    return emit.op("Reshape", [shares, emit.op("Shape", [x])])


@rule(ops.Scale)
def scale(op: ops.Scale, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Mul", [x, _learned("factor", op, emit)])


@rule(ops.Shift)
def shift(op: ops.Shift, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Add", [x, _learned("term", op, emit)])


def _learned(name: str, op: ops.Scale | ops.Shift, emit: Emitter) -> OnnxValue:
    """Find what a scale multiplies by or a shift adds: a constant, a stored number, or one for each channel."""
    if not op.trainable:
        return emit.constant(name, op.value)
    if op.per == "position":
        return emit.weight_by_position(name)
    return emit.weight_by_channel(name) if op.per == "channel" else emit.weight(name)
