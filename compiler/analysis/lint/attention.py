"""Rules about attention, its windows, and weights that several nodes share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from archspec.ops import Attention, Kernel, Op
from archspec.ops.partition import EnterWindows
from archspec.spec.body import CallNode
from archspec.spec.layers import WeightedNode
from archspec.spec.walking import walk_nodes
from archspec.wording import write_shape
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Graph, Node

KEY = 1
"""The position of the keys among the operands of attention."""


def find_idle_key_biases(context: LintContext) -> Iterable[Hit]:
    keys = {node.id for node in context.graph if _has_bias(node.op) and _is_key_alone(context, node)}
    idle = [context.graph[id] for id in keys if keys.issuperset(context.graph.users[context.graph[id].home])]
    order = {id: i for i, id in enumerate(context.graph.nodes)}

    def tell(group: Sequence[Node]) -> str:
        lost = sum({node.home: node.shape.channels for node in group}.values())
        return f"the bias of this {group[0].op.kind}, {lost:,} parameters, changes no output: it makes keys"

    return at_each_place(sorted(idle, key=lambda node: order[node.id]), tell)


def _has_bias(op: Op) -> bool:
    return isinstance(op, Kernel) and op.bias


def _is_key_alone(context: LintContext, node: Node) -> bool:
    """Tell whether a result is nothing but the keys of attentions that compare by products."""
    readers = [context.graph[id] for id in context.graph.readers[node.id]] if node.id not in context.ends else []
    return bool(readers) and all(
        isinstance(reader.op, Attention)
        and reader.op.similarity == "dot"
        and [place for place, operand in enumerate(reader.inputs) if operand == node.id] == [KEY]
        for reader in readers
    )


def find_padded_windows(context: LintContext) -> Iterable[Hit]:
    padded = [node for node in context.graph if isinstance(node.op, EnterWindows) and _is_short(context, node)]

    def tell(group: Sequence[Node]) -> str:
        before, after = context.operand(group[0]).shape.space, group[0].shape.space
        zeros = f"{prod(after) - prod(before):,} of {prod(after):,} positions"
        return f"a window is larger than the map of {write_shape(before)}: {zeros} that are attended to are padding"

    return at_each_place(padded, tell)


def _is_short(context: LintContext, node: Node) -> bool:
    """Tell whether a map is one window along some axis, and shorter than it."""
    extents = zip(context.operand(node).shape.space, node.shape.space, _sizes(node), strict=True)
    return any(before < after == size for before, after, size in extents)


def _sizes(node: Node) -> tuple[int, ...]:
    assert isinstance(node.op, EnterWindows)
    size = node.op.size
    return size if isinstance(size, tuple) else (size,) * node.shape.rank


def find_lone_labels(context: LintContext) -> Iterator[Hit]:
    graph = context.graph
    for spec_node in (each for body in context.bodies for each in walk_nodes(body)):
        if not isinstance(spec_node, WeightedNode) or spec_node.share is None:
            continue
        made = _list_made(graph, spec_node)
        if not made:
            continue
        label, holders = spec_node.share.text, [node for node in made if graph.weights_of(node)]
        ids, calls = tuple(node.id for node in made), made[0].source.calls
        if not holders and not _takes_bodies(context, spec_node):
            yield Hit(f"there are no weights to share by the label '{label}'", spec_node.place, ids, calls)
        elif holders and all(len(graph.users[node.home]) == 1 for node in holders):
            yield Hit(f"nothing else shares weights by the label '{label}'", spec_node.place, ids, calls)


def _list_made(graph: Graph, spec_node: WeightedNode) -> list[Node]:
    """List what a graph has of a node of a spec and of what stands inside it, blocks that are called there included."""
    inside = {each.place for each in walk_nodes(spec_node)}
    return [node for node in graph if inside.intersection((node.source.place, *(at.place for at in node.source.calls)))]


def _takes_bodies(context: LintContext, spec_node: WeightedNode) -> bool:
    """Tell whether a body stands inside a node that was handed to its block, and has its own places."""
    return any(isinstance(each, CallNode) and each.block not in context.blocks for each in walk_nodes(spec_node))


RULES = (
    LintRule(
        "idle-key-bias",
        "a bias of keys changes nothing that attention computes",
        "give it `bias: false`",
        "What a bias adds to all keys adds the same number to all scores of a query, and the softmax takes it away "
        "again: no output depends on it, and its gradient is zero. It stands in many published networks, and their "
        "weights need it. Cosines depend on it, and are not reported.",
        check=find_idle_key_biases,
    ),
    LintRule(
        "padded-window",
        "a window is larger than the map",
        "take a larger input, or a smaller window",
        "Windows pad a map to whole windows, and attention sees the zeros as it sees the map: it is given what lies "
        "beyond the end, which was not there in training, and computes it.",
        check=find_padded_windows,
    ),
    LintRule(
        "lone-share",
        "a label of shared weights joins nothing",
        "remove it, or give it to the other node",
        "`share` gives the nodes with one label one set of weights. With one node, or none that has weights, it only "
        "renames them: usually the other label has a slip, or stands in another block, where it is another one.",
        check=find_lone_labels,
    ),
)
