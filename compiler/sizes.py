"""Which values of its dynamic sizes a graph accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from operator import sub

from archspec.ops import ConvTranspose, Flatten, OpError, PadSpace, Shape, Upsample, Window
from archspec.ops.base import LARGEST
from archspec.ops.resize import Centred, GlobalPool
from compiler.graph import Graph, Inferred

MAX_EFFORT = 1_000_000
"""Shapes to look at, of nodes and of their operands: in the search for the smallest step, beyond which the step is the
period, which always fits; and in that for paddings that do nothing, beyond which they stay."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The values of one dynamic size, the densest row of them through `value`: first, first + step, …

    `step` is 0 where there is no such row: where the weights fit `value` alone, or at most what a stride rounds to it.
    """

    value: int
    first: int
    step: int

    @property
    def dynamic(self) -> bool:
        return self.step > 0

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int):
            return False
        return size == self.value if not self.dynamic else size >= self.first and (size - self.first) % self.step == 0

    def __str__(self) -> str:
        if not self.dynamic:
            return f"{self.value} alone"
        return f"any from {self.first}" if self.step == 1 else f"{self.first} + {self.step}·k"

    def nearest(self, size: int) -> int:
        """The accepted value nearest to `size`, the larger of two."""
        if not self.dynamic:
            return self.value
        below = max(self.first, size - (size - self.first) % self.step)
        return min((below + self.step, below), key=lambda fit: abs(fit - size))

    def to_dict(self) -> dict[str, int]:
        return {"value": self.value, **({"first": self.first, "step": self.step} if self.dynamic else {})}


def accepted_sizes(graph: Graph, *, keep_weights: bool = True) -> dict[str, Accepted]:
    """For each dynamic size the values that fit the graph, the other sizes as they are.

    With `keep_weights` they fit the shapes of its weights too, as they must once these are trained.
    """
    period = _period(graph) if graph.sizes else 1
    known: Inferred = {}

    def fit(sizes: Mapping[str, int]) -> bool:
        return fits(graph, sizes, keep_weights=keep_weights, known=known)

    shortest = 1 if period * _effort(graph) <= MAX_EFFORT else period
    return {name: _accepted(fit, name, value, period, shortest) for name, value in graph.sizes.items()}


def fits(graph: Graph, sizes: Mapping[str, int], *, keep_weights: bool = True, known: Inferred | None = None) -> bool:
    """Whether the graph can be evaluated at other sizes, with the weights it has or with any; `known` as in `infer`."""
    try:
        shapes = graph.infer(sizes, known)
    except OpError:
        return False
    if not keep_weights:
        return True
    # Weights depend on channels alone, and channels on sizes only behind a `flatten`.
    pairs = zip(graph, shapes.values(), strict=True)
    changed = {node.id for node, shape in pairs if shape is not node.shape and shape.channels != node.shape.channels}
    readers = {reader for id in changed for reader in graph.readers[id]}
    return all(
        graph[id].op.weights(*(shapes[operand] for operand in graph[id].inputs))
        == graph[id].op.weights(*graph.operands(graph[id]))
        for id in readers
    )


def sample_shapes(
    graph: Graph, accepted: Mapping[str, Accepted]
) -> tuple[list[dict[str, int]], list[dict[str, Shape]], bool]:
    """The shapes of all nodes at some of the accepted sizes, with these, and whether what is equal at them is so at all
    sizes: at the graph's own, with each size a period further by itself, and in one period of all at once.

    Extents grow by the same steps with each period, so one period of sizes tells of all, but for what `find_apart`
    finds. It is left out, and it is known of what differs alone that it does, where that is too much to look at or
    sizes only fit one by one.
    """
    rules = {name: rule for name, rule in accepted.items() if rule.dynamic}
    # A node that was left out may have asked for a longer step than what remains.
    period = lcm(_period(graph), *(rule.step for rule in rules.values())) if rules else 0
    turns = max((period // rule.step for rule in rules.values()), default=0)
    alone = [{}, *({name: rule.value + period} for name, rule in rules.items())]
    together = [{name: rule.value + turn * rule.step for name, rule in rules.items()} for turn in range(1, turns + 1)]
    known: Inferred = {}
    shapes = [graph.infer(sizes, known) for sizes in alone]
    if period * _effort(graph) > MAX_EFFORT:
        return alone, shapes, False
    try:
        return alone + together, shapes + [graph.infer(sizes, known) for sizes in together], True
    except OpError:
        return alone, shapes, False


def drop_idle_pads(graph: Graph) -> Graph:
    """Leave out the paddings to a common size that do nothing at any size."""
    idle = find_idle(graph, PadSpace)
    renamed = {id: graph[id].inputs[0] for id in idle}
    return graph.with_nodes((node for node in graph if node.id not in idle), renamed) if idle else graph


def find_idle(graph: Graph, kind: type[Centred]) -> set[str]:
    """The paddings to a common size, or crops, that do nothing at any size.

    Extents grow by the same steps with each period. So one period of sizes tells of all where the operands grow alike,
    and elsewhere one of them falls behind at some size. The sizes are moved one by one, and all at once, which may be
    the only way that fits.
    """
    idle = {node.id for node in graph if isinstance(node.op, kind) and node.shape == graph.operands(node)[0]}
    period = _period(graph) if idle and graph.sizes else 0
    if period * _effort(graph) * (len(graph.sizes) + 1) > MAX_EFFORT:
        return set()
    for names in ([*graph.sizes], *([name] for name in graph.sizes)) if idle else ():
        for more in range(1, period + 1):
            try:
                shapes = graph.infer({name: graph.sizes[name] + more for name in names})
            except OpError:
                continue
            idle = {id for id in idle if shapes[id] == shapes[graph[id].inputs[0]]}
            if more == period:
                idle = {id for id in idle if _grow_alike(graph, shapes, id)}
    return idle


def find_apart(graph: Graph, shapes: Sequence[Mapping[str, Shape]]) -> dict[str, frozenset[int]]:
    """For each node the axes along which a padding or crop to a common size decides whose operands grow apart: at sizes
    that nobody looked at another of them may be the smallest or the largest.

    `shapes` are those of all nodes at the graph's own sizes, and with each size a period further by itself.
    """
    own, *others = shapes
    apart: dict[str, frozenset[int]] = {}
    for node in graph:
        axes = frozenset[int]().union(*(apart[operand] for operand in node.inputs))
        if isinstance(node.op, GlobalPool):
            axes = frozenset()
        elif isinstance(node.op, Flatten) and axes:
            axes = frozenset({0})
        elif isinstance(node.op, Centred):
            axes |= {
                axis
                for axis in range(1, len(node.shape))
                if any(len({found[id][axis] - own[id][axis] for id in node.inputs}) > 1 for found in others)
            }
        apart[node.id] = axes
    return apart


def _grow_alike(graph: Graph, shapes: Mapping[str, Shape], id: str) -> bool:
    """Whether these shapes of a node's operands differ from the graph's own by the same along each axis."""
    return len({tuple(map(sub, shapes[other].space, graph[other].shape.space)) for other in graph[id].inputs}) == 1


def _effort(graph: Graph) -> int:
    """How many shapes are looked at when those of all nodes are inferred."""
    return sum(1 + len(node.inputs) for node in graph)


def _period(graph: Graph) -> int:
    """A common multiple of the strides, in pixels of the input, at which the values of the graph are sampled.

    Enlarging the input by it enlarges every extent by a whole number, so what fits repeats with it.
    """
    jumps: dict[str, Fraction] = {}
    for node in graph:
        jump = max((jumps[operand] for operand in node.inputs), default=Fraction(1))
        window = getattr(node.op, "window", None)
        if isinstance(node.op, GlobalPool):  # its extents are 1 at every size
            jump = Fraction(1)
        elif isinstance(node.op, Upsample):
            jump /= node.op.scale
        elif isinstance(node.op, ConvTranspose):
            jump /= node.op.stride
        elif isinstance(window, Window):
            jump *= window.stride
        jumps[node.id] = jump
    return lcm(*(jump.numerator for jump in jumps.values()))


def _accepted(fits: Callable[[Mapping[str, int]], bool], name: str, value: int, period: int, shortest: int) -> Accepted:
    def fit(size: int) -> bool:
        return fits({name: size})

    if period > LARGEST or not (fit(value + period) and fit(value + 2 * period)):
        return Accepted(value, value, 0)
    divisors = (step for step in range(shortest, period + 1) if period % step == 0)
    step = next(step for step in divisors if all(fit(value + k) for k in range(step, period + 1, step)))
    # What is too small stays too small: bisect for the smallest.
    turns = _last(lambda k: fit(value - k * step), (value - 1) // step)
    return Accepted(value, value - turns * step, step)


def _last(holds: Callable[[int], bool], limit: int) -> int:
    """The largest k up to `limit` for which `holds`, given that it holds at 0 and, once false, stays so."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
