"""How large values and gradients are at initialization: mean and second moment at every node, without running anything.

The network is in training mode, its inputs are independent standard normal numbers, and so are the gradients with
respect to its outputs. Moments are taken over samples and over the draws of the weights, and layers are so wide that a
sum is normal (He et al., 2015; Poole et al., 2016). Going back, a gradient is taken as independent of the values that
it meets (Schoenholz et al., 2017). Each operation says how moments and gradients pass through it; this file walks there
and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import sqrt
from typing import Any, TypeAlias

from archspec.ops.gaussian import Part
from archspec.ops.moments import Gradient, Moments, standard, sum_gradients, unit_gradient
from compiler.analysis.growth import Growth, fit_growth
from compiler.graph import Graph, Node

LARGEST = 1e100
"""Second moments beyond are not followed: no format of numbers for networks holds a root of them."""
FP16_LARGEST = 65_504.0
FP16_SMALLEST = 2.0**-24
"""The smallest number above zero, a subnormal one."""
Sent: TypeAlias = tuple[Gradient | None, ...]

DEVIATIONS = 6
"""How far from the mean values are looked for: of a normal value one in 500 million is further."""


@dataclass(frozen=True, slots=True)
class NodeSignal:
    """The values of one node at initialization, and the gradient there; None where no law is known.

    `common` is the expected product of the values that one channel has for two samples: where it is near the second
    moment, all samples look alike. The gradient is that of a loss whose gradient at the outputs has the second moment
    one. An `estimate` rests on more than the assumptions of this file, or on one that does.
    """

    id: str
    kind: str
    mean: float | None
    second_moment: float | None
    common: float | None
    gradient_second_moment: float | None
    estimate: bool
    gradient_estimate: bool

    def to_dict(self) -> dict[str, Any]:
        return {("node" if name == "id" else name): getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Exit:
    """Where the signal leaves what fp16 holds: the first such node on the way, and the residual or dense block that it
    is in."""

    node: str
    block: str | None
    second_moment: float

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class Signal:
    """The signal of a network at initialization, node by node in topological order.

    fp16 overflows where a value six standard deviations from the mean is beyond 65,504, and underflows where the root
    mean square is above zero and below 2⁻²⁴. Gradients are looked at from the outputs back.
    """

    nodes: tuple[NodeSignal, ...]
    blocks: Mapping[str, str]
    """The node with the result of each residual or dense block, by the block's name."""
    overflow: Exit | None
    underflow: Exit | None
    gradient_overflow: Exit | None
    gradient_underflow: Exit | None
    growth: tuple[Growth, ...]
    graph: Graph = field(repr=False, compare=False)
    values: Mapping[str, Moments | None] = field(repr=False, compare=False)
    gradients: Mapping[str, Gradient | None] = field(repr=False, compare=False)
    sent: Mapping[str, Sent] = field(repr=False, compare=False)
    """What arrives of a node's gradient at each operand that carries signal."""

    @cached_property
    def gains(self) -> Mapping[str, tuple[float, ...] | None]:
        """For each node what it passes on of its gradient's energy (second moment times elements) to each operand that
        carries signal; None where no law is known.

        Where the signal is not followed, standard normal values and gradients of one size stand for it.
        """
        gains = ((node, self._measure_gains(place, node)) for place, node in enumerate(self.graph))
        return {node.id: passed if len(passed) == len(node.carriers) else None for node, passed in gains}

    def _measure_gains(self, place: int, node: Node) -> tuple[float, ...]:
        """The gains of a node; fewer than it has operands where no law is known."""
        gradient, sent = self.gradients[node.id], self.sent[node.id]
        if gradient is None or gradient.second <= 0 or not all(self.values[id] for id in node.inputs):
            gradient = gradient if gradient and gradient.second > 0 else unit_gradient(node.shape)
            operands = [self.values[id] or standard(self.graph[id].shape) for id in node.inputs]
            sent = _send(node, gradient, operands, place)
        energy = gradient.second * node.shape.elements
        return tuple(
            part.second * self.graph[id].shape.elements / energy
            for id, part in zip(node.carriers, sent, strict=True)
            if part
        )

    def __getitem__(self, id: str) -> NodeSignal:
        return next(node for node in self.nodes if node.id == id)

    def to_dict(self) -> list[dict[str, Any]]:
        return [node.to_dict() for node in self.nodes]

    def summarize(self) -> dict[str, Any]:
        """What follows from the rows: where fp16 is left, and how the signal grows by block."""
        names = ("overflow", "underflow", "gradient_overflow", "gradient_underflow")
        exits: dict[str, Exit | None] = {name: getattr(self, name) for name in names}
        found = {name: exit.to_dict() if exit else None for name, exit in exits.items()}
        return found | {"growth": [growth.to_dict() for growth in self.growth]}


