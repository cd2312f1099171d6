"""The signal at initialization: mean and second moment of values and gradients at every node, without running anything.

The network is in training mode, its inputs are independent standard normal numbers, and so are the gradients with
respect to its outputs. Moments are taken over samples and over the draws of the weights, and layers are so wide that a
sum is normal (He et al., 2015; Poole et al., 2016). Going back, a gradient is taken as independent of the values that
it meets (Schoenholz et al., 2017). Each operation says how moments and gradients pass through it; this file walks there
and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import sqrt
from typing import Any, NamedTuple, TypeAlias

from archspec.ops import Op
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Doubt, Gradient, Moments, standard, unit_gradient
from archspec.ops.signal.sums import Ties, sum_gradients
from compiler.analysis.signal.doubts import find_doubts
from compiler.analysis.signal.growth_law import Growth, fit_growth
from compiler.graph import Graph, Node

MAX_SECOND_MOMENT = 1e100
"""The largest second moment that is followed: no format of numbers for networks holds a root of a larger one."""
FP16_LARGEST = 65_504.0
"""The largest number of fp16."""
FP16_SMALLEST = 2.0**-24
"""The smallest number of fp16 above zero, a subnormal one."""
Sent: TypeAlias = tuple[Gradient | None, ...]

MAX_TIED = 64
"""The largest number of terms of a sum of which each two are looked at; of more it is taken that some hang together."""
DEVIATIONS = 6
"""The distance from the mean, in standard deviations, up to which values are looked for: of a normal value one in
500 million is further."""


@dataclass(frozen=True, slots=True)
class NodeSignal:
    """The values of one node at initialization, and the gradient there; None where no law is known.

    `common` is the expected product of the values that one channel has for two samples: where it is near the second
    moment, all samples look alike. The gradient is that of a loss whose gradient at the outputs has the second moment
    one. The doubts (see `compiler.analysis.signal.doubts`) say why numbers are estimates; without one they are
    the law's.
    """

    id: str
    kind: str
    mean: float | None
    second_moment: float | None
    common: float | None
    gradient_second_moment: float | None
    doubts: tuple[Doubt, ...]
    gradient_doubts: tuple[Doubt, ...]

    @property
    def estimate(self) -> bool:
        return self.second_moment is None or bool(self.doubts)

    @property
    def gradient_estimate(self) -> bool:
        return self.gradient_second_moment is None or bool(self.gradient_doubts)

    def to_dict(self) -> dict[str, Any]:
        row = {("node" if name == "id" else name): getattr(self, name) for name in self.__slots__}
        row |= {"estimate": self.estimate, "gradient_estimate": self.gradient_estimate}
        return row | {"doubts": [*self.doubts], "gradient_doubts": [*self.gradient_doubts]}


@dataclass(frozen=True, slots=True)
class Exit:
    """The first node on the way at which the signal leaves what fp16 holds, and the residual or dense block that it is
    in."""

    node: str
    block: str | None
    second_moment: float
    doubts: tuple[Doubt, ...]

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"doubts": [*self.doubts]}


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
    """The moments that arrive of a node's gradient at each operand that carries signal."""

    @cached_property
    def gains(self) -> Mapping[str, tuple[float, ...] | None]:
        """The share of its gradient's energy (second moment times elements) that each node passes on to each operand
        that carries signal; None where no law is known.

        Where the signal is not followed, standard normal values and gradients of one size stand for it.
        """
        gains = ((node, self._measure_gains(node)) for node in self.graph)
        return {node.id: passed if len(passed) == len(node.data_inputs) else None for node, passed in gains}

    def _measure_gains(self, node: Node) -> tuple[float, ...]:
        """The gains of a node; fewer than it has operands where no law is known."""
        gradient, sent = self.gradients[node.id], self.sent[node.id]
        if gradient is None or gradient.second <= 0 or not all(self.values[id] for id in node.inputs):
            gradient = gradient if gradient and gradient.second > 0 else unit_gradient(node.shape)
            operands = [self.values[id] or standard(self.graph[id].shape) for id in node.inputs]
            sent = _send(node, gradient, operands)
        energy = gradient.second * node.shape.elements
        return tuple(
            part.second * self.graph[id].shape.elements / energy
            for id, part in zip(node.data_inputs, sent, strict=True)
            if part
        )

    @cached_property
    def layers(self) -> int:
        """The largest number of random linear maps on a way through the network."""
        depths: dict[str, int] = {}
        for node in self.graph:
            depths[node.id] = node.op.has_kernel + max([depths[id] for id in node.inputs], default=0)
        return max(depths.values())

    def __getitem__(self, id: str) -> NodeSignal:
        return self._by_id[id]

    @cached_property
    def _by_id(self) -> Mapping[str, NodeSignal]:
        return {node.id: node for node in self.nodes}

    def to_dict(self) -> list[dict[str, Any]]:
        return [node.to_dict() for node in self.nodes]

    def summarize(self) -> dict[str, Any]:
        """List what follows from the rows: where fp16 is left, and how the signal grows by block."""
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
    rows = {node.id: node for node in nodes}
    results = [(graph[id].shape, id, rows[id].second_moment, rows[id].doubts) for id in blocks.values()]
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
    """Find the node with the result of each residual or dense block: the merge, or what follows it inside the block."""
    return {node.body: _find_result(graph, node, f"{node.body}.") for node in graph if node.body is not None}


