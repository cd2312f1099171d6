"""Conditions on an analysis, as in `params <= 25.6M`: read, and held against the numbers exactly.

A condition is KEY OPERATOR VALUE. The key is a path into what `archspec analyze --json` prints, or one of `ALIASES`;
the value is a number with a unit, or another key. Numbers are compared as fractions: nothing is rounded.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from archspec.errors import ArchspecError, suggest
from compiler.analysis.report import PARTS, analyze
from compiler.graph import Graph

OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

ALIASES = {
    "params": "parameters.trainable",
    "buffers": "parameters.buffers",
    "macs": "macs.total",
    "flops": "macs.conventions.flops",
    "activations": "activations.elements",
    "nodes": "nodes.count",
    "paths": "paths.op.total",
    "receptive_field": "receptive_field.size",
    "peak": "memory.inference_peak_bytes",
    "saved": "memory.training_saved_bytes",
    "training": "memory.training_total_bytes",
    "findings": "lint.count",
}
"""Short words for the keys that are asked for most."""

UNITS = {"": 1} | {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}

MAX_LENGTH = 400
"""Characters of a condition."""
MOST_KEYS = 24
"""How many keys a message lists."""

_CONDITION = re.compile(r"\s*(?P<key>[^\s<>=!]+)\s*(?P<operator>[<>=!]=?)\s*(?P<value>[^\s<>=!](?:.*\S)?)\s*")
_NUMBER = re.compile(
    r"(?P<sign>-?)(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?P<rest>\.[0-9]+)?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
    r"(?:\^(?P<power>[0-9]{1,4}))?\s*(?P<unit>[kKMGT]|[KMGT]i)?(?P<bytes>B)?"
)
_INDEX = re.compile(r"\[(-?[0-9]{1,9})\]")

Figure: TypeAlias = "int | float | Fraction"


class ConditionError(ArchspecError):
    """A condition that cannot be read, or that asks for a number which there is not."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as written and as understood; `bound` is a number, or the path of another."""

    text: str
    path: str
    operator: str
    bound: Fraction | str

    @property
    def paths(self) -> tuple[str, ...]:
        """The numbers that it speaks of."""
        return (self.path, self.bound) if isinstance(self.bound, str) else (self.path,)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition with what was found: a number, or the numbers of a list, each of which has to fulfil it."""

    condition: Condition
    found: tuple[Figure, ...]
    bound: tuple[Figure, ...]

    @property
    def holds(self) -> bool:
        compare = OPERATORS[self.condition.operator]
        return all(compare(found, bound) for found, bound in zip(self.found, self.bound, strict=True))

    def to_dict(self) -> dict[str, Any]:
        return {
            "condition": self.condition.text,
            "key": self.condition.path,
            "found": _as_data(self.found),
            "operator": self.condition.operator,
            "bound": _as_data(self.bound),
            "holds": self.holds,
        }


def parse_condition(text: str) -> Condition:
    """Read `params <= 25.6M`. Raises ConditionError."""
    match = _CONDITION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None or match["operator"] not in OPERATORS:
        operators = " ".join(OPERATORS)
        message = f"a condition is KEY {operators} VALUE in quotes, as in \"params <= 25.6M\"; found '{text[:80]}'"
        raise ConditionError(message)
    path = expand(match["key"])
    return Condition(text.strip(), path, match["operator"], _read_bound(match["value"], path))


def expand(key: str) -> str:
    """The path that a key stands for."""
    return ALIASES.get(key, key)


def _read_bound(text: str, path: str) -> Fraction | str:
    if not re.match(r"[-+.0-9]", text):
        return expand(text)
    if text.endswith("B") and "bytes" not in path.rpartition(".")[2]:
        raise ConditionError(f"{path} is no number of bytes, so it is not compared with '{text[:60]}'")
    return read_number(text)


def read_number(text: str) -> Fraction:
    """The number in `25.6M`, `8GiB` or `2^58`, exactly. Raises ConditionError."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        units = ", ".join(unit for unit in UNITS if unit)
        raise ConditionError(
            f"'{text[:60]}' is no number: digits, then one of {units} if any, and B for bytes, as in 25.6M or 8GiB"
        )
    number = Fraction(match["whole"].replace(",", "").replace("_", "") + (match["rest"] or ""))
    number = number * Fraction(10) ** int(match["exponent"] or 0)
    if match["power"]:
        if number > 10**6 or number.denominator > 1:
            raise ConditionError(f"'{text[:60]}': a power is that of a whole number up to a million, as in 2^58")
        number **= int(match["power"])
    return number * UNITS[match["unit"] or ""] * (-1 if match["sign"] else 1)


