"""The values of its dynamic sizes that a graph accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.ops import OpError, Shape, Weights
from compiler.graph import Graph, Node
from compiler.onnx_file.accepted import AcceptedSize
from compiler.sizes.extents import GraphExtents
from compiler.sizes.size_values import SizeValues


def accepted_sizes(graph: Graph, *, keep_weights: bool = True) -> dict[str, AcceptedSize]:
    """Find for each dynamic size the values that fit the graph, the other sizes as they are.

    With `keep_weights` they fit the shapes of its weights too, and the extents that belong to a trained network. Sizes
    whose rules do not name each other may take any of their values at once.

    >>> graph = archspec.elaborate(archspec.load("resnet_digits"))
    >>> {name: str(size) for name, size in archspec.accepted_sizes(graph).items()}
    {'H': 'any from 1', 'W': 'any from 1'}
    """
    extents = GraphExtents(graph.sizes, graph)
    bonds = find_bonds(extents, keep_weights=keep_weights)
    return {name: SizeValues(extents, name, keep_weights=keep_weights).find_row(bonds[name]) for name in graph.sizes}


def fits(graph: Graph, sizes: Mapping[str, int], *, keep_weights: bool = True) -> bool:
    """Tell whether the graph can be evaluated at other sizes, with the weights it has or with any."""
    try:
        shapes = graph.infer(sizes)
    except OpError:
        return False
    changed = {node.id for node in graph if shapes[node.id] != node.shape} if keep_weights else set()
    readers = [graph[reader] for reader in {reader for id in changed for reader in graph.readers[id]}]
    return all(_has_same(node, graph.operands(node), [shapes[operand] for operand in node.inputs]) for node in readers)


def _has_same(node: Node, own: Sequence[Shape], other: Sequence[Shape]) -> bool:
    """Tell whether a node has weights of the same shapes on other operands, and the extents that belong to it."""
    same = _shapes_of(node.op.weights(*own)) == _shapes_of(node.op.weights(*other))
    return same and all(own[0][axis] == other[0][axis] for axis in node.op.fixed_axes(own[0]))


def find_whole_row(graph: Graph, name: str) -> AcceptedSize:
    """Find what one size accepts, with any weights: the row of values through a multiple of its step, of which no
    stride loses a position, where such a value fits."""
    rule = _find_row(graph, name)
    whole = {name: -(-rule.value // rule.step) * rule.step} if rule.dynamic else {}
    if whole in ({}, {name: rule.value}) or not fits(graph, whole, keep_weights=False):
        return rule
    return _find_row(graph.resize(whole), name)


def _find_row(graph: Graph, name: str) -> AcceptedSize:
    extents = GraphExtents(graph.sizes, graph)
    return SizeValues(extents, name).find_row(find_bonds(extents, keep_weights=False)[name])


def drop_idle_fits(graph: Graph) -> Graph:
    """Leave out what brings values to one size and does nothing at any size."""
    idle = find_idle(graph)
    renamed = {id: graph[id].inputs[0] for id in idle}
    return graph.with_nodes((node for node in graph if node.id not in idle), renamed) if idle else graph


def find_idle(graph: Graph) -> set[str]:
    """Find what brings values to one size, and does nothing at any size that fits."""
    idle = {node.id for node in graph if node.op.fits_extents and node.shape == graph.operands(node)[0]}
    if not idle or not graph.sizes:
        return idle
    extents = GraphExtents(graph.sizes, graph)
    pairs = {id: [*zip(extents.of[graph[id].inputs[0]], extents.of[id], strict=True)] for id in idle}
    equal = find_equal(extents, {pair for found in pairs.values() for pair in found})
    return {id for id, found in pairs.items() if equal.issuperset(found)}


def find_equal(extents: GraphExtents, pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Find the pairs of extents that are equal at all sizes that fit. Where they follow several sizes, or too many
    values would have to be looked at, that is known only of those that are one function."""
    equal = {(one, other) for one, other in pairs if one == other}
    letters = {pair: extents.all[pair[0]].letters | extents.all[pair[1]].letters for pair in pairs - equal}
    for name in extents.sizes:
        single = {pair for pair, found in letters.items() if found == {name}}
        if single:
            values = SizeValues(extents, name)
            rows = [row for row in map(values.compute, values.list_telling() or ()) if row]
            equal |= {(one, other) for one, other in single if rows and all(row[one] == row[other] for row in rows)}
    return equal


def find_bonds(extents: GraphExtents, *, keep_weights: bool) -> dict[str, dict[str, int]]:
    """Find for each size those that it depends on, with their values: through what compares or refuses extents that
    follow both, perhaps by way of others."""
    tied = [extents.letters(condition.operands) for condition in extents.conditions]
    tied += [extents.letters([kept]) for kept in extents.kept] if keep_weights else []
    tied += [extent.letters for extent in extents.all if len(extent.letters) > 1 and extent.law.refuses]
    groups = {name: {name} for name in extents.sizes}
    for letters in tied:
        joined = set[str]().union(*(groups[name] for name in letters))
        groups |= dict.fromkeys(joined, joined)
    return {
        name: {other: extents.sizes[other] for other in extents.sizes if other in group and other != name}
        for name, group in groups.items()
    }


def _shapes_of(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: weight.shape for name, weight in weights.items()}
