"""Merges whose operands do not look at the same places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property

from compiler.analysis.field.axis_readings import Readings
from compiler.analysis.field.fields import Misalignment
from compiler.analysis.field.strands import View, list_inputs
from compiler.graph import Graph, Node


def find_misaligned(
    graph: Graph, readings: Mapping[str, Readings], views: Mapping[str, tuple[View, ...]]
) -> Iterator[Misalignment]:
    """Find the merges of a graph whose operands look at different places of an input."""
    coarsest = _CoarsestMaps(graph, views)
    for node in graph:
        met = _list_met(node, readings)
        operands = [operand for operand in met if any(view.strands for view in views[operand])]
        for input in list_inputs(views[node.id]) if len(operands) > 1 else ():
            told = [(operand, _find_places(views[operand][: node.shape.rank], input)) for operand in operands]
            told = [(operand, places) for operand, places in told if places]
            if len({places for _, places in told}) > 1:
                strides, centres = zip(*(zip(*places, strict=True) for _, places in told), strict=True)
                merged = tuple(operand for operand, _ in told)
                yield Misalignment(node.id, input, merged, strides, centres, coarsest.measure_grain(merged, input))


def _list_met(node: Node, readings: Mapping[str, Readings]) -> list[str]:
    """List the operands whose positions meet those of the others: one that is read whole may lie anywhere, as keys do
    that no position is compared with."""
    if len(node.data_inputs) < 2 or node.op.compares_places:
        return [*node.data_inputs]
    axes = readings[node.id].axes[: node.shape.rank]
    return [
        operand
        for position, operand in enumerate(node.data_inputs)
        if any(axis.turn[0][position] is not None for axis in axes)
    ]


def _find_places(views: Sequence[View], input: str) -> tuple[tuple[Fraction, Fraction], ...]:
    """Find, by axis, the jump and the centre with which an operand looks at an input; none where it looks at it
    nowhere."""
    looks = [
        next(((jump, strand.centre) for (seen, jump), strand in view.strands.items() if seen == input), None)
        for view in views
    ]
    return tuple(look for look in looks if look) if all(looks) else ()


class _CoarsestMaps:
    """The coarsest map on the ways from the inputs to each node."""

    def __init__(self, graph: Graph, views: Mapping[str, tuple[View, ...]]) -> None:
        self._graph, self._views = graph, views

    def measure_grain(self, operands: Sequence[str], input: str) -> Fraction:
        """Measure how far apart neighbours look on the coarsest map that some of these operands come from and others do
        not; 0 where there is none."""
        strides = {self._coarsest[operand].get(input, Fraction(0)) for operand in operands}
        return max(strides) if len(strides) > 1 else Fraction(0)

    @cached_property
    def _coarsest(self) -> Mapping[str, Mapping[str, Fraction]]:
        """The largest stride, along any axis, of a node and those before it, by input."""
        found: dict[str, dict[str, Fraction]] = {}
        for node in self._graph:
            own = [key for view in self._views[node.id] for key in view.strands]
            before = [item for operand in node.data_inputs for item in found[operand].items()]
            strides: dict[str, Fraction] = {}
            for input, stride in (*own, *before):
                strides[input] = max(stride, strides.get(input, stride))
            found[node.id] = strides
        return found
