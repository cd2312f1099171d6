"""Operations on numbers of eight bits: what their counterparts on real numbers are, without scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.onnx_source.call import Call, Operand
from compiler.onnx_source.rules.table import Rule

MICROSOFT = "com.microsoft:"
PLACES: Mapping[str, tuple[str, Sequence[int]]] = {
    "QLinearConv": ("Conv", (0, 3, 8)),
    "ConvInteger": ("Conv", (0, 1)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "MatMulInteger": ("MatMul", (0, 1)),
    f"{MICROSOFT}QGemm": ("Gemm", (0, 3, 6)),
    f"{MICROSOFT}QLinearAdd": ("Add", (0, 3)),
    f"{MICROSOFT}QLinearMul": ("Mul", (0, 3)),
    f"{MICROSOFT}QLinearConcat": ("Concat", range(2, 3000, 3)),
    f"{MICROSOFT}QLinearSigmoid": ("Sigmoid", (0,)),
    f"{MICROSOFT}QLinearLeakyRelu": ("LeakyRelu", (0,)),
    f"{MICROSOFT}QLinearSoftmax": ("Softmax", (0,)),
    f"{MICROSOFT}QLinearAveragePool": ("AveragePool", (0,)),
    f"{MICROSOFT}QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
}
"""The counterpart of each, and where its operands stand."""


def read_quantized(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """Rules for quantized operations, by those of their counterparts."""
    return {name: _among(counterpart, rules[counterpart], places) for name, (counterpart, places) in PLACES.items()}


def _among(kind: str, rule: Rule, places: Sequence[int]) -> Rule:
    def read(call: Call) -> Operand | list[Operand]:
        call.quantized = True
        call.kind, call.operands = kind, [call.operands[place] for place in places if place < len(call.operands)]
        return rule(call)

    return read
