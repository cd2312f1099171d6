"""Rules about layers that follow each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archspec.ops import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    Crop,
    Dropout,
    Elu,
    Flatten,
    GroupNorm,
    Input,
    InstanceNorm,
    LeakyRelu,
    Linear,
    Mean,
    Normalization,
    Op,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shape,
    Shift,
    Softmax,
    Upsample,
)
from archspec.ops.resize import GlobalPool, Pool
from compiler.analysis.lint.finding import Hit, Rule, at_each_place
from compiler.analysis.lint.subject import KERNELS, Subject
from compiler.graph import Node

_MIX_NOTHING = (
    *(Normalization, Pool, GlobalPool, Upsample, Flatten, PadChannels, PadSpace, Crop),
    *(Dropout, Scale, Shift, Add, Concat, Mean),
)
"""What passes on the input's own values, or moves and scales them by channel."""


def find_early_relus(subject: Subject) -> Iterable[Hit]:
    raw: set[str] = set()
    for node in subject.graph:
        if isinstance(node.op, Input) or (isinstance(node.op, _MIX_NOTHING) and raw.issuperset(node.carriers)):
            raw.add(node.id)
    early = [node for node in subject.graph if isinstance(node.op, Relu | Relu6) and raw.issuperset(node.carriers)]
    return at_each_place(early, lambda group: f"this {group[0].op.kind} sets what is negative in the input to zero")


def find_idle_relus(subject: Subject) -> Iterable[Hit]:
    idle = [
        node
        for node in subject.graph
        if isinstance(node.op, Relu | LeakyRelu | Prelu | Elu) and subject.never_negative.issuperset(node.carriers)
    ]
    return at_each_place(
        idle, lambda group: f"this {group[0].op.kind} changes nothing: what it reads is never negative"
    )


def find_idle_biases(subject: Subject) -> Iterable[Hit]:
    idle = [node for node in subject.graph if _has_bias(node.op) and _loses_means(subject, node)]

    def tell(group: Sequence[Node]) -> str:
        parameters = sum(node.shape.channels for node in group)
        norms = dict.fromkeys(op.kind for op in subject.readers(group[0]))
        return f"the bias of this {group[0].op.kind}, {parameters:,} parameters, is lost in the {' and '.join(norms)}"

    return at_each_place(idle, tell)


def _has_bias(op: Op) -> bool:
    return isinstance(op, KERNELS) and op.bias


def _loses_means(subject: Subject, node: Node) -> bool:
    readers = subject.readers(node)
    return bool(readers) and all(_subtracts_means(op, node.shape) for op in readers)


def _subtracts_means(op: Op, x: Shape) -> bool:
    """Whether a normalization subtracts from each channel a mean of its own."""
    by_itself = isinstance(op, GroupNorm) and op.groups == x.channels
    return isinstance(op, BatchNorm | InstanceNorm) or by_itself


def find_repeated_norms(subject: Subject) -> Iterable[Hit]:
    again = [
        node
        for node in subject.graph
        if isinstance(node.op, BatchNorm)
        and isinstance(subject.operand(node).op, BatchNorm)
        and len(subject.readers(subject.operand(node))) == 1
    ]
    return at_each_place(again, lambda group: "this normalization undoes the one right before it")


def find_dropout_before_norm(subject: Subject) -> Iterable[Hit]:
    dropouts = [
        node
        for node in subject.graph
        if isinstance(node.op, Dropout)
        and node.op.rate > 0
        and any(isinstance(op, BatchNorm) for op in subject.readers(node))
    ]

    def tell(group: Sequence[Node]) -> str:
        rate = group[0].op.rate if isinstance(group[0].op, Dropout) else 0
        return f"batch normalization right behind this dropout learns variances up to 1 / {1 - rate:g} too large"

    return at_each_place(dropouts, tell)


