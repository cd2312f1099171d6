"""A pass that leaves windows behind residual sums instead of before them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.ops import Add, Attention, EnterWindows, LeaveWindows, Shape
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays


@dataclass(frozen=True)
class LeaveWindowsLater(Pass):
    """x + leave(y)  =  leave(enter(x) + y), and leave(x) + f(leave(x))  =  leave(x + f(x)), where f acts on each
    position by itself.

    So attention in windows stands right before a residual sum, and a layer normalization behind it, as optimizers for
    transformers look for it. What lies in the padding of windows is computed too, and cut off with it.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        before = graph
        for id in [node.id for node in graph if isinstance(node.op, LeaveWindows)]:
            last: str | None = id
            while last is not None and _holds_products(graph, graph[last]):
                graph, last = _move(graph, graph[last], journal)
        return (graph, weights) if graph is before else (graph.with_nodes(graph), weights)


def _holds_products(graph: Graph, leave: Node) -> bool:
    """True if what is computed in the windows is attention by products, which alone optimizers know."""
    found, waiting, seen = False, [leave.inputs[0]], set[str]()
    while waiting:
        node = graph[waiting.pop()]
        if node.id in seen or isinstance(node.op, EnterWindows):
            continue
        seen.add(node.id)
        waiting += node.data_inputs
        if isinstance(node.op, Attention):
            if node.op.similarity != "dot":
                return False
            found = True
    return found


def _move(graph: Graph, leave: Node, journal: Journal) -> tuple[Graph, str | None]:
    """Move a way out of windows behind the next sum; the graph then, and the way out in it. None where it stays."""
    found = _find_sum(graph, leave)
    if not found:
        return graph, None
    *inner, last = found
    windows = graph[leave.inputs[0]]
    shapes, nodes = {leave.id: windows.shape}, list[Node]()
    for node in graph:
        if node is last:
            nodes += _end(graph, leave, last, set(shapes), journal)
        elif node in inner:
            shapes[node.id] = node.op.infer(*(shapes[id] for id in node.inputs))
            inputs = tuple(windows.id if id == leave.id else id for id in node.inputs)
            nodes.append(replace(node, shape=shapes[node.id], inputs=inputs))
            journal.gives(node.id, None)
        elif node is not leave:
            nodes.append(node)
    journal.did(leave.id, f"moved behind {last.id}")
    return graph.with_nodes(nodes), last.id


def _end(graph: Graph, leave: Node, last: Node, inside: set[str], journal: Journal) -> list[Node]:
    """The sum in the windows, what it needs besides, and the way out, under the sum's name."""
    windows = graph[leave.inputs[0]]
    ways = {id: _enter(graph[id], leave, last) for id in last.inputs if id not in inside}
    inputs = [ways[id].id if id in ways else windows.id if id == leave.id else id for id in last.inputs]
    shape = Shape(last.shape.channels, *windows.shape.space)
    total = replace(last, id=f"{last.id}.windows", inputs=tuple(inputs), shape=shape)
    for node in (*ways.values(), total):
        journal.gives(node.id, None)
    return [*ways.values(), total, replace(leave, id=last.id, inputs=(total.id, leave.inputs[1]), shape=last.shape)]


def _enter(x: Node, leave: Node, last: Node) -> Node:
    """The way into the same windows for what is added to their result."""
    assert isinstance(leave.op, LeaveWindows)
    op = EnterWindows(size=leave.op.size, shift=leave.op.shift)
    return Node(f"{last.id}.enter", op, (x.id,), op.infer(x.shape), last.source)


def _find_sum(graph: Graph, leave: Node) -> list[Node]:
    """The nodes from a way out of windows to the sum of two values that all its readers lead to, which is last; none
    where something on the way looks beyond its own position, or is read elsewhere."""
    inside, found, ends = {leave.id}, list[Node](), set(graph.outputs.values())
    for node in graph:
        if inside.isdisjoint(node.inputs) or node is leave:
            continue
        if not acts_alike(graph, node):
            return []
        found.append(node)
        inside.add(node.id)
        read = [id for id in inside if id in ends or not inside.issuperset(graph.readers[id])]
        if read == [node.id] and isinstance(node.op, Add) and len(node.inputs) == 2:
            return found
        if not inside.issuperset(node.inputs):
            return []
    return []


def acts_alike(graph: Graph, node: Node) -> bool:
    """True if each position of the result comes from the same position of the operands, in the same way for all."""
    shapes = graph.operands(node)
    if isinstance(node.op, EnterWindows | LeaveWindows) or node.data_inputs != node.inputs:
        return False
    if not node.op.acts_alone(*shapes):
        return False
    larger = [Shape(x.channels, *(2 * extent for extent in x.space)) for x in shapes]
    return node.op.weights(*shapes) == node.op.weights(*larger)
