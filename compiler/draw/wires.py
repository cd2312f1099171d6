"""Wires from box to box: inside each block by itself, between its children and its own edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.draw.blocks import PictureBlock
from compiler.graph import Graph

EDGE = ""
"""The id that stands for the block's own upper edge as a source, and for its lower one as a target."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A way from a child to a child, by their ids, or EDGE. `net` is the box whose result it carries; without `signal`
    only the extents of that are read. `times` says how often one node reads it, as the sum x + x does twice."""

    source: str
    target: str
    net: str
    signal: bool = True
    times: int = 1


@dataclass
class Inside:
    """The wires inside one block, each once, and the nets that come in through its upper edge and leave through its
    lower one, in order."""

    wires: dict[tuple[str, str, str], Wire] = field(default_factory=dict)
    entries: dict[str, None] = field(default_factory=dict)
    exits: dict[str, None] = field(default_factory=dict)

    def add(self, wire: Wire) -> None:
        key = (wire.source, wire.target, wire.net)
        before = self.wires.get(key, wire)
        self.wires[key] = replace(wire, signal=before.signal or wire.signal, times=max(before.times, wire.times))


def connect(graph: Graph, whole: PictureBlock) -> Mapping[str, Inside]:
    """Find the wires from box to box in each block that has children, by its id.

    What leads from one turn of a folded block to the next is left out: that it says ×N means it.
    """
    inside = {block.id: Inside() for block in (whole, *(block for _, block in whole.walk())) if block.children}
    ways = dict(_find_ways(whole, (whole.id,)))
    home, turns = _find_homes(whole)
    for source, target, signal, times in _list_edges(graph, whole, home, turns):
        _lay(inside, ways[source], ways[target], signal, times)
    return inside


def _find_ways(block: PictureBlock, way: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Find for each operation's box the ids of the blocks around it, from the outside, and its own."""
    for child in block.children:
        if child.children:
            yield from _find_ways(child, (*way, child.id))
        else:
            yield child.id, (*way, child.id)


def _find_homes(whole: PictureBlock) -> tuple[dict[str, str], dict[str, list[tuple[str, int]]]]:
    """Find for each node its box, and in which turn of each folded block it is."""
    home: dict[str, str] = {}
    turns: dict[str, list[tuple[str, int]]] = {}
    for _, block in whole.walk():
        if not block.children:
            home |= dict.fromkeys(block.nodes, block.id)
        if block.times > 1:
            for number, turn in enumerate(block.turns):
                for id in turn:
                    turns.setdefault(id, []).append((block.id, number))
    return home, turns


def _list_edges(
    graph: Graph, whole: PictureBlock, home: Mapping[str, str], turns: Mapping[str, list[tuple[str, int]]]
) -> Iterator[tuple[str, str, bool, int]]:
    """List the edges from box to box, whether signal is carried, and how often one node reads it."""
    for node in graph:
        here = dict(turns.get(node.id, ()))
        reads = Counter((operand, position < len(node.data_inputs)) for position, operand in enumerate(node.inputs))
        for (operand, signal), times in reads.items():
            again = any(here.get(fold, turn) != turn for fold, turn in turns.get(operand, ()))
            if home[operand] != home[node.id] and not again:
                yield home[operand], home[node.id], signal, times
    for block in whole.children:
        if block.output is not None:
            yield home[graph.outputs[block.output]], block.id, True, 1


def _lay(
    inside: Mapping[str, Inside], source: tuple[str, ...], target: tuple[str, ...], signal: bool, times: int
) -> None:
    """Lay one wire through all blocks that it passes: out of those around its source, then into those around its
    target. Only its last part is there several `times`."""
    net = source[-1]
    common = next(level for level, pair in enumerate(zip(source, target, strict=False)) if pair[0] != pair[1])
    for outer, inner in zip(source[common:], source[common + 1 :], strict=False):
        inside[outer].add(Wire(inner, EDGE, net, signal))
        inside[outer].exits[net] = None
    last = target[-1]
    inside[source[common - 1]].add(
        Wire(source[common], target[common], net, signal, times if target[common] == last else 1)
    )
    for outer, inner in zip(target[common:], target[common + 1 :], strict=False):
        inside[outer].entries[net] = None
        inside[outer].add(Wire(EDGE, inner, net, signal, times if inner == last else 1))
