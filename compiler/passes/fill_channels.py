"""A pass that fills narrow pieces of dense blocks up to whole blocks of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.ops import BatchNorm, Concat, Conv, Flatten, Linear, Shape
from archspec.ops.pooling import Pool
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import LazyArray, WeightArray, WeightArrays


@dataclass(frozen=True)
class FillChannels(Pass):
    """In a dense block a convolution to fewer than 16 channels gives 16, the others zeros; where 16 channels of zeros
    have come together, a 1×1 convolution packs the pieces that hold them.

    ONNX Runtime concatenates in its blocked layout only whole blocks of 16. Filling every piece for good costs more
    than that: the layers that follow read the zeros. So four pieces of 12 channels are read as 64 by three layers at
    most, and then as 48. A block's first and last convolutions are filled too. All filled channels meet kernels of
    zeros. It holds where nothing but convolutions, linear layers and what keeps zeros reads such a value.
    """

    block: int = 16

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        narrow = _find_narrow(graph, self.block)
        blocker = _find_blocker(graph, narrow)
        if blocker is not None:
            for id in narrow:
                journal.leave(id, f"{blocker} cannot take channels beside its own")
        if blocker is not None or not narrow:
            return graph, weights
        writer = _GraphWriter(graph, dict(weights), narrow, self.block, journal)
        for node in graph:
            writer.write(node)
        return replace(graph, nodes={node.id: node for node in writer.nodes}), writer.arrays


def _find_narrow(graph: Graph, block: int) -> frozenset[str]:
    """Find convolutions of a dense block that give no whole blocks; none where all of them are wider than a block."""
    dense = {node.id for node in graph if isinstance(node.op, Concat) and _continues(graph, node)}
    feeding: set[str] = set()
    for node in reversed(list(graph)):
        readers = [graph[id] for id in graph.readers[node.id]]
        if any(reader.id in dense or (isinstance(reader.op, Pool) and reader.id in feeding) for reader in readers):
            feeding.add(node.id)
    found = [node for node in graph if node.id in feeding and _can_fill(node) and node.shape.channels % block]
    return frozenset(node.id for node in found) if any(node.shape.channels < block for node in found) else frozenset()


def _continues(graph: Graph, node: Node) -> bool:
    """Tell whether a concatenation's result begins another one, or is begun by one: a layer of a dense block."""
    before = isinstance(graph[node.inputs[0]].op, Concat)
    return before or any(
        isinstance(graph[id].op, Concat) and graph[id].inputs[0] == node.id for id in graph.readers[node.id]
    )


def _can_fill(node: Node) -> bool:
    return isinstance(node.op, Conv) and node.op.groups == 1 and node.op.stores_kernel and node.shape.rank == 2


def _carries(graph: Graph, node: Node) -> bool:
    """Tell whether an operation passes channels of zeros on as channels of zeros; a batch normalization gets no term
    there, and no other operation weights for them."""
    return isinstance(node.op, BatchNorm) or (node.op.keeps_zeros and not graph.weights_of(node))


def _find_blocker(graph: Graph, narrow: frozenset[str]) -> str | None:
    """The first node that would meet filled channels and cannot, or an output that would have them."""
    filled = set(narrow)
    for node in graph:
        if filled.isdisjoint(node.inputs):
            continue
        if _carries(graph, node):
            filled.add(node.id)
        elif not ((isinstance(node.op, Linear) and node.op.stores_kernel) or _can_fill(node)):
            return node.id
    return next((f"the output {name}" for name, id in graph.outputs.items() if id in filled), None)


@dataclass(frozen=True, eq=False, slots=True)
class _ChannelLayout:
    """The places of a value's channels among `width`; the others are zeros."""

    width: int
    places: NDArray[np.intp]

    @property
    def fill(self) -> int:
        return self.width - len(self.places)

    def flatten(self, positions: int) -> _ChannelLayout:
        places = self.places[:, None] * positions + np.arange(positions)
        return _ChannelLayout(self.width * positions, places.reshape(-1))


