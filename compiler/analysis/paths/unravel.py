"""The network equations, unravelled: y = x + f1[x] + f2[x + f1[x]] + …, and the terms of their derivatives.

After Prince, Understanding Deep Learning, 2023, equations 11.5 and 11.6. A function is never distributed over a sum,
since none of them is linear: what is unravelled are the values that functions are applied to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, count, groupby, islice, pairwise, takewhile
from operator import itemgetter
from typing import Any

from archspec.errors import ArchspecError, suggest
from archspec.wording import tell_count, write_count
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.paths.skeleton import Skeleton, SkeletonValue, find_skeleton
from compiler.graph import Graph

MAX_UNASKED_PATHS = 16
"""The largest number of paths of an expression that is written out without being asked to: those of four residual
blocks."""
MAX_PATHS = 1024
"""The largest number of paths of an expression that is written out at all: those of ten residual blocks."""
MAX_LISTED_PATHS = 128
"""The largest number of paths to all outputs that are each named."""
MAX_SYMBOLS_PER_PATH = 8
"""The largest number of functions and values, for each path that may be written out."""
MAX_FACTORS = 8
"""The largest number of factors of a derivative's term that is written out without being asked to."""


@dataclass(frozen=True)
class OutputExpression:
    """One output unravelled. `value` is the last joint before it, which the text is of.

    terms: what the joint adds up or concatenates; paths: the ways to it through functions, each an occurrence of the
    first value; operation_paths: the ways to the output through operations, as `count_paths` counts them. There may be
    more of these, since what branches within a function is one way through it.
    """

    output: str
    value: str
    terms: int
    paths: int
    operation_paths: int
    text: str
    complete: bool
    ways: tuple[tuple[str, ...], ...] | None
    """Each path as the functions on it, in order; None where all outputs have more than `MAX_LISTED_PATHS`."""

    def to_dict(self) -> dict[str, Any]:
        ways = None if self.ways is None else [list(way) for way in self.ways]
        return {**vars(self), "ways": ways}


