"""Where a model's integers are, said of its graph: for those who compute what its file does in another way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import onnx

from archspec.errors import ArchspecError
from archspec.ops import Add, BatchNorm, ChannelConv, Conv, Linear, Mul, Op, Sigmoid
from archspec.ops.base import Pointwise
from compiler.graph import Graph, Node
from compiler.onnx_target.int8.quantize import QuantizationPlan
from compiler.onnx_target.int8.scheme import Int8Recipe
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.passes.affine import read_affine
from compiler.passes.shared_weights import give_own
from compiler.passes.weight_arrays import WeightArray, WeightArrays

ALIKE: Mapping[str, Op] = MappingProxyType({"Add": Add(), "Mul": Mul(), "Sigmoid": Sigmoid()})
"""The nodes of ONNX that an operation of ours may be several of, each with an integer result, and what each is."""

MOVES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"})
"""The nodes of ONNX that only move numbers, so that it is the same whether these are rounded before or behind."""

CHOICES = MOVES | {"MaxPool"}
"""The nodes of ONNX whose results are among their operand's numbers."""


UNTRAINED = (
    " is computed in parts in an int8 file, some of them in integers, and cannot be trained so: export int8 with "
    "calibration data instead"
)


class FakeQuantize(Pointwise):
    """Rounds to the nearest number that has an integer, by the scale and zero point of the value of that name."""

    value: str


@dataclass(frozen=True, slots=True)
class IntegerLayer:
    """A layer in integers, by its id: its weight is rounded, and with `bias` its bias too, by its weight's scales times
    that of the value `operand`."""

    id: str
    operand: str
    bias: bool


@dataclass(frozen=True, eq=False, slots=True)
class RoundedGraph:
    """A network in which FakeQuantize stands wherever a file in integers rounds a value; of its `arrays`, those of
    `layers` are rounded too. No two nodes share weights."""

    graph: Graph
    arrays: WeightArrays
    layers: tuple[IntegerLayer, ...]


def place_rounding(model: OnnxModel, arrays: WeightArrays, plan: QuantizationPlan, recipe: Int8Recipe) -> RoundedGraph:
    """Put FakeQuantize into the graph of a float model, whose weights are `arrays`, where the plan has integers.

    Raises ArchspecError for an operation inside of which numbers are rounded, if nothing says how it is computed in
    parts.
    """
    graph, arrays = give_own(model.graph, arrays)
    places = _Places(model, plan)
    nodes: dict[str, Node] = {}
    own: dict[str, WeightArray] = dict(arrays)
    for node in graph:
        for part in places.expand(node):
            nodes[part.id] = part
    layers = tuple(places.list_layers(recipe))
    for layer in layers:
        node = nodes[layer.id]
        if isinstance(node.op, BatchNorm):
            nodes[layer.id] = _become_convolution(node, node.op, graph, own)
    results, operands = places.find(nodes)
    return RoundedGraph(_insert(replace(graph, nodes=nodes), results, operands), own, layers)


