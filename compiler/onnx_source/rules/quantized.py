"""Operations on numbers of few bits become their counterparts on real numbers, without scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose

import numpy as np

from archspec.ops import Bounds, Input, Layer, Relu, Relu6
from archspec.ops.bounds import POSITIVE
from compiler.graph import Node
from compiler.onnx_source.call import NodeCall, NodeRule
from compiler.onnx_source.values import Constant, FileValue, Operand
from compiler.value_bounds import bound_node

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


def read_quantized(rules: Mapping[str, NodeRule]) -> dict[str, NodeRule]:
    """Make the rules for quantized operations, by those of their counterparts."""
    return {name: _among(kind, rules[kind], places, scale) for name, (kind, places, scale) in PLACES.items()}


def _among(kind: str, rule: NodeRule, places: Sequence[int], scale: int | None) -> NodeRule:
    def read(call: NodeCall) -> Operand | list[Operand]:
        result_scale, zero = (call.operand(scale), call.operand(scale + 1)) if scale is not None else (None, None)
        operands = [call.operands[place] for place in places if place < len(call.operands)]
        found = rule(call.counterpart(kind, operands))
        if scale is None or not isinstance(found, FileValue):
            return found
        return cut_off(call, found, zero, result_scale, call.types[0])

    return read


def cut_off(call: NodeCall, x: FileValue, zero: Operand, scale: Operand, type: str) -> FileValue:
    """Give the value that is left when numbers of this type, the lowest of which stands for zero, hold it: a ReLU of
    it, where it may be negative and a layer computed it; ReLU6 where the highest stands for six."""
    low = float(zero.number) if isinstance(zero, Constant) and zero.number is not None else 0.0
    if type not in ("uint8", "int8", "uint16", "int16") or low != np.iinfo(type).min:
        return x
    if _find_bounds(call.writer.nodes, x.id, call.writer.bounds).low >= 0:
        return x
    step = scale.number if isinstance(scale, Constant) else None
    six = step is not None and isclose(step * (np.iinfo(type).max - low), 6, rel_tol=1e-5)
    op: Layer = Relu6() if six else Relu()
    return call.add(op, x)


def _find_bounds(nodes: Mapping[str, Node], id: str, known: dict[str, Bounds]) -> Bounds:
    """The bounds of a result; an input is taken as it is, so as if it were never negative."""
    todo = [id]
    while todo:
        node = nodes[todo[-1]]
        unsaid = [operand for operand in node.data_inputs if operand not in known]
        if unsaid:
            todo += unsaid
            continue
        todo.pop()
        operands = [known[operand] for operand in node.data_inputs]
        known[node.id] = POSITIVE if isinstance(node.op, Input) else bound_node(node, operands)
    return known[id]
