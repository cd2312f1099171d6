"""A pass that folds batch normalization, scales and shifts into the layers behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archspec.ops import Kernel
from compiler.graph import Graph, Node
from compiler.passes.affine import MAX_SEARCHED, Affine, Blocked, is_affine, move_behind, read_affine
from compiler.passes.base import Journal, Pass
from compiler.passes.kernel import take_before, takes_before
from compiler.passes.weight_arrays import WeightArray, WeightArrays


@dataclass(frozen=True)
class FoldAffineForward(Pass):
    """w (a · x + c) + b = (w a) · x + (b + Σ w c): a batch normalization, scale or shift goes into the layer behind.

    It holds where each result of a layer sees the whole kernel: for a convolution without padding and a linear layer,
    for a transposed convolution with a single tap, and for any of them where c = 0, since padded zeros are not shifted.
    Pooling, cropping, upsampling and flattening may stand between, and a rectifier where a ≥ 0 and c = 0. Every reader
    must be able to take it, and no value on the way is an output. Computed in float64, stored in the weights' own type.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays: dict[str, WeightArray] = dict(weights)
        nodes = dict(graph.nodes)
        renamed: dict[str, str] = {}
        for node in graph:
            if not is_affine(node.op):
                continue
            search = _ForwardSearch(graph, set(graph.outputs.values()))
            try:
                found = list(search.find(node, read_affine(node, weights)))
            except Blocked as block:
                journal.leave(node.id, str(block))
                continue
            for layer, affine in found:
                layer = nodes[layer.id]  # which may have taken another one
                assert isinstance(layer.op, Kernel)
                nodes[layer.id] = take_before(layer, layer.op, affine, arrays)
            for name in graph.weights_of(node):
                del arrays[name]
            del nodes[node.id]
            renamed[node.id] = node.inputs[0]
            journal.did(node.id, f"folded into {', '.join(layer.id for layer, _ in found)}")
            for id in search.between:
                journal.gives(id, None)
        return (graph.with_nodes(nodes.values(), renamed), arrays) if renamed else (graph, weights)


@dataclass
class _ForwardSearch:
    """The search for the layers behind a value, all of which can take a function of it."""

    graph: Graph
    outputs: set[str]
    between: list[str] = field(default_factory=list)

    def find(self, node: Node, affine: Affine) -> Iterator[tuple[Node, Affine]]:
        """Find each of them with the function of its own operand. Raises Blocked."""
        if node.id in self.outputs:
            raise Blocked(f"{node.id} is an output")
        readers = [self.graph[id] for id in self.graph.readers[node.id]]
        if not readers:
            raise Blocked(f"nothing reads {node.id}")
        if len(self.between) + len(readers) > MAX_SEARCHED:
            raise Blocked(f"more than {MAX_SEARCHED} nodes read it")
        for reader in readers:
            yield from self._look(reader, affine, node)

    def _look(self, reader: Node, affine: Affine, node: Node) -> Iterator[tuple[Node, Affine]]:
        if isinstance(reader.op, Kernel):
            if not reader.op.stores_kernel:
                raise Blocked(f"{reader.id} stores what its kernel is made of, and no kernel")
            if node.id in reader.inputs[1:]:
                raise Blocked(f"{reader.id} reads it as another operand than the one that it convolves")
            if not takes_before(reader.op, affine, node.shape):
                raise Blocked(f"{reader.id} does not see all of its kernel at each position, as a shift needs")
            yield reader, affine
            return
        behind = move_behind(reader.op, affine, node.shape) if reader.data_inputs == (node.id,) else None
        if behind is None:
            raise Blocked(f"{reader.id} is no layer that could take it, but {reader.op.kind}")
        self.between.append(reader.id)
        yield from self.find(reader, behind)