def answer(graph: Graph, paths: Iterable[str], **settings: Any) -> dict[str, Any]:
    """What `analyze --json` prints of a graph, as far as these paths lead there. `settings` are those of `analyze`."""
    asked = list(paths)
    first = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in asked}
    lengths = None if any("by_length" in path for path in asked) else False
    report = analyze(graph, wanted=[part for part in PARTS if part in first], by_length=lengths, **settings)
    nodes = {"nodes": [node.to_dict() for node in report.cost.nodes]} if "nodes" in first else {}
    return report.to_dict() | nodes


def check_conditions(graph: Graph, conditions: Sequence[Condition], **settings: Any) -> tuple[Verdict, ...]:
    """Hold a graph against conditions; only the analyses that they need are computed.

    `settings` are those of `analyze` (spec, batch, precision, optimizer). Raises ConditionError for a key that leads to
    no number.
    """
    data = answer(graph, (path for condition in conditions for path in condition.paths), **settings)
    return tuple(judge(condition, data) for condition in conditions)


def judge(condition: Condition, data: Mapping[str, Any]) -> Verdict:
    """Hold one condition against an analysis. A list stands for each of its numbers."""
    found = find_numbers(data, condition.path)
    bound = find_numbers(data, condition.bound) if isinstance(condition.bound, str) else (condition.bound,)
    if len(bound) == 1:
        bound *= len(found)
    if len(bound) != len(found):
        raise ConditionError(
            f"'{condition.text}' compares {len(found)} numbers with {len(bound)}; say which, as in [0]"
        )
    return Verdict(condition, found, bound)


def find_numbers(data: Mapping[str, Any], path: str) -> tuple[Figure, ...]:
    """The number at a path, or the numbers of the list there. Raises ConditionError."""
    value: Any = data
    rest = path
    while rest:
        value, rest = _step(value, rest, path)
    numbers = tuple(value) if isinstance(value, list) else (value,)
    if not numbers or not all(isinstance(number, int | float) for number in numbers):
        raise ConditionError(f"{path} is {_describe(value)}, not a number{_list_keys(value, path)}")
    return numbers


def _step(value: Any, rest: str, path: str) -> tuple[Any, str]:
    """One step along a path, and what is left of it. Keys may hold dots: the longest that fits is taken."""
    if isinstance(value, Mapping) and not rest.startswith("["):
        fitting = [key for key in value if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        if not fitting:
            raise ConditionError(_say_unknown(value, rest, path))
        key = max(fitting, key=len)
        return value[key], rest[len(key) :].removeprefix(".")
    if isinstance(value, list) and rest == "count":
        return len(value), ""
    index = _INDEX.match(rest) if isinstance(value, list) else None
    if index is None:
        before = path.removesuffix(rest).rstrip(".")
        raise ConditionError(f"'{path}': {before or 'an analysis'} is {_describe(value)}{_list_keys(value, before)}")
    if not -len(value) <= int(index[1]) < len(value):
        raise ConditionError(f"'{path}': there are {len(value)} entries, so no {index[0]}")
    return value[int(index[1])], rest[index.end() :].removeprefix(".")


def _say_unknown(value: Mapping[str, Any], rest: str, path: str) -> str:
    word = re.split(r"[.\[]", rest, maxsplit=1)[0]
    if rest == path and word in ALIASES:
        return f"'{word}' stands for {ALIASES[word]} and nothing in it: write {ALIASES[word].partition('.')[0]}.…"
    known = [*value] if rest != path else [*ALIASES, *value, *PARTS]
    listing = ", ".join(list(dict.fromkeys(known))[:MOST_KEYS]) + (", …" if len(known) > MOST_KEYS else "")
    before = path.removesuffix(rest).rstrip(".")
    return f"there is no '{word[:60]}' in {before or 'an analysis'}; there is {listing}{suggest(word, known)}"


def _list_keys(value: Any, path: str) -> str:
    return f"; it has {', '.join(f'{path}.{key}' for key in list(value)[:8])}" if isinstance(value, Mapping) else ""


def _describe(value: Any) -> str:
    if value is None:
        return "not counted here, since it would take long"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"the text '{value}'" if isinstance(value, str) else f"the number {value}"


def _as_data(numbers: tuple[Figure, ...]) -> Any:
    plain = [_as_json_number(number) for number in numbers]
    return plain[0] if len(plain) == 1 else plain


def _as_json_number(number: Figure) -> int | float:
    if not isinstance(number, Fraction):
        return number
    return int(number) if number.denominator == 1 else float(number)
