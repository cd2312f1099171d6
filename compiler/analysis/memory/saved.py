"""The tensors that torch's autograd keeps between forward and backward, and the storage in which each value lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.ops import Saved, Shape
from archspec.ops.values import Casting, Layout
from compiler.graph import Graph, Node

FULL = 4
"""The bytes of a number that mixed precision does not shorten."""
INDEX = 8
"""The bytes of an index, as torch keeps it."""


def find_layouts(graph: Graph, batch: int) -> dict[str, Layout]:
    """Find the order of axes in which each value lies in memory; inputs lie in the order of their axes."""
    layouts: dict[str, Layout] = {}
    # repeated blocks share their operations
    known: dict[tuple[int, tuple[Layout, ...], tuple[Shape, ...]], Layout] = {}
    for node in graph:
        if not node.inputs:
            layouts[node.id] = Layout()
            continue
        key = id(node.op), tuple([layouts[operand] for operand in node.inputs]), graph.operands(node)
        if key not in known:
            known[key] = _lay(node, key[1], key[2], batch)
        layouts[node.id] = known[key]
    return layouts


def _lay(node: Node, layouts: tuple[Layout, ...], shapes: tuple[Shape, ...], batch: int) -> Layout:
    """Lay out a result. What is its operand, as dropout at inference, lies as that does."""
    same = node.op.is_view(*shapes, training=True) and node.shape == shapes[0]
    return layouts[0] if same else node.op.lay(layouts, *shapes, batch=batch)


def find_storages(graph: Graph, layouts: Mapping[str, Layout], *, training: bool) -> dict[str, str]:
    """Find for each node the node in whose storage its result lies: itself, unless it is a view. A value that is not in
    order is copied to be flattened."""
    roots: dict[str, str] = {}
    for node in graph:
        view = bool(node.inputs) and node.op.is_view(*graph.operands(node), training=training)
        copied = view and node.op.straightens(layouts[node.inputs[0]], graph[node.inputs[0]].shape)
        roots[node.id] = roots[node.inputs[0]] if view and not copied else node.id
    return roots


def count_saved(graph: Graph, layouts: Mapping[str, Layout], batch: int, narrow: int) -> dict[str, int]:
    """Count the bytes that each node leaves to the backward pass: its value if anybody keeps it, and what itself keeps.
    `narrow` are the bytes of a number that autocast shortens."""
    roots, wants = find_storages(graph, layouts, training=True), _find_wants(graph)
    widths: dict[str, int] = {}
    held: set[str] = set()
    own: dict[str, int] = {}
    for node in graph:
        shapes = graph.operands(node)
        operands = [widths[operand] for operand in node.inputs]
        casting = node.op.casting(*shapes) if node.inputs else "full"
        width = _find_width(casting, operands[: node.op.data_inputs], narrow)
        widths[node.id] = INDEX if node.holds_integers else width
        if not wants[node.id]:
            continue
        kept = node.op.saved_for_backward(
            *shapes, batch=batch, needs=tuple(wants[operand] for operand in node.data_inputs)
        )
        cast = casting in ("narrow", "full")
        cast = cast and node.op.takes == "float"
        copied = {position for position in kept.operands if cast and operands[position] != width}
        copied |= {0} & {*kept.operands} if node.op.straightens(layouts[node.inputs[0]], shapes[0]) else set()
        held |= {roots[node.inputs[position]] for position in kept.operands if position not in copied}
        held |= {roots[node.id]} if kept.result else set()
        copies = sum(shapes[position].elements for position in copied)
        products = sum(max(operands[:count]) * elements for count, elements in kept.products)
        # an earlier node has made the copy
        shared = not graph.holds(node) or (node.stored is not None and "weight" not in node.stored)
        own[node.id] = width * batch * copies + products + _count_own(kept, width, shared=shared)
    for id in held:
        own[id] = own.get(id, 0) + widths[id] * batch * graph[id].shape.elements
    return {node.id: own[node.id] for node in graph if own.get(node.id)}


def _find_width(casting: Casting, operands: Sequence[int], narrow: int) -> int:
    """The bytes of a number in which an operation is computed, and its result."""
    if casting == "narrow":
        return narrow
    return max(operands) if casting == "widest" else FULL


def _count_own(kept: Saved, width: int, *, shared: bool) -> int:
    copies = width * kept.kernels if width < FULL and not shared else 0
    return width * kept.values + FULL * kept.full + INDEX * kept.indices + copies


def _find_wants(graph: Graph) -> Mapping[str, bool]:
    """Find whether a gradient reaches each node's result; what none passes through keeps nothing."""
    wants: dict[str, bool] = {}
    for node in graph:
        learns = any(weight.trainable for weight in node.op.weights(*graph.operands(node)).values())
        wants[node.id] = node.op.differentiable and (learns or any(wants[operand] for operand in node.data_inputs))
    return wants
