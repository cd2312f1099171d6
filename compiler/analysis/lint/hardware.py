"""Rules about what hardware computes fast: whole blocks of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import gcd
from typing import TypeGuard

from archspec.ops import Conv, ConvTranspose, DeformConv, Kernel, Linear, Op
from archspec.ops.scalar import Scalar
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Node

BLOCKS = {16: "fp32 on AVX-512", 8: "fp16 on tensor cores"}
"""The numbers of channels that are computed together, and where."""
SHARE = 100
"""The share of the network's multiply-accumulates below which a layer is not worth a word: 1 / SHARE."""
MIN_MACS = 1_000_000
"""The smallest number of multiply-accumulates of which computing takes longer than starting the layer."""


def find_odd_channels(context: LintContext) -> Iterable[Hit]:
    odd = [
        node
        for node in context.graph
        if isinstance(node.op, Kernel)
        and not _is_grouped(node.op)
        and node.id not in context.last_kernels
        and not _is_told(context, node)
        and _blocks_missed(node.op, node.shape.channels)
    ]

    def tell(group: Sequence[Node]) -> str:
        first, wasted = group[0], _count_wasted(context, group)
        missed = _blocks_missed(first.op, first.shape.channels)
        own = sum(context.macs[node.id] for node in group)
        more = (
            f"rounded up, {_share(wasted, own)} more multiply-accumulates here, {_share(wasted, context.total)} in all"
        )
        return f"{first.shape.channels} channels fill no blocks {_listed(missed)}: {more}"

    return _keep_costly(context, at_each_place(odd, tell), _count_wasted)


def _is_told(context: LintContext, node: Node) -> bool:
    """True if the number of channels is not the author's to choose: each reader has the result, or a function of its
    numbers, for offsets or factors of its taps."""
    readers = [context.graph[id] for id in context.graph.readers[node.id]]
    return bool(readers) and all(
        node.id != reader.inputs[0]
        if isinstance(reader.op, DeformConv)
        else isinstance(reader.op, Scalar) and _is_told(context, reader)
        for reader in readers
    )


def _blocks_missed(op: Op, channels: int) -> list[int]:
    """The blocks that channels do not fill. A linear layer is a product of matrices: no blocks of fp32."""
    return [block for block in BLOCKS if channels % block and not (isinstance(op, Linear) and block == 16)]


def _count_wasted(context: LintContext, nodes: Iterable[Node]) -> int:
    """Multiply-accumulates for the channels with which the last block of each node's result is filled up."""
    wasted = 0
    for node in nodes:
        block = max(_blocks_missed(node.op, node.shape.channels))
        wasted += context.macs[node.id] * (-node.shape.channels % block) // node.shape.channels
    return wasted


def find_slow_groups(context: LintContext) -> Iterable[Hit]:
    slow = [node for node in context.graph if _is_grouped(node.op) and _blocks_missed_by_groups(context, node)]

    def tell(group: Sequence[Node]) -> str:
        first = group[0]
        assert _is_grouped(first.op)
        width, share = _width(context, first), _share(_count_macs(context, group), context.total)
        each = (
            "channels, each by itself,"
            if _is_depthwise(context, first)
            else f"channels in each of {first.op.groups} groups"
        )
        blocks = _listed(_blocks_missed_by_groups(context, first))
        return f"{width} {each} fill no blocks {blocks}: {share} of all multiply-accumulates leave the fast path"

    return _keep_costly(context, at_each_place(slow, tell), _count_macs)


def _is_grouped(op: Op) -> TypeGuard[Conv | ConvTranspose]:
    return isinstance(op, Conv | ConvTranspose) and op.groups > 1


def _is_depthwise(context: LintContext, node: Node) -> bool:
    """Tell whether each channel is a group of its own, on both sides."""
    assert _is_grouped(node.op)
    return context.operand(node).shape.channels == node.shape.channels == node.op.groups


def _width(context: LintContext, node: Node) -> int:
    """The channels that are computed together: those of a group, or all where each is a group of its own."""
    assert _is_grouped(node.op)
    if _is_depthwise(context, node):
        return node.shape.channels
    return gcd(context.operand(node).shape.channels, node.shape.channels) // node.op.groups


def _blocks_missed_by_groups(context: LintContext, node: Node) -> list[int]:
    """The blocks that groups do not fill. Depthwise code for AVX-512 takes smaller ones too."""
    width, depthwise = _width(context, node), _is_depthwise(context, node)
    return [block for block in BLOCKS if width % block and not (depthwise and block == 16)]


def _count_macs(context: LintContext, nodes: Iterable[Node]) -> int:
    return sum(context.macs[node.id] for node in nodes)


def _keep_costly(
    context: LintContext, hits: Iterable[Hit], count: Callable[[LintContext, Iterable[Node]], int]
) -> Iterator[Hit]:
    for hit in hits:
        cost = count(context, map(context.graph.__getitem__, hit.nodes))
        if cost * SHARE >= context.total and cost >= MIN_MACS:
            yield hit


def _listed(blocks: Sequence[int]) -> str:
    return " or ".join(f"of {block} ({BLOCKS[block]})" for block in blocks)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


RULES = (
    LintRule(
        "channels-off-multiple",
        "a layer's channels are no multiple of what the hardware computes together",
        "take a multiple of 16, or of 8 where the network runs in fp16 on a GPU alone",
        "Fast convolutions compute channels in blocks: of 16 in fp32 with AVX-512, of 8 in fp16 on tensor cores. What "
        "does not fill the last block is computed on zeros, or by slower code: a layer of 12 channels takes about as "
        "long as one of 16. The figures count the multiply-accumulates of the channels with which the last block is "
        "filled up. Channels of inputs and outputs are not reported, nor what wastes less than a hundredth of the "
        "network, or less than a million.",
        check=find_odd_channels,
    ),
    LintRule(
        "slow-groups",
        "a grouped convolution has groups of a width that has no fast path",
        "take fewer and wider groups, or a depthwise convolution and one of 1×1",
        "Fast kernels take depthwise convolutions with as many results as operands, and groups that fill blocks of 16 "
        "channels (fp32 with AVX-512) or of 8 (fp16 on tensor cores). Narrower groups save multiply-accumulates and "
        "not as much time. What takes less than a hundredth of the network, or less than a million, is not reported.",
        check=find_slow_groups,
    ),
)