def _lay_out(channels: int, block: int = 1) -> _ChannelLayout:
    """The channels one after the other, filled up to a multiple of `block`."""
    return _ChannelLayout(-(-channels // block) * block, np.arange(channels))


def _line_up(layouts: Sequence[_ChannelLayout]) -> _ChannelLayout:
    """The layout of their concatenation."""
    starts = np.cumsum([0, *(layout.width for layout in layouts)])
    places = [layout.places + start for layout, start in zip(layouts, starts[:-1], strict=True)]
    return _ChannelLayout(int(starts[-1]), np.concatenate(places))


@dataclass
class _GraphWriter:
    """The graph after the pass, node by node. `pieces` are what a concatenation's result is begun by and consists of:
    a value without filled channels, or none, and then pieces that are not packed yet."""

    graph: Graph
    arrays: dict[str, WeightArray]
    narrow: frozenset[str]
    block: int
    journal: Journal
    nodes: list[Node] = field(default_factory=list)
    layouts: dict[str, _ChannelLayout] = field(default_factory=dict)
    pieces: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def write(self, node: Node) -> None:
        given = [self.layouts[id] for id in node.inputs]
        match node.op:
            case Concat():
                self._write_concat(node)
            case Conv() | Linear() if node.id in self.narrow or given[0].fill:
                self._write_kernel(node, node.op, given[0])
            case Flatten():
                positions = self.graph[node.inputs[0]].shape.elements // self.graph[node.inputs[0]].shape.channels
                self._append(node, given[0].flatten(positions))
            case BatchNorm() if given[0].fill:
                for name in self.graph.weights_of(node):
                    self._spread(name, [given[0]], 1.0 if name.endswith("running_var") else 0.0)
                self._append(node, given[0])
            case _ if _carries(self.graph, node) and given[0].fill:
                self._append(node, given[0])
            case _:
                self._append(node, _lay_out(node.shape.channels))

    def _write_kernel(self, node: Node, op: Conv | Linear, given: _ChannelLayout) -> None:
        made = _lay_out(op.out, self.block if node.id in self.narrow else 1)
        self._spread(f"{node.id}.weight", [made, given])
        if op.bias and made.fill:
            self._spread(f"{node.id}.bias", [made])
        if made.fill:
            self.journal.did(node.id, f"its {op.out} channels filled up to {made.width}")
        self._append(replace(node, op=op.model_copy(update={"out": made.width})), made)

    def _write_concat(self, node: Node) -> None:
        start, *rest = node.inputs
        closed, open = self.pieces.get(start) or self._as_pieces(start)
        open = (*open, *rest)
        if node.shape.rank and sum(self.layouts[id].fill for id in open) >= self.block:
            # With nothing before them the packed pieces are the whole result, and take its name.
            packed = f"{node.id}.packed" if closed else node.id
            self._pack(node, open, packed)
            open = (packed,)
        inputs = (*closed, *open)
        if inputs != (node.id,):
            self._append(replace(node, inputs=inputs, body=None), _line_up([self.layouts[id] for id in inputs]))
        whole = not any(self.layouts[id].fill for id in open)
        self.pieces[node.id] = ((node.id,), ()) if whole else (closed, open)

    def _as_pieces(self, id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return ((), (id,)) if self.layouts[id].fill else ((id,), ())

    def _pack(self, node: Node, open: tuple[str, ...], id: str) -> None:
        """A 1×1 convolution of zeros and ones, to the pieces' own channels and as few more as fill a block."""
        given = _line_up([self.layouts[piece] for piece in open])
        made = _lay_out(len(given.places), self.block)
        pieces = replace(node, id=f"{node.id}.pieces", inputs=open, body=None)
        self._append(pieces, given)
        self.journal.gives(pieces.id, None)
        kernel = np.zeros((made.width, given.width, 1, 1), self._dtype)
        kernel[made.places, given.places] = 1
        self.arrays[f"{id}.weight"] = kernel
        packed = replace(node, id=id, op=Conv(out=made.width, kernel=1, bias=False), inputs=(pieces.id,), body=None)
        self._append(packed, made)
        self.journal.did(node.id, f"{given.width} channels, of which {given.fill} are zeros, packed to {made.width}")
        if id != node.id:
            self.journal.gives(id, None)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return next(iter(self.arrays.values())).dtype

    def _append(self, node: Node, layout: _ChannelLayout) -> None:
        self.nodes.append(replace(node, shape=Shape(layout.width, *node.shape.space)))
        self.layouts[node.id] = layout
        if layout.fill:
            self.journal.gives(node.id, None)

    def _spread(self, name: str, axes: Sequence[_ChannelLayout], filling: float = 0.0) -> None:
        """Lay a stored tensor's first axes out so."""
        given = self.arrays[name]
        shape = (*(layout.width for layout in axes), *given.shape[len(axes) :])

        def compute() -> NDArray[Any]:
            wide = np.full(shape, filling, given.dtype)
            wide[np.ix_(*(layout.places for layout in axes))] = np.asarray(given)
            return wide

        self.arrays[name] = LazyArray(shape, given.dtype, compute)
