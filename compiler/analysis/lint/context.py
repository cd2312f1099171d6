"""The context of rules: a graph, its spec where it has one, and what several rules ask of them, answered once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Any

from archspec.ops import Add, Bounds, Op
from archspec.spec.blocks import Block
from archspec.spec.spec import Spec
from compiler.analysis.analysis_cache import AnalysisCache
from compiler.analysis.field.receptive_field import ReceptiveField
from compiler.analysis.lint.names import reach_blocks
from compiler.analysis.signal.signal import Signal
from compiler.graph import Graph, Node
from compiler.value_bounds import find_bounds


@dataclass(frozen=True)
class ResidualBranches:
    """The two ways around a residual block, from the `fork` to the sum `add`: the nodes that are on one of them alone,
    each in topological order."""

    add: Node
    fork: Node
    shortcut: tuple[Node, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True)
class LintContext:
    """A graph to be looked over, and its spec where it came from one."""

    analyses: AnalysisCache
    spec: Spec | None = None

    @property
    def graph(self) -> Graph:
        return self.analyses.graph

    @property
    def receptive_field(self) -> ReceptiveField:
        return self.analyses.receptive_field

    @property
    def signal(self) -> Signal:
        return self.analyses.signal

    @cached_property
    def ends(self) -> frozenset[str]:
        """The nodes that compute an output."""
        return frozenset(self.graph.outputs.values())

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The spec, where there is one."""
        return (self.spec,) if self.spec else ()

    @cached_property
    def blocks(self) -> Mapping[str, Block]:
        """The blocks that the network reaches."""
        return {name: block for spec in self.specs for name, block in reach_blocks(spec.network, spec.blocks).items()}

    @cached_property
    def bodies(self) -> tuple[Any, ...]:
        """The network as written, and the bodies of the blocks that it reaches."""
        return (*(spec.network for spec in self.specs), *(block.body for block in self.blocks.values()))

    @cached_property
    def residuals(self) -> tuple[ResidualBranches, ...]:
        """The residual blocks of which both ways start from one node."""
        order = {id: i for i, id in enumerate(self.graph.nodes)}
        blocks = (node for node in self.graph if isinstance(node.op, Add) and node.body is not None)
        ways = (_find_ways(self.graph, order, block) for block in blocks)
        return tuple(way for way in ways if way is not None)

    @cached_property
    def bounds(self) -> Mapping[str, Bounds]:
        """The bounds of the values of each node, whatever the input and the weights."""
        return find_bounds(self.graph)

    @cached_property
    def live(self) -> frozenset[str]:
        """The nodes that some output depends on."""
        found = set(self.ends)
        for node in reversed(list(self.graph)):
            if node.id in found:
                found.update(node.inputs)
        return frozenset(found)

    @cached_property
    def macs(self) -> Mapping[str, int]:
        """The multiply-accumulates of each node that has some, for one sample."""
        return {node.id: node.macs for node in self.analyses.cost.nodes if node.macs}

    @cached_property
    def total(self) -> int:
        """The multiply-accumulates of the network, or 1 where it has none."""
        return sum(self.macs.values()) or 1

    @cached_property
    def last_kernels(self) -> frozenset[str]:
        """The kernels from which a way leads to an output past no other: their channels are what is asked for."""
        pending, seen = list(self.ends), set(self.ends)
        found = set()
        while pending:
            node = self.graph[pending.pop()]
            if node.op.has_kernel:
                found.add(node.id)
                continue
            pending += [operand for operand in node.data_inputs if operand not in seen]
            seen.update(node.data_inputs)
        return frozenset(found)

    def operand(self, node: Node) -> Node:
        """Give the node that computes a node's first operand."""
        return self.graph[node.inputs[0]]

    def readers(self, node: Node) -> tuple[Op, ...]:
        """List the operations that read a node's result; none where it is an output."""
        return self._readers[node.id]

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Op, ...]]:
        readers = self.graph.readers.items()
        return {id: () if id in self.ends else tuple(self.graph[reader].op for reader in ids) for id, ids in readers}

    def count_parameters(self, nodes: Iterable[Node]) -> int:
        """Count the parameters that these nodes have, and no others."""
        ids = {node.id for node in nodes}
        own = [self.graph[id] for id in ids if ids.issuperset(self.graph.users[self.graph[id].home])]
        weights = {name: weight for node in own for name, weight in self.graph.weights_of(node).items()}
        return sum(weight.numel for weight in weights.values() if weight.trainable)


def _find_ways(graph: Graph, order: Mapping[str, int], add: Node) -> ResidualBranches | None:
    """Walk back from both operands, the latest node first, until one node is left: all ways lead through it."""
    shortcut, body = add.inputs[0], add.inputs[-1]
    sides = {body: 2}
    sides[shortcut] = sides.get(shortcut, 0) | 1
    pending = [(-order[id], id) for id in sides]
    heapify(pending)
    alone: dict[int, list[Node]] = {1: [], 2: [], 3: []}
    while pending:
        node = graph[heappop(pending)[1]]
        if not pending:
            fits = sides[node.id] == 3
            return ResidualBranches(add, node, tuple(reversed(alone[1])), tuple(reversed(alone[2]))) if fits else None
        alone[sides[node.id]].append(node)
        for operand in node.data_inputs:
            if operand not in sides:
                heappush(pending, (-order[operand], operand))
            sides[operand] = sides.get(operand, 0) | sides[node.id]
    return None