def _find_result(graph: Graph, node: Node, scope: str) -> str:
    readers = graph.readers[node.id]
    while len(readers) == 1 and readers[0].startswith(scope) and graph[readers[0]].body is None:
        node = graph[readers[0]]
        readers = graph.readers[node.id]
    return node.id


class Descent(NamedTuple):
    """The origin of a value or a gradient, by places in topological order: it is `factor` times the one of `source`, a
    node, and going back one of its operands. Going forward, `last_kernel_at` is the random linear map whose signs
    decide its signs; going back, the last such map that it came through."""

    source: tuple[int, int]
    factor: float = 1.0
    last_kernel_at: int | None = None


def _walk_forward(graph: Graph) -> dict[str, Moments | None]:
    values: dict[str, Moments | None] = {}
    descents: dict[str, Descent] = {}
    same: dict[tuple[str, tuple[tuple[tuple[int, int], float], ...]], Descent] = {}
    holders = graph.find_holders()
    for place, node in enumerate(graph):
        op, parents = node.op, [descents[id] for id in node.inputs]
        operands = [value for id in node.inputs if (value := values[id]) is not None]
        more: dict[str, Any] = {} if parents else dict(graph.sizes)
        if op.sums:
            more["ties"] = _tie(parents, _is_related)
        result = op.moments(*operands, **more) if len(operands) == len(parents) else None
        values[node.id] = result if result and result.whole.second <= MAX_SECOND_MOMENT else None  # which no NaN is
        descent = _descend(op, place, parents, holders.get(node.id, place))
        if node.shared is not None:  # the same weights make the same of the same values
            descent = same.setdefault((node.shared, tuple([(p.source, p.factor) for p in parents])), descent)
        descents[node.id] = descent
    return values


def _descend(op: Op, place: int, parents: Sequence[Descent], holder: int) -> Descent:
    """The descent of the result of an operation; its kernel is that of the node at the place `holder`."""
    if op.has_kernel:
        return Descent((place, 0), last_kernel_at=holder)
    multiple = op.multiple(len(parents)) if parents else None
    if multiple is not None and (len(parents) == 1 or len({parent.source for parent in parents}) == 1):
        return Descent(parents[0].source, multiple * sum([p.factor for p in parents]), parents[0].last_kernel_at)
    return Descent((place, 0), last_kernel_at=parents[0].last_kernel_at if parents and op.odd else None)


def _tie(parents: Sequence[Descent], is_related: Callable[[Descent, Descent], bool]) -> Ties:
    distinct = {parent.source: parent for parent in parents}.values()
    few = len(distinct) <= MAX_TIED
    related = not few or any(is_related(a, b) for a, b in combinations(distinct, 2))
    return Ties(tuple([p.source for p in parents]), tuple([p.factor for p in parents]), related)


def _is_related(a: Descent, b: Descent) -> bool:
    """Tell whether of two values none has its signs from a random linear map on which the other does not depend."""
    return not any(
        late.last_kernel_at is not None and late.last_kernel_at > early.source[0] for late, early in ((a, b), (b, a))
    )


