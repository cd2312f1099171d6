"""The cost of a network: parameters, buffers, operations and the traffic of its values; per node, block and stage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, partial
from operator import mul
from typing import Any

from archspec.ops import Input, Shape, Weight
from archspec.ops.values import ONE
from archspec.precision import BYTES, FloatPrecision
from compiler.analysis.cost import conventions
from compiler.analysis.cost.node import NodeCost
from compiler.graph import Graph, Node
from compiler.scope_tree import scopes_around

RULES: Mapping[str, conventions.CountingRule] = {
    "conv-linear": conventions.count_macs,
    "conv-linear-bias": conventions.count_macs_and_biases,
    "flops": conventions.count_flops,
    "torchinfo": conventions.count_as_torchinfo,
    "fvcore": conventions.count_as_fvcore,
    "ptflops": conventions.count_as_ptflops,
    "ptflops-aten": conventions.count_as_ptflops_aten,
    "thop": conventions.count_as_thop,
}

CONVENTIONS = {  # what a multiply-accumulate is counted for
    "conv-linear": "with weights of convolutions and linear layers, no bias, one sample",
    "conv-linear-bias": "the same, and one for each addition of their bias",
    "flops": "two for each of conv-linear and products, as torch's FlopCounterMode counts",
    "torchinfo": "conv-linear-bias, and one for each parameter of normalization and PReLU",
    "fvcore": "conv-linear and products; for each number two in BatchNorm, five in other norms, one in means",
    "ptflops": "conv-linear-bias and products; for each number two in norms, activations and pooling (most twice)",
    "ptflops-aten": "conv-linear-bias and products of two values, as attention has them",
    "thop": "conv-linear; for each number four in norms, one in means",
}


@dataclass(frozen=True)
class Cost:
    """The cost of a network or a part of it, node by node; the totals are sums."""

    nodes: tuple[NodeCost, ...]

    @cached_property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(node.parameters for node in self.nodes)

    @cached_property
    def frozen(self) -> int:
        """The number of parameters that training does not change, and that are no statistics."""
        return sum(node.frozen for node in self.nodes)

    @cached_property
    def buffers(self) -> int:
        """The number of stored statistics: BatchNorm's running means and variances, not its counter."""
        return sum(node.buffers for node in self.nodes)

    @cached_property
    def macs(self) -> dict[str, int]:
        """The multiply-accumulates of one sample, in each of `CONVENTIONS`."""
        return {name: sum(map(rule, self.nodes)) for name, rule in RULES.items()}

    @cached_property
    def elementwise(self) -> int:
        """The operations on single numbers for one sample at inference, beside products with weights and their
        biases."""
        return sum(node.elementwise for node in self.nodes)

    @cached_property
    def operations(self) -> int:
        """The arithmetic operations for one sample at inference: two for each multiply-accumulate, the biases, the
        elementwise."""
        return sum(2 * (node.macs + node.products) + node.bias_adds + node.elementwise for node in self.nodes)

    @cached_property
    def activations(self) -> int:
        """The number of elements in the results of all operations for one sample; inputs are not counted."""
        return sum(node.shape.elements for node in self._computed)

    @cached_property
    def largest(self) -> NodeCost:
        """The operation with the largest result."""
        return max(self._computed or self.nodes, key=lambda node: node.shape.elements)

    @property
    def _computed(self) -> list[NodeCost]:
        return [node for node in self.nodes if node.kind != Input.kind]

    @cached_property
    def blocks(self) -> Mapping[str, Cost]:
        """The cost of each residual or dense body, by its name; nodes in none are left out."""
        return {name: cost for name, cost in _group(self.nodes, "block") if name is not None}

    @cached_property
    def stages(self) -> tuple[Cost, ...]:
        """The costs of runs of nodes whose maps lie equally dense over the input, in the graph's order: one from each
        stride to the next. A body counts where its merge lies; gates that leave the map for a while belong to the run
        around them, and all that follows the last map is one run."""
        return tuple(cost for _, cost in _group(self.nodes, "stage"))

    @property
    def space(self) -> tuple[int, ...]:
        """The extents of the last map."""
        return next((node.shape.space for node in reversed(self.nodes) if node.shape.rank), ())

    def moved(self, *, batch: int = 1, precision: FloatPrecision = "fp32") -> int:
        """Count the bytes between memory and processor if each operation reads its operands and weights once, writes
        its result once, and keeps nothing for the next: for a whole batch, the weights once."""
        stored = self.parameters + self.frozen + self.buffers
        values = sum(node.read + node.written for node in self.nodes)
        return BYTES[precision] * (stored + batch * values)

    def intensity(self, *, batch: int = 1, precision: FloatPrecision = "fp32") -> float:
        """Give the arithmetic intensity: `operations` for each byte that is `moved`."""
        moved = self.moved(batch=batch, precision=precision)
        return batch * self.operations / moved if moved else 0.0

    def summarize(self) -> dict[str, Any]:
        """List the numbers of a part by their keys in `to_dict()`."""
        return {
            "nodes": len(self.nodes),
            "parameters": self.parameters,
            "macs": self.macs["conv-linear"],
            "elementwise": self.elementwise,
            "operations": self.operations,
            "bytes_moved": self.moved(),
            "intensity": self.intensity(),
        }

    def to_dict(self) -> dict[str, Any]:
        macs = {"total": self.macs["conv-linear"], "convention": "conv-linear", "conventions": self.macs}
        largest = {"node": self.largest.id, "shape": list(self.largest.shape), "elements": self.largest.shape.elements}
        return {
            "parameters": {"trainable": self.parameters, "frozen": self.frozen, "buffers": self.buffers},
            "macs": macs,
            "activations": {"elements": self.activations, "largest": largest},
            "operations": {
                "total": self.operations,
                "elementwise": self.elementwise,
                "bytes_moved": self.moved(),
                "intensity": self.intensity(),
                "convention": "one sample at inference, fp32, each operation by itself",
            },
            "stages": [{"space": list(stage.space), **stage.summarize()} for stage in self.stages],
            "blocks": [{"block": name, **block.summarize()} for name, block in self.blocks.items()],
        }


