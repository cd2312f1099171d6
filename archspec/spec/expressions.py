"""Expressions: parsed to Python's syntax tree, held against an allow-list, and computed part by part. Nothing is
ever run as code."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from pydantic_core.core_schema import CoreSchema, is_instance_schema

from archspec.errors import suggest
from archspec.spec.arithmetic import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    SIGNS,
    bound_list,
    show_value,
    take_item,
    take_slice,
)

MAX_LENGTH = 200
"""The largest number of characters of an expression."""
MAX_DEPTH = 32
"""The largest number of levels on which operations of an expression nest."""
MAX_VALUE = 10**18
"""The largest magnitude of a value. Nothing beyond is a size, and products of products must not grow without bound."""

Value: TypeAlias = int | float | bool | list[Any]
Lookup: TypeAlias = Callable[[str], Value]
"""A function that gives the value of a name, or raises KeyError."""
Compiled: TypeAlias = Callable[[Lookup], Any]
"""A function that gives the value of an expression."""


class ExpressionError(ValueError):
    """An expression that cannot be parsed, or has no value; `code` is the diagnostic's."""

    def __init__(self, message: str, code: str = "bad-expression") -> None:
        super().__init__(message)
        self.code = code


_CONSTANTS = {"true": True, "false": False}
"""The constants as YAML writes them; Python's `True` and `False` are constants of its syntax."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def is_name(text: str) -> bool:
    """True if an expression may use `text` as the name of a value."""
    taken = keyword.iskeyword(text) or text in FUNCTIONS or text in _CONSTANTS
    return bool(_NAME.fullmatch(text)) and not taken


class Parsed:
    """What was parsed from a text: pydantic takes an instance for what it is. It would make a schema of its fields for
    every field of every node that may hold one."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return is_instance_schema(cls)


@dataclass(frozen=True)
class Expression(Parsed):
    """A parsed expression.

    >>> Expression.parse("4 * width if wide else width")(dict(width=16, wide=True).__getitem__)
    64
    """

    text: str
    tree: ast.expr = field(repr=False, compare=False)
    cost: int = field(default=1, repr=False, compare=False)
    """The parts of the tree: what an evaluation takes of the budget."""

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Parse an expression. Raises ExpressionError."""
        return _parse(text)

    @cached_property
    def _compute(self) -> Compiled:
        return _compile(self.tree)

    def __call__(self, lookup: Lookup) -> Value:
        """The value where `lookup` gives names theirs. Raises ExpressionError."""
        try:
            value: Value = _bounded(self._compute(lookup), self.tree)
            return value
        except ExpressionError:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise ExpressionError(f"'{self.text}' has no value: {_reason(error)}") from error


@dataclass(frozen=True)
class Template(Parsed):
    """A name that may hold expressions in braces: `heatmap{i}`."""

    text: str
    parts: tuple[str | Expression, ...]

    @property
    def cost(self) -> int:
        return sum(part.cost for part in self.parts if isinstance(part, Expression))

    @classmethod
    def parse(cls, text: str, *, dotted: bool = False) -> Template:
        """Parse a name with expressions in it, or `dotted`, names joined by dots. Raises ExpressionError."""
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"should have at most {MAX_LENGTH} characters, found {len(text)}", "bad-name")
        pieces = re.split(r"\{([^{}]*)\}", text)
        parts = tuple(Expression.parse(piece) if i % 2 else piece for i, piece in enumerate(pieces))
        literal = "".join(part if isinstance(part, str) else "0" for part in parts)
        if not all(map(_NAME.fullmatch, literal.split(".") if dotted else [literal])):
            also = " between dots" if dotted else ""
            raise ExpressionError(f"'{text}' is not a name: letters, digits, _ and {{expressions}}{also}", "bad-name")
        return cls(text, parts)

    def __call__(self, lookup: Lookup) -> str:
        return "".join(part if isinstance(part, str) else self._digits(part, lookup) for part in self.parts)

    def _digits(self, part: Expression, lookup: Lookup) -> str:
        value = part(lookup)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ExpressionError(f"'{part.text}' in '{self.text}' should be a whole number from 0, found {value}")
        return str(value)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Expression:
    """Parse a text once: it is written in many places, and read again for every variant of a spec."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, found {len(text)}")
    try:
        with warnings.catch_warnings():  # the parser warns of things like `1 if`; what matters is checked below
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"'{text}' is not an expression") from error
    _check(tree, text)
    return Expression(text, tree, cost=sum(isinstance(node, ast.expr) for node in ast.walk(tree)))


def _check(node: ast.AST, text: str, depth: int = 1) -> None:
    """Hold every part of the tree against the allow-list."""
    if depth > MAX_DEPTH:
        raise ExpressionError(f"'{text}' nests more than {MAX_DEPTH} levels deep")
    match node:
        case ast.Constant(value=value):
            allowed = isinstance(value, bool | int | float) and abs(value) <= MAX_VALUE
        case ast.Name(id=name):
            allowed = name not in FUNCTIONS
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            allowed = name in FUNCTIONS and not any(isinstance(argument, ast.Starred) for argument in node.args)
            for argument in node.args if allowed else ():
                _check(argument, text, depth + 1)
            if allowed:
                return
        case ast.BinOp(op=op):
            allowed = type(op) in ARITHMETIC
        case ast.UnaryOp(op=op):
            allowed = type(op) in SIGNS or isinstance(op, ast.Not)
        case ast.Compare(ops=ops):
            allowed = all(type(op) in COMPARISONS for op in ops)
        case ast.Subscript(slice=ast.Slice(step=step)):
            allowed = step is None
        case ast.Subscript(slice=index):
            allowed = not isinstance(index, ast.Tuple)
        case ast.BoolOp() | ast.IfExp() | ast.List() | ast.Slice():
            allowed = True
        case _:
            allowed = False
    if not allowed:
        raise ExpressionError(
            f"'{ast.unparse(node)}' is not allowed in an expression; there are names, numbers, + - * / // % **, "
            f"comparisons, and, or, not, if-else, lists, their items and slices, {_name_functions()}"
            f"{_say_otherwise(node)}"
        )
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _check(child, text, depth + 1)


