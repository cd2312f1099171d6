"""Expressions and labels by docs/language.md alone."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any

from tests.differential.layers import RefusedError, is_number, require

_BINARY: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.AST], Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(written: Any, names: Mapping[str, Any]) -> Any:
    """The value of what stands in a number's place: itself, or that of a string as an expression."""
    if isinstance(written, list):
        return [evaluate(item, names) for item in written]
    if not isinstance(written, str):
        return written
    try:
        return _value(ast.parse(written.strip(), mode="eval").body, names)
    except (SyntaxError, ArithmeticError, LookupError) as error:
        raise RefusedError(f"{written}: {error}") from error


def name_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the params and of `let`; each sees those before it."""
    names: dict[str, Any] = {}
    for key in ("params", "let"):
        for name, written in document.get(key, {}).items():
            names[name] = evaluate(written, names)
    return names


WORDS_ALONE = ("init", "over", "mode", "corners", "count", "by", "per", "draw", "approximate")
"""The fields that take words, and no expressions."""


def evaluate_field(key: str, written: Any, names: Mapping[str, Any]) -> Any:
    """The value of a layer's field; a field that takes words takes no expression."""
    if written in ("same", "same_end", "causal", "null") or key in WORDS_ALONE:
        return written
    return evaluate(written, names)


def take_argument(kind: str, value: Any) -> Any:
    """An argument's value in its declared type; nothing is rounded."""
    if kind == "int":
        require(is_number(value) and value == value // 1, f"{value} is no whole number")
        return int(value)
    if kind == "float":
        require(is_number(value), f"{value} is no number")
        return float(value)
    require(isinstance(value, bool if kind == "bool" else list), f"{value} is no {kind}")
    return value


def expand(label: str, names: Mapping[str, Any]) -> str:
    """A label with its expressions in braces as digits."""

    def digits(found: re.Match[str]) -> str:
        value = evaluate(found[1], names)
        require(isinstance(value, int) and not isinstance(value, bool) and value >= 0, f"{label} needs whole numbers")
        return str(value)

    return re.sub(r"\{([^{}]*)\}", digits, label)


def _number(node: ast.expr, names: Mapping[str, Any]) -> Any:
    value = _value(node, names)
    require(is_number(value), f"{ast.unparse(node)} is no number")
    return value


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if is_number(value):
            return value
        case ast.Name(id="true" | "false" as name):
            return name == "true"
        case ast.Name(id=name):
            require(name in names, f"unknown name {name}")
            return names[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, names)
        case ast.UnaryOp(op=op, operand=operand):
            return -_number(operand, names) if isinstance(op, ast.USub) else _number(operand, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right) if isinstance(_value(left, names), list):
            after = _value(right, names)
            require(isinstance(after, list), f"{ast.unparse(right)} is no list")
            return [*_value(left, names), *after]
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            exponent = _number(right, names)
            require(isinstance(exponent, int) and 0 <= exponent <= 64, f"no exponent: {exponent}")
            return _number(left, names) ** exponent
        case ast.List(elts=entries):
            return [_value(entry, names) for entry in entries]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_number(left, names), _number(right, names))
        case ast.BoolOp(op=op, values=parts):
            return (all if isinstance(op, ast.And) else any)(bool(_value(part, names)) for part in parts)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            before = _value(left, names)
            for sign, right in zip(ops, rights, strict=True):
                after = _value(right, names)
                if not _COMPARE[type(sign)](before, after):
                    return False
                before = after
            return True
        case ast.Subscript(value=whole, slice=ast.Slice(lower=lower, upper=upper)):
            ends = [None if end is None else _number(end, names) for end in (lower, upper)]
            return _value(whole, names)[slice(*ends)]
        case ast.Subscript(value=whole, slice=index):
            return _value(whole, names)[_number(index, names)]
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _call(function, [_value(argument, names) for argument in arguments])
    raise RefusedError(f"{ast.unparse(node)} is not allowed")


def _call(function: str, values: list[Any]) -> Any:
    if function == "len":
        return len(values[0])
    if function in ("round", "sum"):
        return round(values[0]) if function == "round" else sum(values[0])
    return (min if function == "min" else max)(*values)