def measure_cost(graph: Graph) -> Cost:
    """Count what every operation stores, computes and moves, at the graph's sizes and for one sample."""
    bodies = {node.body: node.id for node in graph if node.body is not None}
    scopes = {body for body, merge in bodies.items() if body != merge}
    find_around = cache(partial(_find_scope_around, scopes=scopes))  # nodes of one scope share what is around it
    blocks = {node.id: node.body or find_around(node.id.rpartition(".")[0]) for node in graph}
    stages = _number_stages(graph, {id: bodies[block] for id, block in blocks.items() if block is not None})
    # repeated blocks share operations
    known: dict[tuple[int, tuple[Shape, ...], int, bool], Callable[..., NodeCost]] = {}
    rows = []
    for node in graph:
        shapes = graph.operands(node)
        key = id(node.op), shapes, id(node.stored), graph.holds(node)
        if key not in known:
            known[key] = _measure(node, shapes, graph.stored_by(node).values(), key[-1])
        rows.append(known[key](id=node.id, block=blocks[node.id], stage=stages[node.id]))
    return Cost(tuple(rows))


def _measure(
    node: Node, shapes: tuple[Shape, ...], weights: Collection[Weight], holds: bool
) -> Callable[..., NodeCost]:
    """The costs of all nodes with this operation, operands of these shapes and these weights, wherever they lie;
    `holds` says whether the weights count for them."""
    view = not shapes or node.op.is_view(*shapes, training=False)
    learned = sum([weight.numel for weight in weights if weight.trainable])
    return partial(
        NodeCost,
        kind=node.op.kind,
        shape=node.shape,
        parameters=learned if holds else 0,
        shared=0 if holds else learned,
        frozen=sum([weight.numel for weight in weights if holds and not (weight.trainable or weight.buffer)]),
        buffers=sum([weight.numel for weight in weights if holds and weight.buffer]),
        macs=node.op.macs(*shapes),
        products=node.op.products(*shapes),
        bias_adds=node.op.bias_adds(*shapes),
        elementwise=node.op.elementwise(*shapes),
        read=0 if view else sum([shape.elements for shape in shapes[: node.op.data_inputs]]),
        written=0 if view else node.shape.elements,
    )


def _group(nodes: tuple[NodeCost, ...], key: str) -> Iterator[tuple[Any, Cost]]:
    """The costs of the nodes that agree in a field, in the order in which its values first occur."""
    groups: dict[Any, list[NodeCost]] = {}
    for node in nodes:
        groups.setdefault(getattr(node, key), []).append(node)
    return ((value, Cost(tuple(group))) for value, group in groups.items())


def _find_scope_around(scope: str, scopes: Collection[str]) -> str | None:
    """The innermost of some scopes that this one is, or lies in."""
    return next((around for around in (scope, *scopes_around(scope)) if around in scopes), None)


def _number_stages(graph: Graph, merges: Mapping[str, str]) -> dict[str, int]:
    """The number of each node's stage; `merges` are those that end the bodies around nodes."""
    own = _find_strides(graph)
    strides = {id: own[merges.get(id, id)] for id in graph.nodes}
    last = next((node.id for node in reversed(list(graph)) if node.inputs and strides[node.id]), None)
    numbers: dict[str, int] = {}
    number, stride = 0, None
    for node in graph:
        found = strides[node.id] if node.inputs else None
        if found and found != stride:
            number, stride = number + (stride is not None), found
        numbers[node.id] = number
        number += node.id == last  # what follows has no place in a map
    return numbers


def _find_strides(graph: Graph) -> dict[str, tuple[Fraction, ...]]:
    """Find, by axis, how many input positions lie between two neighbours of a node's map; none where it has no
    place."""
    strides: dict[str, tuple[Fraction, ...]] = {}
    known: dict[tuple[int, tuple[Shape, ...]], tuple[tuple[int, ...], tuple[Fraction, ...]]] = {}
    for node in graph:
        rank = node.shape.rank
        if not node.inputs and isinstance(node.op, Input):
            strides[node.id] = (ONE,) * rank
            continue
        key = id(node.op), graph.operands(node)
        if key not in known:
            known[key] = _find_paces(node, key[1])
        placed, fractions = known[key]
        before = next((strides[node.inputs[i]] for i in placed if strides[node.inputs[i]]), ())
        even = len(before) == rank and not fractions
        strides[node.id] = before if even else tuple(map(mul, before, fractions or (ONE,) * rank))
    return strides


def _find_paces(node: Node, shapes: tuple[Shape, ...]) -> tuple[tuple[int, ...], tuple[Fraction, ...]]:
    """Find which operands' maps the result has a place in, and its fractions by axis; none where all are one."""
    rank = node.shape.rank
    runs = node.op.input_span(0, (0, 0), *shapes) if rank else ()
    placed = tuple(i for i, (_, run) in enumerate(zip(node.data_inputs, runs, strict=False)) if run is not None)
    fractions = tuple(node.op.pace(axis, *shapes) for axis in range(rank))
    return placed, () if all(fraction is ONE for fraction in fractions) else fractions
