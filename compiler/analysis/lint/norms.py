"""Rules about normalizations, and what they take back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archspec import ops
from archspec.ops import Op, Shape
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Graph, Node


def find_lost_terms(context: LintContext) -> Iterable[Hit]:
    graph = context.graph
    losing = _find_losing(context)
    lost = [node for node in graph if _has_terms(node.op) and losing.issuperset(graph.users[node.home])]

    def tell(group: Sequence[Node]) -> str:
        first = group[0]
        is_shift = isinstance(first.op, ops.Shift)
        parameters = context.count_parameters(group) if is_shift else _count_terms(group)
        norms = dict.fromkeys(norm.op.kind for norm in _find_norms(graph, first))
        what = "what this shift adds" if is_shift else f"the bias of this {first.op.kind}"
        return f"{what}, {parameters:,} parameters, is lost in the {' and '.join(norms)}"

    return at_each_place(lost, tell)


def _has_terms(op: Op) -> bool:
    """Tell whether an operation adds learned numbers, one for each channel or one for all."""
    return (isinstance(op, ops.Kernel) and op.bias) or (isinstance(op, ops.Shift) and op.trainable)


def _count_terms(nodes: Iterable[Node]) -> int:
    return sum({node.home: node.shape.channels for node in nodes}.values())


def _find_losing(context: LintContext) -> set[str]:
    """The nodes to whose channels one may add any constants: no output changes."""
    graph = context.graph
    losing: set[str] = set()
    for node in reversed(list(graph)):
        readers = [graph[reader] for reader in graph.readers[node.id]] if node.id not in context.ends else []
        if readers and all(_loses(graph, reader, losing) for reader in readers):
            losing.add(node.id)
    return losing


def _loses(graph: Graph, reader: Node, losing: set[str]) -> bool:
    return subtracts_means(reader.op, graph[reader.inputs[0]].shape) or (reader.op.passes_terms and reader.id in losing)


def subtracts_means(op: Op, x: Shape) -> bool:
    """Tell whether a normalization subtracts from each channel a mean of its own."""
    one_each = isinstance(op, ops.GroupNorm) and op.groups == x.channels
    of_one = isinstance(op, ops.LayerNorm) and x.channels == 1
    return isinstance(op, ops.BatchNorm | ops.InstanceNorm) or one_each or of_one


def _find_norms(graph: Graph, node: Node) -> Iterator[Node]:
    """The normalizations that a value reaches, past what passes constants on."""
    pending, seen = list(graph.readers[node.id]), set(graph.readers[node.id])
    while pending:
        reader = graph[pending.pop(0)]
        if isinstance(reader.op, ops.Normalization):
            yield reader
            continue
        pending += [id for id in graph.readers[reader.id] if id not in seen]
        seen.update(graph.readers[reader.id])


def find_repeated_norms(context: LintContext) -> Iterable[Hit]:
    again = [
        node
        for node in context.graph
        if isinstance(node.op, ops.Normalization)
        and len(context.readers(context.operand(node))) == 1
        and _undoes(node.op, context.operand(node).op, node.shape)
    ]
    return at_each_place(again, lambda group: f"this {group[0].op.kind} undoes the normalization right before it")


def _undoes(second: Op, first: Op, x: Shape) -> bool:
    """Tell whether a normalization sets anew all that the one before it set: means and variances of single channels, or
    of the same numbers where the first learns nothing of its own."""
    if subtracts_means(second, x) and subtracts_means(first, x):
        return True
    match first, second:
        case (ops.LayerNorm(affine=False, over=before), ops.LayerNorm(over=after)):
            return before == after
        case (ops.GroupNorm(affine=False, groups=before), ops.GroupNorm(groups=after)):
            return before == after
        case _:
            return False


def find_dropout_before_norm(context: LintContext) -> Iterable[Hit]:
    dropouts = [
        node
        for node in context.graph
        if isinstance(node.op, ops.Dropout)
        and node.op.rate > 0
        and any(isinstance(op, ops.BatchNorm) for op in context.readers(node))
    ]

    def tell(group: Sequence[Node]) -> str:
        rate = group[0].op.rate if isinstance(group[0].op, ops.Dropout) else 0
        return f"batch normalization right behind this dropout learns variances up to 1 / {1 - rate:g} too large"

    return at_each_place(dropouts, tell)


RULES = (
    LintRule(
        "bias-before-norm",
        "a bias is lost in the normalization behind it",
        "give it `bias: false`, here or in `defaults`",
        "Batch normalization subtracts from each channel its mean, and with it any constant that was added to the "
        "channel; so does instance normalization, and group normalization with a group for each channel. The bias has "
        "no effect and gets no gradient; the normalization has a bias of its own. Scaling, pooling without a padding, "
        "upsampling, cropping, flattening and concatenation between them pass the constant on; a learned `shift` is "
        "lost like a bias. Layer normalization subtracts one mean from all channels, so there a bias is not lost, "
        "unless there is a single channel.",
        check=find_lost_terms,
        remedy_of_files="export the network without it",
    ),
    LintRule(
        "repeated-norm",
        "a normalization stands right behind another that it undoes",
        "remove one of them",
        "Batch and instance normalization set mean and variance of each channel anew: the scale and the shift of one "
        "right before have no effect but the sign. Layer and group normalization behind one over the same numbers, "
        "without scale and shift of its own, find means of zero and variances of one.",
        check=find_repeated_norms,
    ),
    LintRule(
        "dropout-before-norm",
        "dropout stands right before a batch normalization",
        "move the dropout behind the normalization and its activation",
        "While training, dropout multiplies second moments by 1 / (1 - rate), and batch normalization learns that "
        "variance; at inference dropout does nothing, and the variance is too large (Li et al., 2019).",
        check=find_dropout_before_norm,
    ),
)
