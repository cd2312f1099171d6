"""Rules about residual blocks: what a body can add, what a shortcut should be, and what follows the last sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from archspec.ops import Concat, Mul, Normalization
from archspec.ops.pooling import Pool
from archspec.ops.scalar import Activation
from compiler.analysis.lint.context import LintContext, ResidualBranches
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.analysis.paths.counting import find_gates
from compiler.graph import Node


def find_bodies_that_only_add(context: LintContext) -> Iterable[Hit]:
    blocks = {
        ways.add.id: ways
        for ways in context.residuals
        if _is_block(context, ways) and context.bounds[ways.add.inputs[-1]].low >= 0 and not _is_gated(context, ways)
    }

    def tell(group: Sequence[Node]) -> str:
        causes = _find_causes(context, blocks[group[0].id])
        named = " and ".join(dict.fromkeys(f"the {node.op.kind} {_point_at(node)}" for node in causes))
        behind = f": {named} gives nothing negative, and nothing behind it does" if causes else ""
        return f"the body of this residual can only add{behind}"

    return at_each_place((ways.add for ways in blocks.values()), tell)


def _point_at(node: Node) -> str:
    """Tell where a node stands, without the folder, which a report should not tell; a file's node by its name."""
    place = node.source.place
    return f"at {Path(place.file).name}:{place.line}:{place.column}" if place.line else node.id


def _is_block(context: LintContext, ways: ResidualBranches) -> bool:
    """Tell whether two ways are a residual block: those that a spec writes are. In a file a body has to learn a
    function of its own. Sums of parts that were moved or scaled (rotary embeddings), or of linear branches that are one
    convolution (RepVGG), are none."""
    learns = any(node.op.has_kernel for node in ways.body)
    bends = any(isinstance(node.op, Activation) for node in ways.body)
    return context.spec is not None or (learns and bends and not _takes_part(ways))


def _takes_part(ways: ResidualBranches) -> bool:
    """Tell whether the shortcut is some of the channels alone: Res2Net adds to one part what the part before it
    gave."""
    fewer = ways.add.shape.channels < ways.fork.shape.channels
    return fewer and not any(node.op.has_kernel for node in ways.shortcut)


def _find_causes(context: LintContext, ways: ResidualBranches) -> list[Node]:
    """The activations of a body from which its result has that nothing is negative. Of a product that is the value, and
    not its gates."""
    inside = {node.id for node in ways.body}
    pending, causes = [ways.add.inputs[-1]], []
    while pending:
        node = context.graph[pending.pop()]
        if node.id not in inside:
            continue
        if isinstance(node.op, Activation):
            causes.append(node)
            continue
        gates = find_gates(context.graph).get(node.id, frozenset())
        pending += [operand for i, operand in enumerate(node.data_inputs) if i not in gates]
    return causes


def _is_gated(context: LintContext, ways: ResidualBranches) -> bool:
    """Tell whether a gate can take away from the shortcut, as in a highway network."""
    return isinstance(context.operand(ways.add).op, Mul)


def find_shortcuts_that_change(context: LintContext) -> Iterable[Hit]:
    changed = [node for ways in context.residuals if _is_block(context, ways) for node in _needless_step(context, ways)]

    def tell(group: Sequence[Node]) -> str:
        parameters = context.count_parameters(group)
        held = f", with {parameters:,} parameters" if parameters else ""
        return f"the shortcut goes through {group[0].op.kind}{held}, though its two ends have one shape"

    return at_each_place(changed, tell)


def _needless_step(context: LintContext, ways: ResidualBranches) -> list[Node]:
    """The step that changes a shortcut most, where its ends agree in shape: its kernel, or else its first that is not
    the identity. A gate, which merges two values, is the point of a block that has one."""
    agree = context.operand(ways.add).shape == ways.fork.shape
    if not agree or any(len(node.data_inputs) > 1 for node in ways.shortcut):
        return []
    changing = [node for node in ways.shortcut if not node.op.changes_nothing(*context.graph.operands(node))]
    kernels = [node for node in changing if node.op.has_kernel]
    return [*kernels, *changing][:1]


def find_missing_last_norm(context: LintContext) -> Iterable[Hit]:
    seen: set[tuple[str, int]] = set()
    merges = {merge.id: merge for id in context.ends for merge in _last_merge(context, context.graph[id], seen)}
    starts = {ways.add.id: ways for ways in context.residuals}
    bare = [merge for merge in merges.values() if _starts_with_norm(context, merge, starts.get(merge.id))]
    return at_each_place(bare, lambda group: "blocks that normalize what they read end here, and nothing normalizes it")


def _last_merge(context: LintContext, node: Node, seen: set[tuple[str, int]]) -> Iterator[Node]:
    """The block whose result reaches an output through the classifier alone, past no normalization; nothing where that
    way joins one that was `seen`."""
    kernels = 0
    while node.body is None and len(node.data_inputs) == 1 and (node.id, kernels) not in seen:
        seen.add((node.id, kernels))
        kernels += node.op.has_kernel
        if kernels > 1 or isinstance(node.op, Normalization):
            return
        node = context.operand(node)
    if node.body is not None:
        yield node


def _starts_with_norm(context: LintContext, merge: Node, ways: ResidualBranches | None) -> bool:
    """Tell whether a block's body begins with a normalization and ends without one."""
    if isinstance(merge.op, Concat):
        body = _chain(context, context.graph[merge.inputs[-1]], merge.inputs[0])
    else:
        body = list(ways.body) if ways else []
    steps = [node for node in body if not isinstance(node.op, Pool)]
    return bool(steps) and isinstance(steps[0].op, Normalization) and not isinstance(steps[-1].op, Normalization)


def _chain(context: LintContext, node: Node, start: str) -> list[Node]:
    """The nodes between `start` and a node, where one follows the other."""
    chain = []
    while node.id != start and len(node.data_inputs) == 1:
        chain.append(node)
        node = context.operand(node)
    return chain[::-1]


RULES = (
    LintRule(
        "residual-only-adds",
        "the body of a residual ends in an activation that is never negative",
        "end the body with its linear layer or normalization, and start it with the activation",
        "A body that ends in a ReLU gives nothing below zero, so each block can only raise the values it is added to, "
        "and the signal grows from block to block. He et al. (2016b, table 2) measured it: with ReLU before the "
        "addition ResNet-110 errs on 7.84 % of CIFAR-10 instead of 6.61 %.",
        check=find_bodies_that_only_add,
    ),
    LintRule(
        "shortcut-not-identity",
        "a shortcut is not the identity though its ends have one shape",
        "leave the shortcut out, or make it `project`, which is used only where the shapes differ",
        "The identity lets the signal and the gradient pass unchanged from any block to any other. Every step on the "
        "shortcut multiplies along all of them: He et al. (2016b, table 1) tried scaling, gates, 1×1 convolutions and "
        "dropout in ResNet-110, and each was worse than the identity. Gates that merge two values are not reported.",
        check=find_shortcuts_that_change,
    ),
    LintRule(
        "missing-last-norm",
        "a pre-activation network has no normalization behind its last block",
        "put `norm` and the activation behind the last block",
        "Blocks with pre-activation normalize what they read, and leave their sums as they are: with each block the "
        "sum grows, to a second moment of about one plus the number of blocks (Prince, 2023, section 11.4). Behind "
        "the last block nobody normalizes it, unless a last normalization with its activation does (He et al., 2016b, "
        "appendix).",
        check=find_missing_last_norm,
    ),
)
