"""Operations on numbers of few bits: what their counterparts on real numbers are, without scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose

import numpy as np

from archspec.ops import Add as Sum
from archspec.ops import AvgPool as Average
from archspec.ops import (
    Concat,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    HardSigmoid,
    Input,
    Layer,
    MaxPool,
    Mean,
    Mul,
    Op,
    Relu,
    Relu6,
    Sigmoid,
    Softmax,
    Upsample,
)
from compiler.graph import Node
from compiler.onnx_source.call import Call, Rule
from compiler.onnx_source.ops.along import SoftmaxAlong
from compiler.onnx_source.ops.foreign import Elementwise, Foreign
from compiler.onnx_source.values import Constant, Operand, Value

MICROSOFT = "com.microsoft:"
PLACES: Mapping[str, tuple[str, Sequence[int], int | None]] = {
    "QLinearConv": ("Conv", (0, 3, 8), 6),
    "ConvInteger": ("Conv", (0, 1), None),
    "QLinearMatMul": ("MatMul", (0, 3), 6),
    "MatMulInteger": ("MatMul", (0, 1), None),
    f"{MICROSOFT}QGemm": ("Gemm", (0, 3, 6), 7),
    f"{MICROSOFT}QLinearAdd": ("Add", (0, 3), 6),
    f"{MICROSOFT}QLinearMul": ("Mul", (0, 3), 6),
    f"{MICROSOFT}QLinearConcat": ("Concat", range(2, 3000, 3), None),
    f"{MICROSOFT}QLinearSigmoid": ("Sigmoid", (0,), None),
    f"{MICROSOFT}QLinearLeakyRelu": ("LeakyRelu", (0,), None),
    f"{MICROSOFT}QLinearSoftmax": ("Softmax", (0,), None),
    f"{MICROSOFT}QLinearAveragePool": ("AveragePool", (0,), None),
    f"{MICROSOFT}QLinearGlobalAveragePool": ("GlobalAveragePool", (0,), None),
}
"""The counterpart of each, where its operands stand, and where the scale and then the zero point of a result that may
be cut off at zero."""

NEVER_NEGATIVE: tuple[type[Op], ...] = (Relu, Relu6, Sigmoid, HardSigmoid, Softmax)
"""What gives no number below zero, whatever it takes."""
SIGN_KEEPING: tuple[type[Op], ...] = (
    *(Concat, Flatten, GlobalAvgPool, GlobalMaxPool, MaxPool, Mean, Mul, Upsample, Sum, Average),
)
"""What gives none for operands without any."""


def read_quantized(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """Rules for quantized operations, by those of their counterparts."""
    return {name: _among(kind, rules[kind], places, scale) for name, (kind, places, scale) in PLACES.items()}


def _among(kind: str, rule: Rule, places: Sequence[int], scale: int | None) -> Rule:
    def read(call: Call) -> Operand | list[Operand]:
        result_scale, zero = (call.operand(scale), call.operand(scale + 1)) if scale is not None else (None, None)
        operands = [call.operands[place] for place in places if place < len(call.operands)]
        found = rule(call.counterpart(kind, operands))
        if scale is None or not isinstance(found, Value):
            return found
        return cut_off(call, found, zero, result_scale, call.types[0])

    return read


def cut_off(call: Call, x: Value, zero: Operand, scale: Operand, type: str) -> Value:
    """The value that is left when numbers of this type, the lowest of which stands for zero, hold it: a ReLU of it,
    where it may be negative and a layer computed it; ReLU6 where the highest stands for six."""
    low = float(zero.number) if isinstance(zero, Constant) and zero.number is not None else 0.0
    if type not in ("uint8", "int8", "uint16", "int16") or low != np.iinfo(type).min:
        return x
    if not _may_be_negative(call.writer.nodes, x.id, call.writer.negative):
        return x
    step = scale.number if isinstance(scale, Constant) else None
    six = step is not None and isclose(step * (np.iinfo(type).max - low), 6, rel_tol=1e-5)
    op: Layer = Relu6() if six else Relu()
    return call.add(op, x)


def _is_positive_function(op: Op) -> bool:
    if isinstance(op, Elementwise) and op.function == "clip" and op.numbers:
        return (op.numbers[1] or 0.0) >= 0
    return isinstance(op, Elementwise | SoftmaxAlong) and op.function in ("softmax", "abs", "exp", "sqrt")


def _may_be_negative(nodes: Mapping[str, Node], id: str, known: dict[str, bool]) -> bool:
    """Whether a result may hold numbers below zero; one that only moves numbers of an input is taken as it is."""
    todo = [id]
    while todo:
        here = todo[-1]
        node = nodes[here]
        follows = isinstance(node.op, SIGN_KEEPING) or (isinstance(node.op, Foreign) and node.op.moves)
        unsaid = [operand for operand in node.inputs if operand not in known] if follows else []
        if unsaid:
            todo += unsaid
            continue
        known[todo.pop()] = (
            any(known[operand] for operand in node.inputs)
            if follows
            else not isinstance(node.op, (*NEVER_NEGATIVE, Input)) and not _is_positive_function(node.op)
        )
    return known[id]
