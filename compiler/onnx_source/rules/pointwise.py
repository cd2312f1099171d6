"""Functions of one value, position by position."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from archspec import ops
from archspec.ops import Layer
from archspec.ops.fields import MAX_REAL
from compiler.onnx_file.nodes import write_shortest
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.file.types import is_floating
from compiler.onnx_source.ops.along import SoftmaxAlong
from compiler.onnx_source.ops.foreign import Elementwise
from compiler.onnx_source.rules.quantized import cut_off
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError


def plain(op: Layer) -> NodeRule:
    """Make the rule of an operation of the language without attributes."""
    return lambda call: call.add(op, call.value())


def function(call: NodeCall) -> Operand:
    """Add a function of one operand that the language has no word for."""
    call.require_operands(1, 1)
    return elementwise(call)


def elementwise(call: NodeCall) -> Operand:
    x = call.value()
    return call.elementwise([x], x.shape, order=x.order)


def unchanged(call: NodeCall) -> Operand:
    """Pass the operand on: nothing changes at inference, or only the precision of numbers."""
    return call.value()


def dropout(call: NodeCall) -> Operand:
    """Read a dropout, which is nothing at inference; unknown where the file says that it is training."""
    mode = call.operand(2)
    if isinstance(mode, Constant) and mode.number:
        raise UnknownOpError
    return call.value()


def cast(call: NodeCall) -> Operand:
    """Read a cast: whole numbers and conditions are less than the numbers that they are made of; another precision is
    the same."""
    x, to = call.value(), call.types[0]
    if is_floating(x.type) and not is_floating(to):
        return call.foreign(Elementwise, [x], x.shape, order=x.order, function="cast", details=(("to", to),))
    return x


def leaky_relu(call: NodeCall) -> Operand:
    return call.add(build(call, ops.LeakyRelu, slope=call.attribute("alpha", 0.01)), call.value())


def elu(call: NodeCall) -> Operand:
    return call.add(build(call, ops.Elu, alpha=call.attribute("alpha", 1.0)), call.value())


def prelu(call: NodeCall) -> Operand:
    """Read a PReLU, which has one stored slope, or one for each channel."""
    x, slope = call.value(), call.stored(1)
    channel = x.order.index(1) if len(x.order) > 1 else 0
    behind = len(x.shape) - channel - 1  # axes of the file behind that of the channels
    channels = x.shape[channel] if x.shape else 0
    if call.is_map(x, least=2) and slope.shape == (1,):
        return call.add(ops.Prelu(per="network"), x, weight=slope)
    if not call.is_map(x, least=2) or slope.shape != (channels, *[1] * behind):
        return elementwise(call)
    return call.add(ops.Prelu(), x, weight=slope)


def hard_sigmoid(call: NodeCall) -> Operand:
    call.require_operands(1, 1)
    usual = math.isclose(call.attribute("alpha", 0.2), 1 / 6, rel_tol=1e-6) and call.attribute("beta", 0.5) == 0.5
    return call.add(ops.HardSigmoid(), call.value()) if usual else elementwise(call)


def clip(call: NodeCall) -> Operand:
    low, high = _bound(call, "min", 1, -math.inf), _bound(call, "max", 2, math.inf)
    if low == 0 and high == 6:
        return call.add(ops.Relu6(), call.value())
    x = call.value()
    if low == 0 and high >= MAX_REAL:
        return call.add(ops.Relu(), x)
    if (low, high) == ops.HardTanh.image:
        return call.add(ops.HardTanh(), x)
    return call.add(build(call, ops.Clip, low=_inside(low), high=_inside(high)), x)


def _inside(bound: float) -> float | None:
    """A bound within the range of single precision; None where nothing lies beyond it."""
    return bound if abs(bound) < MAX_REAL else None


def selu(call: NodeCall) -> Operand:
    usual = (call.attribute("alpha", ops.Selu.ALPHA), call.attribute("gamma", ops.Selu.SCALE))
    same = all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(usual, (ops.Selu.ALPHA, ops.Selu.SCALE), strict=True))
    return call.add(ops.Selu(), call.value()) if same else elementwise(call)


def _bound(call: NodeCall, name: str, position: int, default: float) -> float:
    """An attribute of older versions, and an operand of newer ones."""
    if name in call.attributes:
        return call.attribute(name, default)
    array = call.array(position)
    return default if array is None or array.size != 1 else write_shortest(array.reshape(-1)[0])


def gelu(call: NodeCall) -> Operand:
    tanh = call.attribute("approximate", "none") == "tanh" or call.kind == "FastGelu"
    if call.operand(1) is not None:
        raise UnknownOpError
    return call.add(ops.Gelu(approximate="tanh" if tanh else "none"), call.value())


def swish(call: NodeCall) -> Operand:
    call.require_operands(1, 1)
    return call.add(ops.Silu(), call.value()) if call.attribute("alpha", 1.0) == 1 else elementwise(call)


def softmax(call: NodeCall) -> Operand:
    """Read a softmax, which is along one axis; before opset 13 along all from that axis on."""
    x = call.value()
    old = call.file.opset < 13
    axis = call.axis(call.attribute("axis", 1 if old else -1), len(x.shape))
    axes = range(axis, len(x.shape)) if old else range(axis, axis + 1)
    wide = [i for i in axes if x.shape[i] > 1] or [axis]
    if call.kind == "Softmax" and [x.order[i] for i in wide] == [1] and call.is_map(x, least=2):
        return call.add(ops.Softmax(), x)
    if call.kind == "Softmax" and [x.order[i] for i in wide] == [2] and call.is_row(x):
        return call.add(ops.Softmax(over="positions"), x)
    x = call.straighten(x)
    function = "softmax" if call.kind == "Softmax" else "log_softmax"
    return call.foreign(SoftmaxAlong, [x], x.shape, function=function, axes=call.places(x, wide))


def quantize(call: NodeCall) -> Operand:
    """Give the value in few bits, whose lowest number cuts it off: at zero where an exporter left out a ReLU for
    that."""
    x = call.value()
    zero, scale = call.operand(2), call.operand(1)
    x = cut_off(call, x, zero, scale, call.types[0])
    if call.file.read_counts[call.proto.input[0]] == 1:  # nothing reads it in its own type
        call.writer.set_type(x.id, call.types[0])
    return x


def quantize_dynamically(call: NodeCall) -> Operand | list[Operand]:
    """Give the value in eight bits, its scale and its zero point."""
    x = call.value()
    shared = replace(x, samples=None)
    span: FileValue = call.foreign(Elementwise, [shared], (), function="range")
    return [x, span, span]


NAMES = (
    "Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Erf Floor IsInf IsNaN Log Neg Not"
    " Reciprocal Round Shrink Sign Sin Sinh Softsign Sqrt Tan ThresholdedRelu"
)

RULES: Mapping[str, NodeRule] = {
    **dict.fromkeys(NAMES.split(), function),
    **dict.fromkeys(("Identity", "DequantizeLinear"), unchanged),
    "Dropout": dropout,
    **dict.fromkeys(("Cast", "CastLike"), cast),
    "QuantizeLinear": quantize,
    "Relu": plain(ops.Relu()),
    "Sigmoid": plain(ops.Sigmoid()),
    "Tanh": plain(ops.Tanh()),
    "Softplus": plain(ops.Softplus()),
    "HardSwish": plain(ops.HardSwish()),
    "Abs": plain(ops.Abs()),
    "Exp": plain(ops.Exp()),
    "Mish": plain(ops.Mish()),
    "Selu": selu,
    "LeakyRelu": leaky_relu,
    "Elu": elu,
    "PRelu": prelu,
    "HardSigmoid": hard_sigmoid,
    "Clip": clip,
    "Gelu": gelu,
    "com.microsoft:Gelu": gelu,
    "com.microsoft:FastGelu": gelu,
    "com.microsoft:QuickGelu": function,
    "Swish": swish,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "DynamicQuantizeLinear": quantize_dynamically,
}