def _name_functions() -> str:
    *others, last = FUNCTIONS
    return f"{', '.join(others)} and {last}"


def _say_otherwise(node: ast.AST) -> str:
    """Tell how what is not allowed is said in the language, as the end of a message."""
    match node:
        case ast.Tuple():
            return "; a list stands in square brackets"
        case ast.Call(func=ast.Name(id="int" | "floor"), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]):
            return f"; say `{ast.unparse(left)} // {ast.unparse(right)}`"
        case ast.Call(func=ast.Name(id="int" | "floor")):
            return "; `a // b` divides and rounds down"
        case ast.Call(func=ast.Name(id="ceil"), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]):
            return f"; say `-(-{_in_brackets(left)} // {ast.unparse(right)})`"
    return ""


def _in_brackets(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if isinstance(node, ast.Name | ast.Constant) else f"({text})"


def _compile(node: ast.expr) -> Compiled:
    """Make the function that an allowed tree stands for, from those of its parts: to walk the tree at every evaluation
    takes three times as long."""
    match node:
        case ast.Constant(value=value):
            return lambda lookup: value
        case ast.Name(id=name) if name in _CONSTANTS:
            return lambda lookup: _CONSTANTS[name]
        case ast.Name(id=name):
            return lambda lookup: lookup(name)
        case ast.BinOp():
            return _compile_operation(node)
        case ast.UnaryOp(op=op, operand=operand):
            return _compile_sign(op, operand)
        case ast.BoolOp(op=op, values=values):
            parts, join = [*map(_compile, values)], any if isinstance(op, ast.Or) else all
            return lambda lookup: join(bool(part(lookup)) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            return _compile_comparison([left, *rights], [COMPARISONS[type(op)] for op in ops])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            choose, first, second = map(_compile, (test, body, orelse))
            return lambda lookup: first(lookup) if choose(lookup) else second(lookup)
        case ast.List(elts=entries):
            parts = [*map(_compile, entries)]
            return lambda lookup: bound_list([part(lookup) for part in parts])
        case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper)):
            whole, ends = _compile(value), [_compile(end or ast.Constant(None)) for end in (lower, upper)]
            return lambda lookup: take_slice(whole(lookup), *[end(lookup) for end in ends])
        case ast.Subscript(value=value, slice=index):
            whole, place = _compile(value), _compile(index)
            return lambda lookup: take_item(whole(lookup), place(lookup))
        case ast.Call(func=ast.Name(id=name), args=args):
            function, parts = FUNCTIONS[name], [*map(_compile, args)]
            return lambda lookup: function(*[part(lookup) for part in parts])
    raise AssertionError(f"the allow-list let {type(node).__name__} through")


def _compile_operation(node: ast.BinOp) -> Compiled:
    left, right, operate = _compile(node.left), _compile(node.right), ARITHMETIC[type(node.op)]
    joins = isinstance(node.op, ast.Add)

    def compute(lookup: Lookup) -> Any:
        first, second = left(lookup), right(lookup)
        if joins and isinstance(first, list) and isinstance(second, list):
            return bound_list(first + second)
        return _bounded(operate(_as_number(first, node.left), _as_number(second, node.right)), node)

    return compute


def _compile_sign(op: ast.unaryop, operand: ast.expr) -> Compiled:
    part = _compile(operand)
    if isinstance(op, ast.Not):
        return lambda lookup: not part(lookup)
    sign = SIGNS[type(op)]
    return lambda lookup: sign(_as_number(part(lookup), operand))


def _compile_comparison(operands: list[ast.expr], ops: list[Callable[[Any, Any], bool]]) -> Compiled:
    parts = [*map(_compile, operands)]

    def compare(lookup: Lookup) -> bool:
        values = [part(lookup) for part in parts]
        return all(op(a, b) for op, a, b in zip(ops, values, values[1:], strict=False))

    return compare


def _as_number(value: Any, node: ast.expr) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ExpressionError(f"'{ast.unparse(node)}' should be a number, found {show_value(value)}")
    return value


def _bounded(value: Any, node: ast.expr) -> Any:
    if isinstance(value, (int, float)) and not abs(value) <= MAX_VALUE:  # nan compares false
        raise ExpressionError(f"'{ast.unparse(node)}' is larger than any size could be")
    return value


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def list_names(value: Any) -> frozenset[str]:
    """List the names that expressions in a value use, be it one or a list."""
    if isinstance(value, Expression):
        return frozenset(node.id for node in ast.walk(value.tree) if isinstance(node, ast.Name))
    return frozenset().union(*map(list_names, value)) if isinstance(value, list) else frozenset()


def lookup_of(*layers: Mapping[str, Value]) -> Lookup:
    """A lookup in mappings, the first that has the name; an unknown name is an ExpressionError with a suggestion."""

    def look_up(name: str) -> Value:
        for layer in layers:
            if name in layer:
                return layer[name]
        known = sorted({known for layer in layers for known in layer})
        near = suggest(name, known)
        listing = near or (f"; there is {', '.join(known)}" if known else "; no names are known here")
        raise ExpressionError(f"unknown name '{name}'{listing}", "unknown-name")

    return look_up