def predict_signal(graph: Graph) -> Signal:
    """Predict the signal of a network at initialization; see above for what is assumed."""
    values = _walk_forward(graph)
    gradients, sent = _walk_back(graph, values)
    nodes = tuple(_describe(node, values[node.id], gradients[node.id]) for node in graph)
    blocks = find_blocks(graph)
    back = tuple(reversed(nodes))
    seconds = {node.id: node.second_moment for node in nodes}
    results = [(graph[id].shape, id, seconds[id]) for id in blocks.values()]
    return Signal(
        nodes=nodes,
        blocks=blocks,
        overflow=_find_exit((node for node in nodes if _overflows(node.mean, node.second_moment)), blocks),
        underflow=_find_exit((node for node in nodes if _underflows(node.second_moment)), blocks),
        gradient_overflow=_find_exit((n for n in back if _overflows(0.0, n.gradient_second_moment)), blocks, True),
        gradient_underflow=_find_exit((n for n in back if _underflows(n.gradient_second_moment)), blocks, True),
        growth=fit_growth(results),
        graph=graph,
        values=values,
        gradients=gradients,
        sent=sent,
    )


def find_blocks(graph: Graph) -> dict[str, str]:
    """The node with the result of each residual or dense block: the merge, or what follows it inside the block."""
    return {node.body: _find_result(graph, node, f"{node.body}.") for node in graph if node.body is not None}


def _find_result(graph: Graph, node: Node, scope: str) -> str:
    readers = graph.readers[node.id]
    while len(readers) == 1 and readers[0].startswith(scope) and graph[readers[0]].body is None:
        node = graph[readers[0]]
        readers = graph.readers[node.id]
    return node.id


def _walk_forward(graph: Graph) -> dict[str, Moments | None]:
    values: dict[str, Moments | None] = {}
    for place, node in enumerate(graph):
        operands = [values[id] for id in node.inputs]
        result = None if None in operands else node.op.moments(*operands, **({} if node.inputs else graph.sizes))
        if result is None or not _is_followed(result.runs):
            values[node.id] = None
            continue
        values[node.id] = replace(result, born=place, fresh=place if node.op.mixes else result.fresh)
    return values


def _walk_back(
    graph: Graph, values: Mapping[str, Moments | None]
) -> tuple[dict[str, Gradient | None], dict[str, Sent]]:
    """The gradient at each node, zero where none arrives, and what it sends to its operands."""
    arriving: dict[str, list[Gradient | None]] = {id: [] for id in graph.nodes}
    for id in graph.outputs.values():
        arriving[id].append(unit_gradient(graph[id].shape))
    gradients: dict[str, Gradient | None] = {}
    sent: dict[str, Sent] = {}
    for place, node in reversed(list(enumerate(graph))):
        gradient = gradients[node.id] = _gather(node, arriving.pop(node.id))
        sent[node.id] = _send(node, gradient, [values[id] for id in node.inputs], place)
        for id, part in zip(node.carriers, sent[node.id], strict=True):
            arriving[id].append(part)
    return gradients, sent


def _gather(node: Node, arriving: list[Gradient | None]) -> Gradient | None:
    known = [gradient for gradient in arriving if gradient is not None]
    if len(known) < len(arriving):
        return None
    total = sum_gradients(known) if known else unit_gradient(node.shape, 0.0)
    return total if _is_followed(total.runs) else None


def _send(node: Node, gradient: Gradient | None, operands: Sequence[Moments | None], place: int) -> Sent:
    """What arrives at each operand that carries signal."""
    if gradient is None or None in operands or not node.inputs:
        return (None,) * len(node.carriers)
    sent = node.op.gradients(gradient, *operands) or (None,) * len(node.carriers)
    return tuple(replace(part, fresh=place) for part in sent if part) if node.op.mixes else sent


def _is_followed(runs: Iterable[tuple[int, tuple[float, ...]]]) -> bool:
    return all(abs(number) <= LARGEST for _, part in runs for number in part)  # which no NaN is


def _describe(node: Node, value: Moments | None, gradient: Gradient | None) -> NodeSignal:
    part: Part | None = value.whole if value else None
    return NodeSignal(
        id=node.id,
        kind=node.op.kind,
        mean=part and part.mean,
        second_moment=part and part.second,
        common=part and part.common,
        gradient_second_moment=gradient.second if gradient else None,
        estimate=not (value and value.exact),
        gradient_estimate=not (gradient and gradient.exact),
    )


def _overflows(mean: float | None, second: float | None) -> bool:
    """Whether values leave fp16."""
    if mean is None or second is None:
        return False
    return abs(mean) + DEVIATIONS * sqrt(max(0.0, second - mean**2)) > FP16_LARGEST


def _underflows(second: float | None) -> bool:
    return second is not None and 0 < second < FP16_SMALLEST**2


def _find_exit(nodes: Iterable[NodeSignal], blocks: Mapping[str, str], back: bool = False) -> Exit | None:
    node = next(iter(nodes), None)
    if node is None:
        return None
    second = node.gradient_second_moment if back else node.second_moment
    assert second is not None
    around = [block for block in blocks if f"{node.id}.".startswith(f"{block}.")]
    return Exit(node.id, max(around, key=len, default=None), second)
