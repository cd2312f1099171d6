"""Collects the graph that a file is read to, as the emitter of the ONNX target does in the other direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from archspec.errors import Place
from archspec.ops import Bounds, Op, Shape, Transpose, Weight
from compiler.graph import Graph, Node, NodeSource
from compiler.onnx_source.names import Names
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.turned import TurnedRow
from compiler.onnx_source.values import Constant, ConstantSource, FileValue


class GraphWriter:
    """The writer that rules write to. `nodes` is the graph so far, in topological order and for one of the `batch`
    samples that a file fixes."""

    def __init__(self, path: Path, batch: int) -> None:
        self.batch = batch
        self.nodes: dict[str, Node] = {}
        self.bounds: dict[str, Bounds] = {}
        """The bounds of the results that were asked for."""
        self.replaced: set[str] = set()
        """The pieces of what has become one node, which are dropped unless something else reads them."""
        self.turned: dict[FileValue, TurnedRow] = {}
        """The values that are rows of tokens with their axes in another order."""
        self._file = str(path)
        self._names = Names()
        self._straight: dict[FileValue, FileValue] = {}
        self._held: set[str] = set()
        self._firsts: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        """The first node of each kind that has certain constants."""

    def place(self, line: int) -> NodeSource:
        """Return the place in the file of its node of this number, counted from 1."""
        return NodeSource(Place(self._file, line))

    def add(
        self,
        name: str,
        op: Op,
        xs: Sequence[FileValue],
        shape: Shape,
        *,
        source: NodeSource,
        type: str,
        stored: Mapping[str, Constant] | None = None,
    ) -> str:
        """Enter a node, and return its id, which is its name where no other node has it.

        `stored` are its weights by their short names, None of an input; `type` is that of the numbers in its result.
        """
        id = self._names.claim(name)
        home = None if stored is None else self._find_home(id, stored, op)
        held = self.nodes[home].stored if home else None if stored is None else self._hold(stored, op, xs)
        self.nodes[id] = Node(id, op, tuple(x.id for x in xs), shape, source, stored=held, type=type, shared=home)
        return id

    def drop_replaced(self, outputs: Collection[str]) -> None:
        """Drop the replaced pieces that nothing reads."""
        read = Counter(operand for node in self.nodes.values() for operand in node.inputs)
        for id in [id for id in reversed(self.nodes) if id in self.replaced and id not in outputs]:
            if not read[id]:
                read.subtract(self.nodes.pop(id).inputs)

    def set_type(self, id: str, type: str) -> None:
        """Say the type of the numbers in a node's result, where it is another than when the node was entered."""
        self.nodes[id] = replace(self.nodes[id], type=type)

    def straighten(self, value: FileValue) -> FileValue:
        """Give the value the axes of the file: where they are in another order, its transposition, which is one for all
        readers."""
        if value.straight:
            return value
        if value not in self._straight:
            straight = replace(value, order=tuple(range(len(value.shape))))
            gives = self.per_sample(straight)
            ordered = replace(straight, shape=value.ordered)
            perm = self.turn(ordered, straight, value.order)
            op = Transpose() if perm == (1, 0) else Rearrange(gives=gives, function="transpose", perm=perm)
            name, source = f"{value.id}.transpose", self.nodes[value.id].source
            id = self.add(name, op, [value], Shape(*gives), source=source, type=value.type, stored={})
            self._straight[value] = replace(straight, id=id)
        return self._straight[value]

    def exchange(self, row: FileValue) -> FileValue:
        """Give a row of tokens whose channels are the positions of this one, with the same axes in the file; it is one
        for all readers."""
        turned = replace(row, order=tuple({1: 2, 2: 1}.get(axis, axis) for axis in row.order))
        if turned.straight:
            return self.straighten(row)
        if row not in self._straight:
            name, source = f"{row.id}.transpose", self.nodes[row.id].source
            shape = Shape(*turned.ordered[1:])
            id = self.add(name, Transpose(), [row], shape, source=source, type=row.type, stored={})
            self._straight[row] = replace(turned, id=id)
        return self._straight[row]

    def per_sample(self, value: FileValue) -> Dims:
        """Return the shape in the graph: of one sample, channels first."""
        shape, dropped = list(value.ordered or (1,)), self.find_dropped(value)
        if value.samples:
            shape[value.order[value.samples.axis]] //= self.batch
        return tuple(extent for axis, extent in enumerate(shape) if axis != dropped)

    def find_dropped(self, value: FileValue) -> int | None:
        """Find the axis that a value loses in the graph: that of the samples, the first where there is one, if it holds
        nothing else. Counted in the graph's order."""
        place = value.order[value.samples.axis] if value.samples else 0
        alone = len(value.shape) > 1 and value.ordered[place] == (self.batch if value.samples else 1)
        return place if alone else None

    def turn(self, x: FileValue, turned: FileValue, perm: Dims) -> Dims:
        """Find the order of the graph's axes in the transposition of one straight value to another; none where an axis
        is dropped from one of them alone."""
        before, after = self.find_dropped(x), self.find_dropped(turned)
        if before is None and after is None:
            return perm
        if before is None or after is None or perm[after] != before:
            return ()
        return tuple(axis - (axis > before) for axis in perm if axis != before)

    def _find_home(self, id: str, taken: Mapping[str, Constant], op: Op) -> str | None:
        """Find the earlier node of this kind that has these constants, all of them and each in its place."""
        stored = tuple((name, item.name) for name, item in taken.items() if any(_find_stored(item)))
        first = self._firsts.setdefault((op.kind, stored), id) if stored else id
        return None if first == id else first

    def _hold(self, taken: Mapping[str, Constant], op: Op, xs: Sequence[FileValue]) -> dict[str, Weight]:
        """The stored tensors that these constants were computed from, without those that an earlier node holds."""
        held: dict[str, Weight] = {}
        takes = op.weights(*(self.nodes[x.id].shape for x in xs))
        for name, item in taken.items():
            for number, source in enumerate(item.sources):
                if source.name in self._held or source not in _find_stored(item):
                    continue
                self._held.add(source.name)
                weight = takes.get(name, Weight((), 0.0))
                learned = source.learned and not weight.buffer
                weight = replace(weight, shape=source.shape, type=source.type, trainable=learned, buffer=not learned)
                held[f"{name}_{number}" if number else name] = weight
        return held


def _find_stored(item: Constant) -> list[ConstantSource]:
    """Find the stored tensors that a constant was computed from. One of a single number counts where it is taken as it
    is, else it cannot be told from a constant."""
    return [source for source in item.sources if prod(source.shape) > 1 or source.name == item.name]


def settle_shared(graph: Graph) -> Graph:
    """Let the nodes share their weights that have the same still, when nodes have been joined; of the others, those of
    an earlier node count there."""
    held: set[int] = set()
    nodes: dict[str, Node] = {}
    for node in graph:
        if node.shared is not None and (node.shared not in nodes or nodes[node.shared].stored != node.stored):
            own = {name: weight for name, weight in (node.stored or {}).items() if id(weight) not in held}
            node = replace(node, shared=None, stored=own)
        held.update(map(id, (node.stored or {}).values()))
        nodes[node.id] = node
    return replace(graph, nodes=nodes)
