"""Where a model file and its torch module part: the first node whose own result differs.

Each node of the network is computed in torch, in float32, from what the *file* gives for its operands, and compared
with what the file gives for the node itself. So a difference belongs to the node that makes it; neither rounding nor an
earlier mistake adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, ModelError
from archspec.extras import extra
from archspec.ops import Op, Vote
from compiler.graph import Graph, Node
from compiler.passes.base import trace_value
from compiler.torch_target.modes import evaluating
from runtime.verification.differences import MAX_FLIPS, compare, compare_power, compare_votes
from runtime.verification.model.inside import ModelInside
from runtime.verification.source.model_diff import find_reasons

with extra("train"):
    import torch
    from torch import Tensor, nn

    from compiler.torch_target.rules import TorchRule
    from compiler.torch_target.running import run_nodes

with extra("run"):
    from compiler.onnx_target.onnx_model import OnnxModel


MAX_BYTES = 1 << 29
"""The largest total size, in bytes, of the file's values (float32) that are read in one run."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of a node's own difference, the largest one allowed, and of what it is a part."""

    measure: Callable[[Array, Array], float]
    limit: float
    of: str


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "float32": Metric(compare, 2e-5, "its largest value"),
        "float16": Metric(compare, 5e-3, "its largest value"),
        "bfloat16": Metric(compare, 4e-2, "its largest value"),
        "int8": Metric(compare_power, 2e-1, "its root mean square"),
    }
)
"""The metrics by the type that a file computes in; the limits are some ten times what docs/export/verify.md has
measured."""
VOTES = Metric(compare_votes, MAX_FLIPS, "its positions")


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A node whose own result differs: how much of its largest value, or in what other way, and the reasons found in
    the file. `computes` are the nodes of the network that the file computes there together, `weights` what they read.
    """

    node: Node
    computes: tuple[str, ...]
    weights: tuple[str, ...]
    difference: float | None
    problem: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.node.id} ({self.node.op.kind}, {self.node.source.place}) {self.problem}"

    def to_dict(self) -> dict[str, Any]:
        place = self.node.source.place.to_dict()
        facts = {"node": self.node.id, "op": self.node.op.kind, "computes": list(self.computes), **place}
        found = {"difference": self.difference, "problem": self.problem, "reasons": list(self.reasons)}
        return facts | {"weights": list(self.weights)} | found


@dataclass(frozen=True, slots=True)
class Bisection:
    """A comparison node by node, for inputs of these shapes: how many values, how differences were measured, every
    node that differs by itself, in topological order, and the largest difference of the others."""

    inputs: Mapping[str, tuple[int, ...]]
    compared: int
    metric: Metric
    differing: tuple[NodeDifference, ...]
    largest: float

    @property
    def first(self) -> NodeDifference | None:
        return self.differing[0] if self.differing else None

    def to_dict(self) -> dict[str, Any]:
        facts = {"inputs": {name: list(shape) for name, shape in self.inputs.items()}, "compared": self.compared}
        return facts | {
            "limit": self.metric.limit,
            "of": self.metric.of,
            "differing": [item.to_dict() for item in self.differing],
            "largest_of_the_others": self.largest,
        }


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """A model file and the network that it is compared with, as the torch module and as it would be exported today.

    The steps of `built` say which node of the graph each node of the file stands for. `dtype` is what the file computes
    in, of `METRICS`; `names_in_file` has its name of an input that it calls otherwise; `rules` are those of a caller's
    own operations.
    """

    inside: ModelInside
    graph: Graph
    module: nn.Module
    built: OnnxModel
    dtype: str = "float32"
    names_in_file: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[type[Op], TorchRule] | None = None

    def match_nodes(self) -> dict[str, str]:
        """The nodes of the graph whose value the file has, each with the name of the file's node, in topological order.

        Raises ModelError where there are none.
        """
        found: dict[str, str] = {}
        for node in self.built.graph:
            value = trace_value(self.built.steps, node.id)
            if value in self.graph.nodes and node.id in self.inside.values:
                found[str(value)] = node.id
        if not found:
            where = f"{self.inside.path} names no node as {self.graph.name} does"
            raise ModelError(f"{where}: it was not exported from it")
        return {id: found[id] for id in self.graph.nodes if id in found}

    def read(self, names: Mapping[str, str], feed: Mapping[str, Array]) -> Iterator[Array]:
        """The file's values in the order of `names`, in as many runs as memory asks for."""
        batch = next((len(array) for array in feed.values()), 1)
        feed = {self.names_in_file.get(name, name): array for name, array in feed.items()}
        part: list[str] = []
        size = 0
        for id, name in names.items():
            part.append(self.inside.values[name])
            size += 4 * batch * self.graph[id].shape.elements
            if size > MAX_BYTES:
                yield from _read_part(self.inside, part, feed)
                part, size = [], 0
        if part:
            yield from _read_part(self.inside, part, feed)