@dataclass(frozen=True)
class Derivative:
    """The derivative of a value with respect to a function's result: one term for each path between them."""

    value: str
    function: str
    terms: int
    text: str
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Unravelling:
    """A network as shared definitions, and its outputs unravelled."""

    name: str
    functions: Mapping[str, SkeletonValue]
    definitions: Mapping[str, str]
    expressions: tuple[OutputExpression, ...]
    derivatives: tuple[Derivative, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        functions = {
            name: {"from": list(call.operands), "to": call.id, "body": call.block}
            for name, call in self.functions.items()
        }
        result: dict[str, Any] = {"name": self.name, "functions": functions, "definitions": dict(self.definitions)}
        result["expressions"] = [expression.to_dict() for expression in self.expressions]
        if self.derivatives:
            result["derivatives"] = [derivative.to_dict() for derivative in self.derivatives]
        return result


def unravel(graph: Graph, *, full: bool = False, derivative: str | None = None) -> Unravelling:
    """Write a network's equations, each output unravelled, in full to four blocks and otherwise its first terms.

    With `full`, all terms. `derivative` is a function or the id of a residual or dense body with respect to whose
    result the outputs are derived. Raises ArchspecError where there is no such function, or too much to be written.
    """
    skeleton = find_skeleton(graph)
    writer = ExpressionWriter(skeleton)
    cores = {name: skeleton.core(name) for name in graph.outputs}
    counted = count_paths(graph, by_length=False).op
    levels = counted.by_output or dict.fromkeys(graph.outputs, counted)
    expressions = tuple(writer.express(name, core, full, levels[name].total) for name, core in cores.items())
    derivatives: tuple[Derivative, ...] = ()
    if derivative is not None:
        function = _find_function(skeleton, derivative)
        derivatives = tuple(writer.derive(core, function, full) for core in dict.fromkeys(cores.values()))
    return Unravelling(graph.name, skeleton.functions, writer.definitions, expressions, derivatives)


def _find_function(skeleton: Skeleton, word: str) -> SkeletonValue:
    name = skeleton.blocks.get(word, word)
    if name in skeleton.functions:
        return skeleton.functions[name]
    first = ", ".join(list(skeleton.functions)[:8]) or "none"
    near = suggest(word, skeleton.blocks) or f"; there are {first}{', …' if len(skeleton.functions) > 8 else ''}"
    raise ArchspecError(f"{skeleton.name} has no function or block '{word}'{near}")


class ExpressionWriter:
    """A writer of the values of one skeleton: by name, or unravelled as far back as where its branching starts."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton, self.values = skeleton, skeleton.values
        self.names = choose_names(skeleton)
        self._places = {id: place for place, id in enumerate(self.values)}
        self._texts: dict[int, dict[str, str]] = {}
        self._all_paths = sum(skeleton.paths[skeleton.core(name)] for name in skeleton.outputs)

    @cached_property
    def definitions(self) -> dict[str, str]:
        """Write each named value by those before it."""
        texts = self._write(set(self.values) - self.names.keys())
        return {self.names[id]: texts[id] for id in self.names if self.values[id].kind != "input"}

    def express(self, output: str, core: str, full: bool, operation_paths: int) -> OutputExpression:
        """Unravel an output: all terms of its last joint where they are few or asked for, else the first ones."""
        paths, limit = self.skeleton.paths[core], MAX_PATHS if full else MAX_UNASKED_PATHS
        self._check(paths, f"paths to {output}", full)
        complete = self._fits(core, limit)
        if full and not complete:
            raise ArchspecError(f"the paths of {self.skeleton.name} are too long to be written in full")
        texts = self._write_short(limit)
        total, terms = self._count_terms(core), self._find_terms(core)
        shown = [*terms] if complete else self._choose_first(terms)
        parts = [self._say(id, texts, limit) for id in shown]
        rest = total - len(shown)
        text = self._join(core, [*parts, *([f"… ({tell_count(rest, 'more term')})"] if rest else [])])
        ways = tuple(list_ways(self.skeleton, core)) if self._all_paths <= MAX_LISTED_PATHS else None
        return OutputExpression(output, self.names[core], total, paths, operation_paths, text, complete, ways)

    def derive(self, core: str, function: SkeletonValue, full: bool) -> Derivative:
        """Derive a value with respect to a function's result, its terms grouped by the last function.

        Behind a concatenation a term fills the channels of its function, and is zero in the others.
        """
        start = function.id
        total = self.skeleton.count_ways({start})[core]
        self._check(total, f"paths from {function.function}", full)
        complete = full or total <= MAX_UNASKED_PATHS
        shown = total if complete else MAX_UNASKED_PATHS // 2
        paths = islice(self.skeleton.walk(core, {start}), shown)
        groups = [[self._differentiate(path, full) for path in group] for _, group in groupby(paths, key=itemgetter(0))]
        parts = [terms[0] if len(terms) == 1 else f"({' + '.join(terms)})" for terms in groups]
        text = " + ".join([*parts, *([] if complete else [f"… ({tell_count(total - shown, 'more term')})"])]) or "0"
        return Derivative(self.names[core], function.function, total, text, complete)

    def _differentiate(self, path: tuple[str, ...], full: bool) -> str:
        """Write ∂f3/∂f2 ∂f2/∂f1, from the ids of f3, f2 and f1; of many factors, unless in full, the first and the
        last."""
        names = [self.values[id].function for id in path]
        factors = [f"∂{after}/∂{before}" for after, before in pairwise(names)]
        if len(factors) > MAX_FACTORS and not full:
            factors[MAX_FACTORS // 2 : 1 - MAX_FACTORS // 2] = ["…"]
        return " ".join(factors) or "I"

    def _check(self, count: int, what: str, full: bool) -> None:
        if full and count > MAX_PATHS:
            raise ArchspecError(
                f"{self.skeleton.name} has {write_count(count)} {what}; at most {MAX_PATHS:,} are written in full: "
                "leave --full out, or take fewer blocks"
            )

    def _is_short(self, id: str, limit: int) -> bool:
        return id not in self.skeleton.starts and self.values[id].kind != "input" and self._fits(id, limit)

    def _fits(self, id: str, limit: int) -> bool:
        return self.skeleton.paths[id] <= limit and self.skeleton.symbols[id] <= MAX_SYMBOLS_PER_PATH * limit

    def _say(self, id: str, texts: Mapping[str, str], limit: int) -> str:
        """A term: a call is written even where it has a name, a long joint is named."""
        starting = id in self.skeleton.starts or self.values[id].kind == "input"
        named = starting or (self.values[id].kind != "call" and id in self.names and not self._is_short(id, limit))
        return self.names[id] if named else texts[id]

    def _write_short(self, limit: int) -> dict[str, str]:
        """Write every value's text, in which short operands are written out, the same for all outputs."""
        if limit not in self._texts:
            short = {id for id in self.values if id not in self.names or self._is_short(id, limit)}
            self._texts[limit] = self._write(short)
        return self._texts[limit]

    def _write(self, inlined: set[str]) -> dict[str, str]:
        """Write every value's text, in which operands are written out that are `inlined`, and the others by name."""
        bare: dict[str, list[str]] = {}
        texts: dict[str, str] = {}
        for id, value in self.values.items():
            bare[id] = []
            for operand in value.operands:
                if operand not in inlined:
                    bare[id].append(self.names[operand])
                elif value.kind != "call" and self.values[operand].kind == value.kind:
                    bare[id] += bare[operand]
                else:
                    bare[id].append(texts[operand])
            texts[id] = self._join(id, bare[id])
        return texts

    def _join(self, id: str, parts: list[str]) -> str:
        value = self.values[id]
        if value.kind in ("add", "input"):  # an output may be an input
            return " + ".join(parts)
        return f"{value.function or value.kind}[{', '.join(parts)}]"

    def _find_terms(self, core: str) -> Iterator[str]:
        """Find what a joint joins, with the terms of joints of its kind in their place."""
        waiting = [core]
        while waiting:
            id = waiting.pop()
            if self._is_opened(id, core):
                waiting += reversed(self.values[id].operands)
            else:
                yield id

    def _count_terms(self, core: str) -> int:
        """Count the terms: sums of a value with itself double their number each time."""
        opened, waiting = {core}, [core]
        while waiting:
            id = waiting.pop()
            news = {*self.values[id].operands} - opened if self._is_opened(id, core) else set()
            opened |= news
            waiting += news
        counts: dict[str, int] = {}
        for id in sorted(opened, key=self._places.__getitem__):
            counts[id] = sum(map(counts.__getitem__, self.values[id].operands)) if self._is_opened(id, core) else 1
        return counts[core]

    def _is_opened(self, id: str, core: str) -> bool:
        kind = self.values[core].kind
        if kind == "call":
            return id == core
        return kind != "input" and id not in self.skeleton.starts and self.values[id].kind == kind

    def _choose_first(self, found: Iterator[str]) -> list[str]:
        """Choose as many terms as have few paths, or four."""
        terms = [*islice(found, MAX_UNASKED_PATHS)]
        paths = accumulate(self.skeleton.paths[id] for id in terms)
        few = sum(1 for _ in takewhile(lambda count: count <= MAX_UNASKED_PATHS, paths))
        return terms[: max(few, 4)]


def list_ways(skeleton: Skeleton, core: str) -> Iterator[tuple[str, ...]]:
    """List each path to a value as the functions on it, in the order of the way."""
    for *calls, _ in skeleton.walk(core, skeleton.starts):
        yield tuple(skeleton.values[id].function for id in reversed(calls))


def choose_names(skeleton: Skeleton) -> dict[str, str]:
    """Choose names for inputs and starts, and for each value that is read more than once, is an output, or would be
    long without one.

    y1, y2, … are the results of blocks, as the book has them, and h1, h2, … other values; outputs keep their names.
    """
    names = {id: id for id, value in skeleton.values.items() if value.kind == "input"}
    names |= dict.fromkeys(skeleton.starts - names.keys(), "x0" if "x" in names else "x")
    ends: dict[str, str | None] = {id: name for name, id in skeleton.outputs.items()}
    taken, others = {*names.values(), *skeleton.outputs}, (f"h{i}" for i in count(1))
    ends |= {core: None for core in map(skeleton.core, skeleton.outputs) if core not in ends}
    lengths: dict[str, int] = {}
    for id, value in skeleton.values.items():
        inner = sum(1 if operand in names else lengths[operand] for operand in value.operands)
        lengths[id] = inner + (value.kind == "call")
        if id not in names and (skeleton.uses[id] > 1 or id in ends or lengths[id] > 2 * MAX_UNASKED_PATHS):
            name = _name_block(skeleton, value, names)
            if name is None or name in taken:
                name = ends.get(id) or next(word for word in others if word not in taken)
            names[id] = name
            taken.add(name)
    return names


def _name_block(skeleton: Skeleton, value: SkeletonValue, names: Mapping[str, str]) -> str | None:
    """The name of a block's result, or of a function of it alone."""
    while value.kind == "call" and len(value.operands) == 1 and value.operands[0] not in names:
        value = skeleton.values[value.operands[0]]
    function = skeleton.blocks.get(value.block or "")
    return f"y{function[1:]}" if function and value.kind != "call" else None