class _Places:
    """The places of a plan's integers among the nodes of a model's graph."""

    def __init__(self, model: OnnxModel, plan: QuantizationPlan) -> None:
        self.model, self.plan = model, plan
        self.groups: dict[str, list[onnx.NodeProto]] = {}
        """The nodes of ONNX that each of the graph's is; what turns a result into rows or planes is none of them."""
        for node in model.head.graph.node:
            owner = self._find_owner(node.name)
            turns = node.op_type == "Transpose" and node.name != owner and node.output[0] in model.values
            if owner is not None and not turns:
                self.groups.setdefault(owner, []).append(node)
        self.producers = {node.output[0]: node for group in self.groups.values() for node in group}

    def _find_owner(self, name: str) -> str | None:
        nodes = self.model.graph.nodes
        above = name.rpartition(".")[0]
        return name if name in nodes else above if above in nodes else None

    def expand(self, node: Node) -> Iterator[Node]:
        """The nodes that one is in ONNX, under the names of their results, where each could have an integer result."""
        group = self.groups.get(node.id, [])
        values = all(name in self.producers or name in self.model.values for part in group for name in part.input)
        if len(group) < 2 or not values or any(part.op_type not in ALIKE for part in group):
            yield node
            return
        shapes = {id: self.model.graph[id].shape for id in node.inputs}
        for part in group:
            inputs = tuple(self.model.values.get(name, name) for name in part.input)
            id, op = self.model.values.get(part.output[0], part.output[0]), ALIKE[part.op_type]
            shapes[id] = op.infer(*(shapes[name] for name in inputs))
            yield Node(id, op, inputs, shapes[id], node.source)

    def list_layers(self, recipe: Int8Recipe) -> Iterator[IntegerLayer]:
        """Raises ArchspecError where a layer's weight is none that a node of the graph brings."""
        written = {node.name: node for node in self.model.head.graph.node}
        for name in self.plan.layers:
            node, owner = written[name], self._find_owner(name)
            if owner is None or not isinstance(self.model.graph[owner].op, Conv | Linear | ChannelConv | BatchNorm):
                raise ArchspecError(f"{name}{UNTRAINED}")
            biased = recipe == "u8s8" and len(node.input) > 2
            yield IntegerLayer(owner, self.plan.scaled_as(node.input[0]), biased)

    def find(self, nodes: Mapping[str, Node]) -> tuple[dict[str, str], dict[tuple[str, int], str]]:
        """Find which nodes' results are rounded, and which operands of nodes are for themselves, and by the scales of
        which values. Raises ArchspecError where it is something inside of a node."""
        results: dict[str, str] = {}
        operands: dict[tuple[str, int], str] = {}
        inner = []
        for value in self.plan.values:
            node = self.model.values.get(value, value)
            if node not in nodes:
                inner.append(value)
            elif value in self.producers or node in self.model.graph.inputs or value in nodes:
                results[node] = self.plan.scaled_as(value)
            else:  # the same in rows, or in planes
                readers = (place for id in self.groups for place in self._find_places(id, value, node))
                operands |= dict.fromkeys(readers, self.plan.scaled_as(value))
        for value in inner:
            self._place_inner(value, results, operands)
        return results, operands

    def _find_places(self, id: str, value: str, operand: str) -> Iterator[tuple[str, int]]:
        """The places among a node's operands at which it reads this value, which is the result of `operand`."""
        if any(value in part.input for part in self.groups[id]):
            yield from ((id, at) for at, name in enumerate(self.model.graph[id].inputs) if name == operand)

    def _place_inner(self, value: str, results: dict[str, str], operands: dict[tuple[str, int], str]) -> None:
        """Place a value inside of a node: at an operand from which it is moved, or at the result where it is moved
        there. Where the same scale is there already, it changes nothing."""
        owner, root = self._find_owner(value), self.plan.scaled_as(value)
        if owner is None:
            raise ArchspecError(f"{value}{UNTRAINED}")
        source, moved = self._follow_back(value)
        node = self.model.values.get(source)
        if node is not None and results.get(node) == root:
            return
        if node is not None and moved:
            operands |= dict.fromkeys(self._find_places(owner, source, node), root)
            return
        end = self._follow_on(value, owner)
        if end is None or results.setdefault(end, root) != root:
            raise ArchspecError(f"{owner}, of the kind {self.model.graph[owner].op.kind},{UNTRAINED}")

    def _follow_back(self, value: str) -> tuple[str, bool]:
        """The value of a node of the graph whose numbers these are, and whether they were moved alone, and not
        chosen."""
        moved = True
        while value not in self.model.values and self.producers[value].op_type in CHOICES:
            moved = moved and self.producers[value].op_type in MOVES
            value = self.producers[value].input[0]
        return value, moved

    def _follow_on(self, value: str, owner: str) -> str | None:
        """The node of the graph whose result these numbers are, if they are moved there."""
        while value not in self.model.values:
            readers = [part for part in self.groups[owner] if value in part.input]
            if len(readers) != 1 or readers[0].op_type not in MOVES or readers[0].input[0] != value:
                return None
            value = readers[0].output[0]
        return self.model.values[value]


def _become_convolution(norm: Node, op: BatchNorm, graph: Graph, arrays: dict[str, WeightArray]) -> Node:
    """Make of a BatchNorm the convolution of each channel alone that it is in the file."""
    affine, rank = read_affine(norm, arrays), norm.shape.rank
    for name in graph.weights_of(norm):
        del arrays[name]
    channels = norm.shape.channels
    arrays[f"{norm.id}.weight"] = affine.factor.reshape(-1, 1, *[1] * rank)
    arrays[f"{norm.id}.bias"] = affine.term
    return replace(norm, op=Conv(out=channels, kernel=1, groups=channels, bias=True))


def _insert(graph: Graph, results: Mapping[str, str], operands: Mapping[tuple[str, int], str]) -> Graph:
    """Insert what rounds results, which all read then, and what rounds them for single readers."""
    nodes: dict[str, Node] = {}
    rounded: dict[str, str] = {}

    def insert(id: str, read: str, value: str) -> str:
        nodes[id] = Node(id, FakeQuantize(value=value), (read,), nodes[read].shape, nodes[read].source)
        return id

    alone: dict[tuple[str, str], str] = {}
    for node in graph:
        inputs = [rounded.get(operand, operand) for operand in node.inputs]
        for place, operand in enumerate(inputs):
            if value := operands.get((node.id, place)):
                if (operand, value) not in alone:  # below the operand's name, since a module has its parts behind it
                    alone[operand, value] = insert(f"{operand}.rounded_{len(alone)}", operand, value)
                inputs[place] = alone[operand, value]
        nodes[node.id] = replace(node, inputs=tuple(inputs))
        if node.id in results:
            rounded[node.id] = insert(f"{node.id}.rounded", node.id, results[node.id])
    outputs = {name: rounded.get(id, id) for name, id in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs)
