"""The table of all rules, and the type of a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from compiler.onnx_target.emitter import OnnxValue
from compiler.rule_table import RuleTable

OnnxRule: TypeAlias = Callable[..., OnnxValue]
"""A function from an operation, its emitter and its operands to its result."""

RULES: RuleTable[OnnxRule] = RuleTable("onnx", "onnx_nodes")
rule = RULES.rule


def plain(kind: str) -> OnnxRule:
    """Make a rule for an operation that ONNX has, without attributes."""
    return lambda op, emit, x: emit.op(kind, [x])