def _meet_again(a: Descent, b: Descent) -> bool:
    """Tell whether two gradients came through no random linear map of their own."""
    return a.last_kernel_at == b.last_kernel_at


def _walk_back(
    graph: Graph, values: Mapping[str, Moments | None]
) -> tuple[dict[str, Gradient | None], dict[str, Sent]]:
    """The gradient at each node, zero where none arrives, and what it sends to its operands."""
    arriving: dict[str, list[tuple[Gradient | None, Descent]]] = {id: [] for id in graph.nodes}
    for i, id in enumerate(graph.outputs.values()):
        arriving[id].append((unit_gradient(graph[id].shape), Descent((len(graph), i))))  # each has one of its own
    gradients: dict[str, Gradient | None] = {}
    sent: dict[str, Sent] = {}
    holders = graph.find_holders()
    for place, node in reversed(list(enumerate(graph))):
        parts = arriving.pop(node.id)
        gradient, parent = parts[0] if len(parts) == 1 else _gather(node, place, parts)
        gradient = gradient if gradient and gradient.second <= MAX_SECOND_MOMENT else None
        gradients[node.id] = gradient
        sent[node.id] = _send(node, gradient, [values[id] for id in node.inputs])
        for i, (id, part) in enumerate(zip(node.data_inputs, sent[node.id], strict=True)):
            arriving[id].append((part, _pass_back(node, (place, i), parent, holders.get(node.id, place))))
    return gradients, sent


def _gather(
    node: Node, place: int, parts: Sequence[tuple[Gradient | None, Descent]]
) -> tuple[Gradient | None, Descent]:
    """The sum of what arrives, and its descent."""
    known = [gradient for gradient, _ in parts if gradient is not None]
    parents = [descent for _, descent in parts]
    last_kernel_at = parents[0].last_kernel_at if len({parent.last_kernel_at for parent in parents}) == 1 else None
    if parents and len({parent.source for parent in parents}) == 1:
        descent = Descent(parents[0].source, sum([parent.factor for parent in parents]), last_kernel_at)
    else:
        descent = Descent((place, -1), last_kernel_at=last_kernel_at)
    if len(known) < len(parts):
        return None, descent
    return sum_gradients(known, _tie(parents, _meet_again)) if known else unit_gradient(node.shape, 0.0), descent


def _pass_back(node: Node, operand: tuple[int, int], parent: Descent, holder: int) -> Descent:
    """The descent of what a node, with the kernel of the one at the place `holder`, sends to one of its operands."""
    if node.op.has_kernel:
        return Descent(operand, last_kernel_at=holder)
    multiple = node.op.multiple(len(node.inputs))
    if multiple is None:
        return Descent(operand, last_kernel_at=parent.last_kernel_at)
    return Descent(parent.source, multiple * parent.factor, parent.last_kernel_at)


def _send(node: Node, gradient: Gradient | None, operands: Sequence[Moments | None]) -> Sent:
    """Compute what arrives at each operand that carries signal."""
    known = [operand for operand in operands if operand is not None]
    if gradient is None or len(known) < len(operands) or not known:
        return (None,) * len(node.data_inputs)
    return node.op.gradients(gradient, *known) or (None,) * len(node.data_inputs)


def _describe(node: Node, value: Moments | None, gradient: Gradient | None) -> NodeSignal:
    if node.holds_integers:  # they name rows, and are no signal
        value = gradient = None
    part: ChannelMoments | None = value.whole if value else None
    return NodeSignal(
        id=node.id,
        kind=node.op.kind,
        mean=part and part.mean,
        second_moment=part and part.second,
        common=part and part.common,
        gradient_second_moment=gradient.second if gradient else None,
        doubts=find_doubts(value) if value else (),
        gradient_doubts=find_doubts(gradient) if gradient else (),
    )


def _overflows(mean: float | None, second: float | None) -> bool:
    """Tell whether values leave fp16."""
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
    doubts = node.gradient_doubts if back else node.doubts
    return Exit(node.id, max(around, key=len, default=None), second, doubts)
