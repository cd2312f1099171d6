"""Which values of a model are written window by window: (N·windows, places in a window, C), as rows are.

Attention in windows is then attention of so many more samples, in the form that runtimes know. Between the ways into
windows and out of them all is attention or acts on each position alone, so the order in which positions are written
does not matter there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from archspec import ops
from archspec.ops.fields import along
from compiler.graph import Graph, Node
from compiler.passes.leave_windows_later import acts_alike


@dataclass(frozen=True, slots=True)
class WindowRegion:
    """The windows of some values: the first way into them, their extents, how far the map is rolled before, and whether
    the places of each lie at equal distances. Of `padded` ways the padding is read: by attention."""

    enter: Node
    sizes: tuple[int, ...]
    shifts: tuple[int, ...]
    grid: bool
    padded: frozenset[str]


def choose_windows(graph: Graph, rows: Collection[str]) -> dict[str, WindowRegion]:
    """Choose the nodes whose results are written window by window, by id: of those that are written in rows, all
    between the ways into windows and out of them, where there is attention."""
    found: dict[str, WindowRegion] = {}
    seen: set[str] = set()
    for node in graph:
        if isinstance(node.op, ops.EnterWindows) and node.id not in seen:
            inside = _collect(graph, node)
            seen.update(inside)
            region = _describe(graph, node, inside)
            if region is not None and inside.issubset(rows) and _is_closed(graph, node.op, inside, rows):
                found |= dict.fromkeys(inside, region)
    return found


def _collect(graph: Graph, enter: Node) -> set[str]:
    """Collect what can be reached from a way into windows without going out of them."""
    inside: set[str] = set()
    waiting = [enter]
    while waiting:
        node = waiting.pop()
        if node.id in inside or isinstance(node.op, ops.LeaveWindows):
            continue
        inside.add(node.id)
        waiting += [graph[id] for id in graph.readers[node.id]]
        waiting += [] if isinstance(node.op, ops.EnterWindows) else [graph[id] for id in node.inputs]
    return inside


def _describe(graph: Graph, enter: Node, inside: Collection[str]) -> WindowRegion | None:
    """Describe the windows of these nodes; None where there is no attention, or the windows differ."""
    nodes = [graph[id] for id in inside]
    attentions = [node.op for node in nodes if isinstance(node.op, ops.Attention)]
    ways = [node.op for node in nodes if isinstance(node.op, ops.EnterWindows)]
    assert isinstance(enter.op, ops.EnterWindows)
    size, shift = enter.op.size, enter.op.shift
    same = all((op.size, op.shift) == (size, shift) for op in ways)
    same &= all((op.window, op.shift) == (size, shift) for op in attentions)
    grids = {op.grid for op in attentions}
    if not same or len(grids) != 1 or not all(_can_be_windows(graph, node) for node in nodes):
        return None
    padded = frozenset(
        node.id for node in nodes if isinstance(node.op, ops.EnterWindows) and _reaches_attention(graph, node)
    )
    return WindowRegion(
        enter, along(size, enter.shape, "size"), along(shift, enter.shape, "shift"), grids.pop(), padded
    )


def _reaches_attention(graph: Graph, enter: Node) -> bool:
    """True if attention reads what is computed from a way into windows, and so its padding."""
    waiting, seen = [enter.id], set[str]()
    while waiting:
        id = waiting.pop()
        for reader in (graph[id] for id in graph.readers[id]):
            if isinstance(reader.op, ops.Attention):
                return True
            if reader.id not in seen and not isinstance(reader.op, ops.LeaveWindows):
                seen.add(reader.id)
                waiting.append(reader.id)
    return False


def _is_closed(graph: Graph, way: ops.EnterWindows, inside: Collection[str], rows: Collection[str]) -> bool:
    """True if nothing else reads these values than each other, and ways out of the same windows whose results are in
    rows."""
    if not set(inside).isdisjoint(graph.outputs.values()):
        return False
    for reader in {reader for id in inside for reader in graph.readers[id]} - set(inside):
        node = graph[reader]
        op = node.op
        if not isinstance(op, ops.LeaveWindows) or node.inputs[1] in inside or reader not in rows:
            return False
        if (op.size, op.shift) != (way.size, way.shift):
            return False
    return True


def _can_be_windows(graph: Graph, node: Node) -> bool:
    """True if a node that can be written in rows can be so window by window."""
    if isinstance(node.op, ops.Attention):
        return node.op.window is not None
    return isinstance(node.op, ops.EnterWindows) or acts_alike(graph, node)