def find_linear_pairs(subject: Subject) -> Iterable[Hit]:
    second = [node for node in subject.graph if node.inputs and _joins_linear(subject, subject.operand(node), node)]

    def tell(group: Sequence[Node]) -> str:
        first = subject.operand(group[0])
        return f"this {group[0].op.kind} reads a {first.op.kind} with nothing between them: both are one linear map"

    return at_each_place(second, tell)


def _joins_linear(subject: Subject, first: Node, second: Node) -> bool:
    """Whether one layer could say what these two do; a narrow waist between them would save weights."""
    if len(subject.readers(first)) != 1 or not _are_one(first.op, second.op):
        return False
    start = subject.operand(first).shape.channels
    return first.shape.channels >= min(start, second.shape.channels)


def _are_one(first: Op, second: Op) -> bool:
    if isinstance(first, Conv) and isinstance(second, Conv):
        return first.groups == second.groups == 1 and 1 in (first.kernel, second.kernel)
    return isinstance(first, Linear) and isinstance(second, Linear)


def find_softmax_outputs(subject: Subject) -> Iterable[Hit]:
    ends = [subject.graph[id] for id in subject.graph.outputs.values()] if subject.spec else []
    return at_each_place(
        (node for node in ends if isinstance(node.op, Softmax)),
        lambda group: "this softmax ends the network, and training and prediction take their own of what it gives",
    )


RULES = (
    Rule(
        "relu-first",
        "a ReLU stands before any linear layer",
        "put a linear layer or convolution before it",
        "A network that starts with a ReLU never sees what is negative in its input, and a block that does adds "
        "nothing there. So networks whose blocks start with ReLU have a linear layer before the first (Prince, 2023, "
        "section 11.2).",
        check=find_early_relus,
    ),
    Rule(
        "idle-relu",
        "an activation changes nothing, since what it reads is never negative",
        "remove it, or move it behind a linear layer",
        "ReLU and its kin are the identity above zero. Behind another ReLU, a sigmoid, a softmax, or pooling and sums "
        "of such, they cost time and do nothing; the slopes of a PReLU get no gradient.",
        check=find_idle_relus,
    ),
    Rule(
        "bias-before-norm",
        "a bias is lost in the normalization right behind it",
        "give it `bias: false`, here or in `defaults`",
        "Batch normalization subtracts from each channel its mean, and with it any constant that was added to the "
        "channel; so does instance normalization, and group normalization with a group for each channel. The bias has "
        "no effect and gets no gradient; the normalization has a bias of its own. Layer normalization subtracts one "
        "mean from all channels, so there a bias is not lost.",
        check=find_idle_biases,
    ),
    Rule(
        "repeated-norm",
        "a batch normalization stands right behind another",
        "remove one of them",
        "The second sets mean and variance of each channel anew: the scale and the shift of the first have no effect "
        "but the sign.",
        check=find_repeated_norms,
    ),
    Rule(
        "dropout-before-norm",
        "dropout stands right before a batch normalization",
        "move the dropout behind the normalization and its activation",
        "While training, dropout multiplies second moments by 1 / (1 - rate), and batch normalization learns that "
        "variance; at inference dropout does nothing, and the variance is too large (Li et al., 2019).",
        check=find_dropout_before_norm,
    ),
    Rule(
        "linear-after-linear",
        "two linear layers have nothing between them",
        "put an activation between them, or leave one out",
        "Two linear maps in a row are one: without an activation between them the second adds weights and no "
        "functions. A pair whose middle is narrower than both ends saves weights, and is not reported; nor are "
        "convolutions of which none is 1×1, or one is grouped.",
        check=find_linear_pairs,
    ),
    Rule(
        "softmax-output",
        "a softmax ends the network",
        "leave the softmax out, and let outputs be logits",
        "The loss that a network is trained with is the cross-entropy of logits, which takes the softmax itself, and "
        "so does the prediction from an exported model. A softmax of a softmax is nearly flat: it learns slowly, and "
        "no class gets a share near one.",
        check=find_softmax_outputs,
    ),
)
