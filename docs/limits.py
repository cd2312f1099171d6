"""The page of the bounds, docs/limits.md: every constant `MAX_…` of the product, from the docstring below it."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from archspec.wording import write_count

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("archspec", "compiler", "runtime")

HEAD = """\
# Limits

<!-- Written by docs/limits.py from the constants MAX_… of the code; `make docs` writes it anew. -->

Whatever comes from outside has a bound: a spec, a file, a picture, a number on the command line. What is larger is
refused in words, or what is left out is told. So has what the program does by itself: the effort of a search, the
length of a line. A bound is a constant of the module that keeps it; grouped by room.
"""

MAX_WRITTEN = 10**15
"""The largest whole number of a float that is written out, digit for digit; a larger one as the code has it."""

OPERATORS: dict[type[ast.operator], Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Limit:
    """A bound: its constant, the module's file, the value as the page writes it, and the docstring; "" without one."""

    name: str
    path: Path
    value: str
    text: str

    @property
    def room(self) -> str:
        """The folder that the page lists it under; of a deep one the first two levels."""
        return "/".join(self.path.parent.parts[:2])


def list_limits() -> list[Limit]:
    """All bounds of the product, by room, module and line."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    limits = [limit for path in paths for limit in read_limits(path.read_text(encoding="utf-8"), path)]
    return sorted(limits, key=lambda limit: limit.room)


def read_limits(code: str, path: Path) -> Iterator[Limit]:
    """The bounds that a module declares."""
    relative = path.relative_to(ROOT) if path.is_absolute() else path
    statements = [*ast.parse(code).body, ast.Pass()]
    known: dict[str, int | float] = {}
    for statement, below in pairwise(statements):
        for name, value in _read_assignment(statement):
            number = evaluate(value, known) if value else None
            if number is not None:
                known[name] = number
            if re.match("_?MAX_", name) and not isinstance(value, ast.Tuple):
                text = " ".join(_read_docstring(below).split())
                source = f"`{ast.unparse(value)}`" if value else ""
                yield Limit(name, relative, source if number is None else write_value(number, text), text)


def evaluate(value: ast.expr, known: dict[str, int | float]) -> int | float | None:
    """The number that an expression of numbers and of the module's own constants is, or None."""
    match value:
        case ast.Constant(int() | float() as number):
            return number
        case ast.Name(name):
            return known.get(name)
        case ast.UnaryOp(ast.USub(), operand):
            negated = evaluate(operand, known)
            return None if negated is None else -negated
        case ast.BinOp(left, op, right):
            first, second = evaluate(left, known), evaluate(right, known)
            if first is None or second is None:
                return None
            if isinstance(op, ast.LShift) and isinstance(first, int) and isinstance(second, int):
                return first << second
            return OPERATORS[type(op)](first, second) if type(op) in OPERATORS else None
    return None


def write_value(number: int | float, text: str) -> str:
    """A value for readers; of bytes, as its docstring says, in the largest unit in which it is whole."""
    if isinstance(number, float):
        return write_count(int(number)) if number.is_integer() and number < MAX_WRITTEN else repr(number)
    if "byte" in text.lower():
        for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
            if number and number % (1 << bits) == 0:
                return f"{number >> bits} {unit}"
    return write_count(number)


def write_limits() -> str:
    """The text of docs/limits.md."""
    parts = [HEAD]
    for room, limits in groupby(list_limits(), key=lambda limit: limit.room):
        parts.append(f"\n## {room}\n\n| constant | value | what it bounds | where |\n|---|---|---|---|\n")
        for limit in limits:
            text = limit.text.replace("|", r"\|")
            link = f"[{limit.path.relative_to(room)}](../{limit.path.as_posix()})"
            parts.append(f"| `{limit.name}` | {limit.value} | {text} | {link} |\n")
    return "".join(parts)


def _read_assignment(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a statement gives a value; of several at once no value is read."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id, statement.value
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
            elif isinstance(target, ast.Tuple):
                yield from ((item.id, None) for item in target.elts if isinstance(item, ast.Name))


def _read_docstring(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(ast.Constant(str() as text)):
            return text
    return ""
