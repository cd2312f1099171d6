"""A network as functions and the sums and concatenations that join them: what unravelling works on.

The body of a residual or dense block is one function f, of the value where the block's ways part, and its projection is
one function p. What lies between, in a row or behind a product, is a function g (f, where a network has no such
blocks). So only sums, means and concatenations remain as joints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from archspec.ops import Input
from compiler.dominators import find_dominators
from compiler.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class SkeletonValue:
    """A value of the skeleton, `id` its node in the graph. kind: `input`, `call` or a joint's (`add`, `concat`, …).

    A call has the name of its function; `operands` are ids of values. `block` is the body that a call stands for, or
    that a joint adds.
    """

    id: str
    kind: str
    operands: tuple[str, ...] = ()
    function: str = ""
    block: str | None = None


@dataclass(frozen=True)
class Skeleton:
    """Values in topological order; `outputs` as in the graph."""

    name: str
    values: Mapping[str, SkeletonValue]
    outputs: Mapping[str, str]

    @cached_property
    def uses(self) -> Counter[str]:
        """The number of times that each value is an operand."""
        return Counter(operand for value in self.values.values() for operand in value.operands)

    @cached_property
    def starts(self) -> frozenset[str]:
        """The values at which unravelling ends: the one that all branching starts from, or else the inputs."""
        inputs = [id for id, value in self.values.items() if value.kind == "input"]
        if len(inputs) != 1:
            return frozenset(inputs)
        readers = {operand: id for id, value in self.values.items() for operand in value.operands}
        start, ends = inputs[0], set(self.outputs.values())
        while self.uses[start] == 1 and self.values[readers[start]].kind == "call" and readers[start] not in ends:
            start = readers[start]
        return frozenset({start})

    @cached_property
    def paths(self) -> dict[str, int]:
        """The number of paths from the starts to each value after them."""
        return self.count_ways(self.starts)

    @cached_property
    def symbols(self) -> dict[str, int]:
        """The number of functions and starts that each value has when it is written out to the starts."""
        symbols: dict[str, int] = {}
        for id, value in self.values.items():
            inner = sum(symbols[operand] for operand in value.operands)
            symbols[id] = 1 if id in self.starts or not value.operands else inner + (value.kind == "call")
        return symbols

    def count_ways(self, starts: Collection[str]) -> dict[str, int]:
        """Count the paths to each value that do not pass another start."""
        ways: dict[str, int] = {}
        for id, value in self.values.items():
            ways[id] = 1 if id in starts else sum(ways[operand] for operand in value.operands)
        return ways

    def find_sources(self, id: str) -> Iterator[str]:
        """Find the calls and starts whose values a value adds up or concatenates, in order; a call is its own
        source."""
        waiting = [id]
        while waiting:
            id = waiting.pop()
            value = self.values[id]
            if id in self.starts or value.kind == "call":
                yield id
            else:
                waiting += reversed(value.operands)

    def walk(self, end: str, starts: Collection[str]) -> Iterator[tuple[str, ...]]:
        """Give every path from `end` back to one of the starts: the ids of its calls, and last the start's."""
        ways = self.paths if starts is self.starts else self.count_ways(starts)
        path: list[str] = []
        open_ = [self.find_sources(end)]
        while open_:
            id = next(open_[-1], None)
            if id is None:
                open_.pop()
                path = path[:-1]
            elif id in starts:
                yield (*path, id)
            elif ways[id]:
                path.append(id)
                open_.append(source for operand in self.values[id].operands for source in self.find_sources(operand))

    @cached_property
    def functions(self) -> dict[str, SkeletonValue]:
        """The calls by their function's name."""
        return {value.function: value for value in self.values.values() if value.kind == "call"}

    @cached_property
    def blocks(self) -> dict[str, str]:
        """The function of each residual or dense body, by the body's id."""
        return {value.block: name for name, value in self.functions.items() if value.block and name[0] == "f"}

    def core(self, output: str) -> str:
        """The last joint before an output, behind which only functions of one value follow; else the output's value."""
        id = end = self.outputs[output]
        while self.values[id].kind == "call" and len(self.values[id].operands) == 1:
            id = self.values[id].operands[0]
        return end if self.values[id].kind == "input" else id


def find_skeleton(graph: Graph) -> Skeleton:
    """Find the functions and joints of a graph."""
    reduction = _Reduction(graph)
    for id in graph.outputs.values():
        reduction.follow(id)
    order = {id: i for i, id in enumerate(graph.nodes)}
    values = sorted(reduction.values.values(), key=lambda value: order[value.id])
    return Skeleton(graph.name, {value.id: value for value in _name_functions(values)}, graph.outputs)


class _Reduction:
    """The values that are needed so far, from the outputs back."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.dominators = graph, find_dominators(graph)
        self.values: dict[str, SkeletonValue] = {}
        self.ends = _find_forks(graph) | set(graph.outputs.values())

    def follow(self, id: str) -> None:
        waiting = [id]
        while waiting:
            id = waiting.pop()
            if id not in self.values:
                for value in self.reduce(self.graph[id]):
                    self.values.setdefault(value.id, value)
                    waiting += value.operands

    def reduce(self, node: Node) -> list[SkeletonValue]:
        """The value of a node, and those that come with it."""
        fork = self.dominators[node.id]
        if isinstance(node.op, Input):
            return [SkeletonValue(node.id, "input")]
        if node.body is not None and fork is not None:
            return self.reduce_block(node, fork)
        if _joins(node):
            return [SkeletonValue(node.id, node.op.kind, node.data_inputs)]
        return [SkeletonValue(node.id, "call", self.find_arguments(node), "g")]

    def reduce_block(self, node: Node, fork: str) -> list[SkeletonValue]:
        shortcut, body = node.inputs
        calls = [SkeletonValue(id, "call", (fork,), name, node.body) for id, name in ((shortcut, "p"), (body, "f"))]
        return [SkeletonValue(node.id, node.op.kind, node.inputs, block=node.body), *(c for c in calls if c.id != fork)]

    def find_arguments(self, node: Node) -> tuple[str, ...]:
        """The values that a function ending in this node starts from: one, unless inputs come together in it."""
        while True:
            before = node.data_inputs if len(node.data_inputs) == 1 else (self.dominators[node.id],)
            if before[0] is None:
                return node.data_inputs
            node = self.graph[before[0]]
            if node.id in self.ends or _joins(node) or isinstance(node.op, Input):
                return (node.id,)


def _find_forks(graph: Graph) -> set[str]:
    """The nodes that several operands on the way to an output are."""
    wanted = set(graph.outputs.values())
    readers: Counter[str] = Counter()
    for node in reversed(list(graph)):
        if node.id in wanted:
            wanted.update(node.data_inputs)
            readers.update(node.data_inputs)
    return {id for id, count in readers.items() if count > 1}


def _joins(node: Node) -> bool:
    return node.op.joins and len(node.data_inputs) > 1


def _name_functions(values: list[SkeletonValue]) -> list[SkeletonValue]:
    """Number the functions: f and p by their block, g in their own order; f for all where there are no blocks."""
    blocks = {value.block: i for i, value in enumerate((v for v in values if v.function == "f"), start=1)}
    numbered, others = [], 0
    for value in values:
        if value.function == "g":
            others += 1
            value = replace(value, function=f"{'g' if blocks else 'f'}{others}")
        elif value.function:
            value = replace(value, function=f"{value.function}{blocks[value.block]}")
        numbered.append(value)
    return numbered
