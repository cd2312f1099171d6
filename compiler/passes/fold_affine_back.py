"""A pass that folds batch normalization, scales and shifts into the layers before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archspec.ops import Add, Concat, Kernel
from compiler.graph import Graph, Node
from compiler.passes.affine import MAX_SEARCHED, Affine, Blocked, is_affine, move_before, read_affine
from compiler.passes.base import Journal, Pass
from compiler.passes.kernel import take_behind
from compiler.passes.weight_arrays import WeightArray, WeightArrays


@dataclass(frozen=True)
class FoldAffineBack(Pass):
    """a · (w x + b) + c = (a w) · x + (a b + c): a batch normalization, scale or shift goes into the layer before it.

    BN(γ, β, μ, σ²) is the case a = γ / √(σ² + eps), c = β - a μ. The layer (a convolution, a transposed one, a linear
    layer) may stand further back: behind pooling, cropping, upsampling and flattening, which leave such a function as
    it is (maxima where a ≥ 0), behind a rectifier (where a ≥ 0 and c = 0), or as each operand of a sum or
    concatenation. It holds where nothing else reads a value on the way, and none is an output. Computed in float64,
    stored in the weights' own type.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        taken: dict[str, Affine] = {}
        renamed: dict[str, str] = {}
        search = _BackwardSearch(graph, renamed)
        for node in graph:
            if not is_affine(node.op):
                continue
            try:
                found = search.find(node.inputs[0], read_affine(node, weights))
            except Blocked as block:
                journal.leave(node.id, str(block))
                continue
            for layer, affine in found.items():
                taken[layer] = taken[layer].then(affine) if layer in taken else affine
            renamed[node.id] = node.inputs[0]
            journal.did(node.id, f"folded into {', '.join(found)}")
            search.tell(node, journal)
        return _rewrite(graph, weights, taken, renamed) if taken else (graph, weights)


@dataclass
class _BackwardSearch:
    """The search for the layers before a value that can take a function of it; nodes in `renamed` are taken already."""

    graph: Graph
    renamed: Mapping[str, str]

    def __post_init__(self) -> None:
        self.outputs = set(self.graph.outputs.values())
        self.seen: list[str] = []

    def find(self, id: str, affine: Affine) -> dict[str, Affine]:
        """Find what each of them has to take. Raises Blocked."""
        self.seen = []
        return dict(self._look(id, affine))

    def tell(self, node: Node, journal: Journal) -> None:
        """The node before computes what `node` did, and what is further back what no node did."""
        last, *others = (id for id in self.seen if id not in self.renamed)
        for id in others:
            journal.gives(id, None)
        journal.gives(last, node.id)

    def _look(self, id: str, affine: Affine) -> Iterator[tuple[str, Affine]]:
        self.seen.append(id)
        node = self.graph[id]
        if id in self.outputs:
            raise Blocked(f"{id} is an output")
        if len(self.graph.readers[id]) > 1:
            raise Blocked(f"{id} is read elsewhere too")
        if len(self.seen) > MAX_SEARCHED:
            raise Blocked(f"no layer within {MAX_SEARCHED} nodes before it")
        if id in self.renamed:
            yield from self._look(self.renamed[id], affine)
        elif isinstance(node.op, Kernel):
            if not node.op.stores_kernel:
                raise Blocked(f"{id} stores what its kernel is made of, and no kernel")
            yield id, affine
        else:
            for operand, part in self._split(node, affine):
                yield from self._look(operand, part)

    def _split(self, node: Node, affine: Affine) -> Iterator[tuple[str, Affine]]:
        """Find what each operand would have to be multiplied by and shifted."""
        shapes = self.graph.operands(node)
        if isinstance(node.op, Add):
            for operand in node.inputs:
                yield operand, affine
                affine = Affine(affine.factor, 0 * affine.term)
        elif isinstance(node.op, Concat):
            start = 0
            for operand, shape in zip(node.inputs, shapes, strict=True):
                yield operand, affine.part(start, shape.channels)
                start += shape.channels
        else:
            before = move_before(node.op, affine, shapes[0]) if node.inputs else None
            if before is None:
                raise Blocked(f"{node.id} is no layer that could take it, but {node.op.kind}")
            yield node.inputs[0], before


def _rewrite(
    graph: Graph, weights: WeightArrays, taken: Mapping[str, Affine], renamed: Mapping[str, str]
) -> tuple[Graph, WeightArrays]:
    arrays: dict[str, WeightArray] = dict(weights)
    nodes = []
    for node in graph:
        if node.id in renamed:
            for name in graph.weights_of(node):
                del arrays[name]
        elif node.id in taken:
            assert isinstance(node.op, Kernel)
            nodes.append(take_behind(node, node.op, taken[node.id], arrays))
        else:
            nodes.append(node)
    return graph.with_nodes(nodes, renamed), arrays
