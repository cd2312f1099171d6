"""Conventions of counting: what different tools say of one network, derived from the same counts of every operation.

Each is the tool's own rule, read from its source, for a network built of torch's modules. Where a tool miscounts, its
answer differs from ours, and `docs/analysis/cost.md` says where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from compiler.analysis.cost.node import NodeCost

CountingRule: TypeAlias = Callable[[NodeCost], int]

BATCH_NORMS = {"batch_norm", "ghost_batch_norm", "batch_renorm"}
SAMPLE_NORMS = {"layer_norm", "group_norm", "instance_norm"}
NORMS = BATCH_NORMS | SAMPLE_NORMS
TORCHINFO_ONCE = NORMS | {"prelu", "embedding", "rms_norm"}
"""The kinds whose weights torchinfo counts once."""
RECURRENT = {"lstm", "gru"}
POOLS = {"max_pool", "avg_pool", "global_avg_pool", "global_max_pool", "adaptive_avg_pool", "adaptive_max_pool"}
PTFLOPS_TWICE = {"relu", "prelu", "elu", "gelu"} | POOLS
"""The kinds that ptflops counts as a module and again as the function that this calls."""
PTFLOPS_ONCE = {"relu6", "leaky_relu", "silu", "softmax"}
THOP_LINEAR = {1: 5, 2: 11, 3: 31}
"""Operations for each number that linear upsampling makes, by the number of spatial axes."""


def count_macs(node: NodeCost) -> int:
    return node.macs


def count_macs_and_biases(node: NodeCost) -> int:
    return node.macs + node.bias_adds


def count_flops(node: NodeCost) -> int:
    return 2 * (node.macs + node.products)


def count_as_torchinfo(node: NodeCost) -> int:
    """Count each weight and bias once for each position that it makes; those of other layers once."""
    once = node.learned + node.frozen if node.kind in TORCHINFO_ONCE else 0
    return node.macs + node.bias_adds + once


def count_as_fvcore(node: NodeCost) -> int:
    """Count as fvcore does in evaluation mode; of pooling and upsampling it knows the forms for images."""
    if node.kind in BATCH_NORMS:
        return node.elements * (2 if node.learned else 1)
    if node.kind in SAMPLE_NORMS:
        return node.elements * (5 if node.learned else 4)
    if node.kind in RECURRENT:
        return 0
    if node.kind in ("global_avg_pool", "adaptive_avg_pool") and node.shape.rank == 2:
        return node.read
    if node.kind == "upsample" and node.shape.rank == 2:
        ways = {0: 1, 4: 4}  # of the means over positions it knows the linear ones alone
        return node.elements * ways.get(node.elementwise // node.elements, 0)
    return node.macs + node.products


def count_as_ptflops(node: NodeCost) -> int:
    if node.kind in NORMS:
        return node.elements * (2 if node.learned else 1)
    if node.kind in PTFLOPS_TWICE:
        return 2 * node.read
    if node.kind in PTFLOPS_ONCE:
        return node.read
    if node.kind == "upsample":
        return 2 * node.elements
    return node.macs + node.bias_adds + node.products


def count_as_ptflops_aten(node: NodeCost) -> int:
    return node.macs + node.bias_adds + node.products


def count_as_thop(node: NodeCost) -> int:
    if node.kind in NORMS:
        return node.elements * (4 if node.learned else 2)
    if node.kind == "global_avg_pool":
        return node.read + node.elements
    if node.kind == "prelu":
        return node.read
    if node.kind == "avg_pool":
        return node.elements
    if node.kind == "softmax":
        return 3 * node.read - node.read // node.shape.channels
    if node.kind == "upsample":
        return node.elements * (THOP_LINEAR[node.shape.rank] if node.elementwise else 1)
    return node.macs
