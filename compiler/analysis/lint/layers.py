"""Rules about layers that follow each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archspec.ops import Conv, Flatten, Input, Linear, Op, Relu, Relu6, Softmax
from archspec.ops.scalar import Activation
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Node
from compiler.value_bounds import is_idle


def find_early_relus(context: LintContext) -> Iterable[Hit]:
    raw: set[str] = set()
    for node in context.graph:
        if isinstance(node.op, Input) or (_moves(node.op) and raw.issuperset(node.data_inputs)):
            raw.add(node.id)
    early = [node for node in context.graph if isinstance(node.op, Relu | Relu6) and raw.issuperset(node.data_inputs)]
    return at_each_place(early, lambda group: f"this {group[0].op.kind} sets what is negative in the input to zero")


def _moves(op: Op) -> bool:
    """Tell whether an operation passes on the input's own values, or moves and scales them by channel."""
    return op.family in ("norm", "resize", "chance") or op.joins


def find_idle_relus(context: LintContext) -> Iterable[Hit]:
    idle = [
        node
        for node in context.graph
        if isinstance(node.op, Activation) and is_idle(node.op, context.bounds[node.inputs[0]])
    ]

    def tell(group: Sequence[Node]) -> str:
        above = " nor above six" if isinstance(group[0].op, Relu6) else ""
        return f"this {group[0].op.kind} changes nothing: what it reads is never negative{above}"

    return at_each_place(idle, tell)


def find_linear_pairs(context: LintContext) -> Iterable[Hit]:
    second = [node for node in context.graph if node.inputs and _joins_linear(context, context.operand(node), node)]

    def tell(group: Sequence[Node]) -> str:
        first = context.operand(group[0])
        return f"this {group[0].op.kind} reads a {first.op.kind} with nothing between them: both are one linear map"

    return at_each_place(second, tell)


def _joins_linear(context: LintContext, first: Node, second: Node) -> bool:
    """Tell whether one layer could say what these two do; a narrow waist between them would save weights."""
    if len(context.readers(first)) != 1 or not _are_one(first.op, second.op):
        return False
    start = context.operand(first).shape.channels
    return first.shape.channels >= min(start, second.shape.channels)


def _are_one(first: Op, second: Op) -> bool:
    if isinstance(first, Conv) and isinstance(second, Conv):
        return first.groups == second.groups == 1 and (_is_single(first) or _is_single(second))
    return isinstance(first, Linear) and isinstance(second, Linear)


def _is_single(op: Conv) -> bool:
    """Tell whether the kernel is a single tap."""
    return {*op.kernel} == {1} if isinstance(op.kernel, tuple) else op.kernel == 1


def find_softmax_outputs(context: LintContext) -> Iterable[Hit]:
    ends = [context.graph[id] for id in context.graph.outputs.values()] if context.spec else []
    computed = [_skip_flatten(context, node) for node in ends]
    return at_each_place(
        (node for node in computed if isinstance(node.op, Softmax)),
        lambda group: "this softmax ends the network, and training and prediction take their own of what it gives",
    )


def _skip_flatten(context: LintContext, node: Node) -> Node:
    """Find what computes the numbers of a value, which may only have been put in a row since."""
    while isinstance(node.op, Flatten):
        node = context.operand(node)
    return node


RULES = (
    LintRule(
        "relu-first",
        "a ReLU stands before any linear layer",
        "put a linear layer or convolution before it",
        "A network that starts with a ReLU never sees what is negative in its input, and a block that does adds "
        "nothing there. So networks whose blocks start with ReLU have a linear layer before the first (Prince, 2023, "
        "section 11.2).",
        check=find_early_relus,
    ),
    LintRule(
        "idle-relu",
        "an activation changes nothing, since what it reads is never negative",
        "remove it, or move it behind a linear layer",
        "ReLU and its kin are the identity above zero. Behind another ReLU, a sigmoid, a softmax, a square, or "
        "pooling, sums and products of such, they cost time and do nothing; the slopes of a PReLU get no gradient. "
        "ReLU6 is the identity up to six.",
        check=find_idle_relus,
    ),
    LintRule(
        "linear-after-linear",
        "two linear layers have nothing between them",
        "put an activation between them, or leave one out",
        "Two linear maps in a row are one: without an activation between them the second adds weights and no "
        "functions. A pair whose middle is narrower than both ends saves weights, and is not reported; nor are "
        "convolutions of which none is 1×1, or one is grouped.",
        check=find_linear_pairs,
    ),
    LintRule(
        "softmax-output",
        "a softmax ends the network",
        "leave the softmax out, and let outputs be logits",
        "The loss that a network is trained with is the cross-entropy of logits, which takes the softmax itself, and "
        "so does the prediction from an exported model. A softmax of a softmax is nearly flat: it learns slowly, and "
        "no class gets a share near one.",
        check=find_softmax_outputs,
    ),
)