def bisect(pair: ComparedFile, feed: Mapping[str, Array]) -> Bisection:
    """Compare a file with its network, node by node, on these inputs, float32 by the network's names.

    Raises ModelError where the file names no node as the graph does.
    """
    names = pair.match_nodes()
    graph = pair.graph
    values = {name: torch.from_numpy(feed[name]) for name in graph.inputs}
    search = _NodeSearch(graph, names, METRICS.get(pair.dtype, METRICS["float32"]), values)
    file_values = pair.read(names, feed)
    with evaluating(pair.module):
        for node, operands, result in run_nodes(graph, pair.module, values, rules=pair.rules):
            del operands  # the next node is computed without them
            try:
                search.meet(node, result, file_values)
            except ArchspecError as error:  # what follows has nothing to go on
                search.blame(node, None, str(error))
                break
    shapes = {name: array.shape for name, array in feed.items()}
    compared = {*names.values(), *graph.inputs}
    differing = tuple(
        replace(item, reasons=find_reasons(pair.inside, pair.built, names[item.node.id], compared))
        for item in search.differing
    )
    return Bisection(shapes, search.compared, search.metric, differing, search.largest)


class _NodeSearch:
    """The way through the graph: values that are still needed, and what was found."""

    def __init__(
        self, graph: Graph, names: Mapping[str, str], metric: Metric, values: MutableMapping[str, Tensor]
    ) -> None:
        self.graph, self.names, self.metric, self.values = graph, names, metric, values
        self.differing: list[NodeDifference] = []
        self.compared, self.largest = 0, 0.0
        self._waiting = {id: len(readers) for id, readers in graph.readers.items()}
        self._hidden: dict[str, tuple[str, ...]] = {}

    def meet(self, node: Node, result: Tensor, file_values: Iterator[Array]) -> None:
        """Compare a node's result with the file's, which then takes its place; or keep it where the file has none.

        Raises ArchspecError where the file's cannot be read, or has another shape.
        """
        operands = dict.fromkeys(node.inputs)
        hidden = dict.fromkeys(id for operand in operands for id in self._hidden[operand])
        self._hidden[node.id] = (*hidden, node.id) if node.inputs else ()
        for operand in node.inputs:
            self._waiting[operand] -= 1
            if not self._waiting[operand]:
                del self.values[operand]
        if node.id not in self.names:
            return
        found = next(file_values)
        self.compared += 1
        if tuple(result.shape) != found.shape:
            raise ArchspecError(f"is {found.shape} in the file and {tuple(result.shape)} in torch")
        self._compare(node, result.numpy(), found)
        self.values[node.id] = torch.from_numpy(found)
        self._hidden[node.id] = ()

    def blame(self, node: Node, difference: float | None, problem: str) -> None:
        computes = self._hidden.get(node.id, (node.id,))
        weights = tuple(name for id in computes for name in self.graph.weights_of(self.graph[id]))
        self.differing.append(NodeDifference(node, computes, weights, difference, problem))

    def _compare(self, node: Node, expected: Array, found: Array) -> None:
        metric = VOTES if isinstance(node.op, Vote) else self.metric
        difference = metric.measure(expected, found)
        if not np.isfinite(difference):
            self.blame(node, None, "holds infinite numbers or NaN, though its operands agree")
        elif difference > metric.limit:
            problem = f"differs by {difference:.3g} of {metric.of}, though its operands agree"
            self.blame(node, difference, problem)
        else:
            self.largest = max(self.largest, difference)


def _read_part(inside: ModelInside, values: Sequence[str], feed: Mapping[str, Array]) -> Iterator[Array]:
    """Read a part: where the file fails on the way, halves of it show what came before. Raises ArchspecError at the
    node itself."""
    try:
        found = inside.read(values, feed)
    except ArchspecError:
        if len(values) == 1:
            raise
        middle = len(values) // 2
        yield from _read_part(inside, values[:middle], feed)
        yield from _read_part(inside, values[middle:], feed)
        return
    yield from found.values()
