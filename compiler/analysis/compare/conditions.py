"""Conditions on an analysis, as in `params <= 25.6M`: read, and held against the numbers exactly.

A condition is KEY OPERATOR VALUE. The key is a path into what `archspec analyze --json` prints, or one of `ALIASES`;
the value is a number with a unit, or another key. Numbers are compared as fractions: nothing is rounded. A number that
is a bound decides only what it can: with at least 18 parameters `params <= 10` is false, and `params <= 100` open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any, TypeAlias

from archspec.errors import suggest
from archspec.spec.spec import Spec
from archspec.wording import cut
from compiler.analysis.certainty import Mark, MarkKind, estimate, find_mark
from compiler.analysis.compare.units import ConditionError, read_number
from compiler.analysis.memory.setup import USUAL, TrainingSetup
from compiler.analysis.report import PARTS, analyze
from compiler.graph import Graph

OPERATORS = ("<=", ">=", "==", "!=", "<", ">")

ALIASES = {
    "params": "parameters.trainable",
    "buffers": "parameters.buffers",
    "macs": "macs.total",
    "flops": "macs.conventions.flops",
    "activations": "activations.elements",
    "output": "outputs.output",
    "nodes": "nodes.count",
    "paths": "paths.op.total",
    "receptive_field": "receptive_field.by_output.*.*.size",
    "peak": "memory.inference_peak_bytes",
    "saved": "memory.training_saved_bytes",
    "training": "memory.training_total_bytes",
    "findings": "lint.count",
}
"""Short words for the keys that are asked for most."""

MAX_LENGTH = 400
"""The largest number of characters of a condition."""
MAX_KEYS = 24
"""The largest number of keys that a message lists."""

MARKS = "marks"
"""The key under which an analysis says which of its numbers are not exact."""

_CONDITION = re.compile(r"\s*(?P<key>[^\s<>=!]+)\s*(?P<operator>[<>=!]=?)\s*(?P<value>[^\s<>=!](?:.*\S)?)\s*")
_INDEX = re.compile(r"\[(-?[0-9]{1,9})\]")
_LENGTH = re.compile(r"[0-9]{1,9}")
_SIGNAL = re.compile(r"variance\[(?P<index>-?[0-9]{1,9})\]\.(?P<gradient>gradient_)?(?:mean|second_moment|common)")
_COUNTED = re.compile(r"paths\..*by_length|paths\.op\.through|gradient\..*paths")
"""Keys of what takes paths counted by their length."""

Quantity: TypeAlias = "int | float | Fraction"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as written and as understood; `bound` is a number, or several, or the path of another."""

    text: str
    path: str
    operator: str
    bound: Fraction | str | tuple[Fraction, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the numbers that it speaks of."""
        return (self.path, self.bound) if isinstance(self.bound, str) else (self.path,)


@dataclass(frozen=True, slots=True)
class MarkedNumber:
    """A number of an analysis, or of a condition; `mark` says that it is a bound or an estimate."""

    value: Quantity
    path: str = ""
    mark: Mark | None = None
    loose: bool = False
    """True for an estimate that says nothing: that of a network with unknown operations."""

    @property
    def span(self) -> tuple[Quantity, Quantity]:
        """The least and the largest value that it may have. An estimate is taken as it is."""
        kind = self.mark.kind if self.mark else None
        low = -inf if kind is MarkKind.AT_MOST or self.loose else self.value
        return low, inf if kind is MarkKind.AT_LEAST or self.loose else self.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition with what was found: a number, or the numbers of a list, each of which has to fulfil it."""

    condition: Condition
    numbers: tuple[MarkedNumber, ...]
    bounds: tuple[MarkedNumber, ...]

    @property
    def found(self) -> tuple[Quantity, ...]:
        return tuple(number.value for number in self.numbers)

    @property
    def holds(self) -> bool | None:
        """True or False as the numbers decide it; None where bounds do not."""
        verdicts = {_compare(*pair, self.condition.operator) for pair in self._pairs}
        return False if False in verdicts else None if None in verdicts else True

    @property
    def undecided(self) -> str | None:
        """The reason why it is not decided, as a sentence; None where it is."""
        if self.holds is not None:
            return None
        pair = next(pair for pair in self._pairs if _compare(*pair, self.condition.operator) is None)
        number = next(number for number in pair if number.mark)
        assert number.mark
        said = "is not known" if number.loose else f"is {number.mark.kind} {_as_json_number(number.value):,}"
        return f"'{self.condition.text}' cannot be decided: {number.path} {said} ({number.mark.why})"

    @property
    def _pairs(self) -> Iterator[tuple[MarkedNumber, MarkedNumber]]:
        return zip(self.numbers, self.bounds, strict=True)

    def to_dict(self) -> dict[str, Any]:
        marks = {number.path: number.mark.to_dict() for number in (*self.numbers, *self.bounds) if number.mark}
        return {
            "condition": self.condition.text,
            "key": self.condition.path,
            "found": _as_data(self.found),
            "operator": self.condition.operator,
            "bound": _as_data(tuple(number.value for number in self.bounds)),
            "holds": self.holds,
            **({"marks": marks} if marks else {}),
        }


def _compare(number: MarkedNumber, bound: MarkedNumber, sign: str) -> bool | None:
    """Tell whether it holds wherever the two lie; None where that depends."""
    (low, high), (least, most) = number.span, bound.span
    match sign:
        case "<=":
            return True if high <= least else False if low > most else None
        case "<":
            return True if high < least else False if low >= most else None
        case "==":
            return False if high < least or low > most else True if low == high == least == most else None
        case "!=":
            equal = _compare(number, bound, "==")
            return None if equal is None else not equal
        case _:
            return _compare(bound, number, sign.replace(">", "<"))


def parse_condition(text: str) -> Condition:
    """Read `params <= 25.6M`. Raises ConditionError."""
    match = _CONDITION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None or match["operator"] not in OPERATORS:
        operators = " ".join(OPERATORS)
        message = f"a condition is KEY {operators} VALUE in quotes, as in \"params <= 25.6M\"; found '{cut(text, 80)}'"
        raise ConditionError(message)
    path = expand(match["key"])
    return Condition(text.strip(), path, match["operator"], _read_bound(match["value"], path))


def expand(key: str) -> str:
    """Give the path that a key stands for."""
    return ALIASES.get(key, key)


def _read_bound(text: str, path: str) -> Fraction | str | tuple[Fraction, ...]:
    if text.startswith("[") and text.endswith("]"):
        return tuple(read_number(number.strip()) for number in text[1:-1].split(","))
    if not re.match(r"[-+.0-9]", text):
        return expand(text)
    if text.endswith("B") and "bytes" not in path.rpartition(".")[2]:
        raise ConditionError(f"{path} is no number of bytes, so it is not compared with '{cut(text, 60)}'")
    return read_number(text)


def answer(
    graph: Graph, paths: Iterable[str], spec: Spec | None = None, setup: TrainingSetup = USUAL
) -> dict[str, Any]:
    """Compute what `analyze --all --json` prints of a graph that was made of `spec`, as far as these paths lead
    there."""
    asked = list(paths)
    first = {re.split(r"[.\[]", path, maxsplit=1)[0].removesuffix("_summary") for path in asked}
    lengths = any(map(_COUNTED.match, asked))
    wanted = [part for part in PARTS if part in first]
    report = analyze(graph, spec, wanted=wanted, by_length=lengths, **setup._asdict())
    return report.to_dict(nodes="nodes" in first) | {MARKS: report.marks}


def check_conditions(
    graph: Graph,
    conditions: Sequence[Condition],
    spec: Spec | None = None,
    setup: TrainingSetup = USUAL,
) -> tuple[Verdict, ...]:
    """Hold a graph against conditions; only the analyses that they need are computed.

    `spec` is what the graph was made of, and the `setup` is that of the memory. Raises ConditionError for a key that
    leads to no number.
    """
    data = answer(graph, (path for condition in conditions for path in condition.paths), spec, setup)
    return tuple(judge(condition, data) for condition in conditions)


def judge(condition: Condition, data: Mapping[str, Any]) -> Verdict:
    """Hold one condition against an analysis. A list stands for each of its numbers."""
    found = find_numbers(data, condition.path)
    bound = _find_bound(data, condition.bound)
    if len(bound) == 1 and not isinstance(condition.bound, tuple):
        bound *= len(found)
    if len(bound) != len(found):
        raise ConditionError(
            f"'{condition.text}' compares {len(found)} numbers with {len(bound)}; say which, as in [0]"
        )
    return Verdict(condition, found, bound)


def _find_bound(data: Mapping[str, Any], bound: Fraction | str | tuple[Fraction, ...]) -> tuple[MarkedNumber, ...]:
    if isinstance(bound, str):
        return find_numbers(data, bound)
    return tuple(map(MarkedNumber, bound if isinstance(bound, tuple) else [bound]))


def find_numbers(data: Mapping[str, Any], path: str) -> tuple[MarkedNumber, ...]:
    """Find the number at a path, or the numbers of the lists there. Raises ConditionError."""
    ends = [(at, value) for at, value in _follow(data, path, "", path)]
    numbers = [(at, number) for at, value in ends for number in (value if isinstance(value, list) else [value])]
    wrong = next((value for _, value in numbers if not isinstance(value, int | float)), None)
    if not numbers or wrong is not None or any(value is None for _, value in numbers):
        value = ends[0][1] if len(ends) == 1 else wrong
        raise ConditionError(f"{path} is {_describe(value)}, not a number{_list_keys(value, path)}")
    return tuple(_mark(data, at, number) for at, number in numbers)


def _mark(data: Mapping[str, Any], path: str, value: Quantity) -> MarkedNumber:
    mark = find_mark(data.get(MARKS, {}), path) or _find_mark_of_row(data, path)
    loose = mark is not None and mark.kind is MarkKind.ESTIMATE and bool(data.get("unknown"))
    return MarkedNumber(value, path, mark, loose)


def _find_mark_of_row(data: Mapping[str, Any], path: str) -> Mark | None:
    """Find the mark of a number of one node's signal: each row says by itself which of its numbers are estimates."""
    match = _SIGNAL.fullmatch(path)
    if match is None:
        return None
    doubted = data["variance"][int(match["index"])][f"{match['gradient'] or ''}estimate"]
    return estimate("it rests on more than the laws of wide layers") if doubted else None


def _follow(value: Any, rest: str, before: str, path: str) -> Iterator[tuple[str, Any]]:
    """Find what is at the end of a path, with the way there; `*` stands for every key of an object."""
    if not rest:
        yield before, value
        return
    if isinstance(value, Mapping) and (rest == "*" or rest.startswith("*.")):
        for key, inner in value.items():
            yield from _follow(inner, rest[2:], f"{before}.{key}".lstrip("."), path)
        return
    inner, left = _step(value, rest, path)
    taken = rest.removesuffix(left).rstrip(".")
    yield from _follow(inner, left, f"{before}{'' if taken.startswith('[') else '.'}{taken}".lstrip("."), path)


def _step(value: Any, rest: str, path: str) -> tuple[Any, str]:
    """Take one step along a path, and what is left of it. Keys may hold dots: the longest that fits is taken."""
    if isinstance(value, Mapping) and not rest.startswith("["):
        fitting = [key for key in value if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        if not fitting and _LENGTH.fullmatch(rest) and path.endswith(f"by_length.{rest}"):
            return 0, ""  # paths of all other lengths are listed
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
    shown = list(dict.fromkeys(known))[:MAX_KEYS] or ["nothing in it"]
    listing = ", ".join(shown) + (", …" if len(known) > MAX_KEYS else "")
    before = path.removesuffix(rest).rstrip(".")
    return f"there is no '{cut(word, 60)}' in {before or 'an analysis'}; there is {listing}{suggest(word, known)}"


def _list_keys(value: Any, path: str) -> str:
    return f"; it has {', '.join(f'{path}.{key}' for key in list(value)[:8])}" if isinstance(value, Mapping) else ""


def _describe(value: Any) -> str:
    if value is None:
        return "null: there is none, or it would have taken long to find"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"the text '{value}'" if isinstance(value, str) else f"the number {value}"


def _as_data(numbers: tuple[Quantity, ...]) -> Any:
    plain = [_as_json_number(number) for number in numbers]
    return plain[0] if len(plain) == 1 else plain


def _as_json_number(number: Quantity) -> int | float:
    if not isinstance(number, Fraction):
        return number
    return int(number) if number.denominator == 1 else float(number)
