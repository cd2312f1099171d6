"""The graph is the narrow waist: a network as flat, typed, shaped operations, in a stable topological order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from archspec import ops
from archspec.errors import BlockCall, InputError, Place
from archspec.ops import Input, Op, OpError, Shape, Weight
from compiler.mismatch import advise_mismatch, list_mismatches

if TYPE_CHECKING:
    import networkx as nx


INTEGERS = "int64"
"""The type of whole numbers that are put in, in numpy's words."""


@dataclass(frozen=True, slots=True)
class NodeSource:
    """The origin of a node: its place in the spec, and the block calls around it, innermost first."""

    place: Place
    calls: tuple[BlockCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One operation in the graph.

    `id` is its path through the spec's structure (`repeat_0.i1.bottleneck_0.residual_0.body.conv_0`), `inputs` are the
    ids of its operands in order, `shape` is that of its result without the batch. `body` names the residual or dense
    body whose result is the last operand.

    Of a node that was read from a file, `stored` are the tensors that it brings, by short names: not those that an
    earlier node holds, and where its weights are computed from others, these. `type` is that of its result's numbers,
    in numpy's words; in a spec, whole numbers alone have one.

    `shared` is the path under which its weights are named where it shares them with other nodes; else that is its id.
    """

    id: str
    op: Op
    inputs: tuple[str, ...]
    shape: Shape
    source: NodeSource
    body: str | None = None
    stored: Mapping[str, Weight] | None = None
    type: str | None = None
    shared: str | None = None

    @property
    def home(self) -> str:
        """The path under which its weights are named, and the module that holds them stands."""
        return self.id if self.shared is None else self.shared

    @property
    def holds_integers(self) -> bool:
        """True if its result are whole numbers, as an input's may be."""
        return isinstance(self.op, Input) and self.op.type == "int"

    @property
    def data_inputs(self) -> tuple[str, ...]:
        """The operands that carry signal; the others lend only their extents."""
        return self.inputs[: self.op.data_inputs]


@dataclass(frozen=True)
class Graph:
    """A network. `nodes` is in topological order; `outputs` maps each output's name to the node that computes it.

    >>> graph = archspec.elaborate(archspec.load("resnet_digits"))
    >>> len(graph), graph.sizes, graph.outputs
    (53, {'H': 8, 'W': 8}, {'output': 'linear_0'})
    >>> [(node.id, node.op.kind, str(node.shape)) for node in graph][:2]
    [('image', 'input', '1×8×8'), ('conv_0', 'conv', '16×8×8')]
    """

    name: str
    nodes: Mapping[str, Node]
    outputs: Mapping[str, str]
    sizes: Mapping[str, int] = field(default_factory=dict)
    """The value of each dynamic size for which the shapes were inferred."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """The operations of a file that are not in the graph, since nothing says the shapes of their results, by kind."""
    notes: tuple[str, ...] = ()
    """The assumptions that were made where a file does not say something, and which sizes of a spec are fixed, a
    sentence each."""
    fixed_sizes: Mapping[str, int] = field(default_factory=dict)
    """The value of each size of the spec that is not dynamic, since an expression reads it."""

    @cached_property
    def digraph(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx's algorithms: nodes carry `node`; an edge's key is the operand's position, and its
        `signal` says whether the operand carries any."""
        import networkx as nx  # here, since the counts need none and importing it takes longer than they do

        digraph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        digraph.add_nodes_from((node.id, {"node": node}) for node in self)
        digraph.add_edges_from(
            (operand, node.id, position, {"signal": position < len(node.data_inputs)})
            for node in self
            for position, operand in enumerate(node.inputs)
        )
        return nx.freeze(digraph)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, id: str) -> Node:
        return self.nodes[id]

    @cached_property
    def inputs(self) -> Mapping[str, Node]:
        """The inputs by name, in order."""
        return {node.id: node for node in self if isinstance(node.op, Input)}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The ids of the values at which gradients end: the inputs of any numbers, and what whole numbers look up."""
        ends = [node for node in self if isinstance(node.op, Input) or node.op.takes == "int"]
        return tuple(node.id for node in ends if not node.holds_integers)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The number below which the whole numbers of each input of such lie: the rows of the smallest table that they
        are looked up in; 1 where they are in none."""
        readers = {name: map(self.nodes.get, self.readers[name]) for name in self.inputs if self[name].holds_integers}
        read = {name: [node.op for node in nodes if node] for name, nodes in readers.items()}
        return {
            name: min((op.rows for op in found if isinstance(op, ops.Embedding)), default=1)
            for name, found in read.items()
        }

    def operands(self, node: Node) -> tuple[Shape, ...]:
        """Give the shapes of a node's operands."""
        shapes = self._operands.get(node.inputs)
        if shapes is None:  # every analysis asks for them
            shapes = self._operands[node.inputs] = tuple([self.nodes[operand].shape for operand in node.inputs])
        return shapes

    @cached_property
    def _operands(self) -> dict[tuple[str, ...], tuple[Shape, ...]]:
        return {}

    def stored_by(self, node: Node) -> Mapping[str, Weight]:
        """Give a node's stored tensors, by their short names."""
        return node.op.weights(*self.operands(node)) if node.stored is None else node.stored

    def weights_of(self, node: Node) -> dict[str, Weight]:
        """Give a node's stored tensors, by their names in the state dict."""
        return {f"{node.home}.{name}": weight for name, weight in self.stored_by(node).items()}

    @cached_property
    def users(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the nodes whose weights have one home, by that home, in order: of several, all share them."""
        users: dict[str, list[str]] = {}
        for node in self:
            users.setdefault(node.home, []).append(node.id)
        return {home: tuple(ids) for home, ids in users.items()}

    def find_holders(self) -> dict[str, int]:
        """Find, for each node that shares weights, the place in the order of the first one that has them."""
        places = {id: place for place, id in enumerate(self.nodes)}
        return {node.id: places[self.users[node.shared][0]] for node in self if node.shared is not None}

    def holds(self, node: Node) -> bool:
        """Tell whether a node is the first of those that share its weights, which count there alone."""
        return node.shared is None or self.users[node.shared][0] == node.id

    @cached_property
    def weights(self) -> Mapping[str, Weight]:
        """The stored tensors, each by its name in the state dict, in order; those that nodes share are there once."""
        return MappingProxyType({name: weight for node in self for name, weight in self.weights_of(node).items()})

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the nodes that read each node's result, once for each operand."""
        readers: dict[str, list[str]] = {id: [] for id in self.nodes}
        for node in self:
            for operand in node.inputs:
                readers[operand].append(node.id)
        return {id: tuple(ids) for id, ids in readers.items()}

    def check_weights(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Hold the names and shapes of stored weights against the graph's own. Raises InputError."""
        expected = {name: weight.shape for name, weight in self.weights.items()}
        found = {name: tuple(shape) for name, shape in shapes.items()}
        if found != expected:
            problems = list_mismatches(expected, found)
            raise InputError(f"the weights do not fit {self.name}: {problems}{advise_mismatch(expected, found)}")

    def infer(self, sizes: Mapping[str, int]) -> dict[str, Shape]:
        """Infer every node's shape at other sizes. Raises OpError where one does not fit."""
        unknown = ", ".join(sizes.keys() - self.sizes.keys())
        if unknown:
            raise OpError(f"{self.name} has no dynamic size {unknown}")
        sizes = {**self.sizes, **sizes}
        known: dict[tuple[int, tuple[Shape, ...]], Shape] = {}  # repeated blocks share their operations
        shapes: dict[str, Shape] = {}
        for node in self:
            operands = tuple(map(shapes.__getitem__, node.inputs))
            if isinstance(node.op, Input):
                shapes[node.id] = node.op.infer(**sizes)
                continue
            key = (id(node.op), operands)
            if key not in known:
                known[key] = node.op.infer(*operands)
            shapes[node.id] = known[key]
        return shapes

    def resize(self, sizes: Mapping[str, int]) -> Graph:
        """Make a graph of the same operations at other sizes. Raises OpError where one does not fit.

        >>> graph = archspec.elaborate(archspec.load("resnet_digits"))
        >>> print(graph["conv_0"].shape, graph.resize({"H": 20})["conv_0"].shape)
        16×8×8 16×20×8
        """
        nodes = {id: replace(self.nodes[id], shape=shape) for id, shape in self.infer(sizes).items()}
        return replace(self, nodes=nodes, sizes={**self.sizes, **sizes})

    def with_nodes(self, nodes: Iterable[Node], renamed: Mapping[str, str] | None = None) -> Graph:
        """Make a graph of other nodes; operands and outputs follow `renamed` (removed id → the id that stands for
        it)."""
        renamed = renamed or {}

        def follow(id: str) -> str:
            while id in renamed:
                id = renamed[id]
            return id

        kept = {
            node.id: replace(node, inputs=tuple(map(follow, node.inputs)))
            if renamed.keys() & set(node.inputs)
            else node
            for node in nodes
        }
        return replace(self, nodes=kept, outputs={name: follow(id) for name, id in self.outputs.items()})

    def digest(self) -> str:
        """The SHA-256 of what the network is: its operations, how they are joined, its sizes; not how it was
        written."""
        rows = [
            [node.id, node.op.kind, node.op.identity, node.inputs, node.shape]
            + ([] if node.shared is None else [node.shared])
            for node in self
        ]
        text = json.dumps([rows, dict(self.outputs), dict(self.sizes)], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
