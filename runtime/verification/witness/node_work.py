"""What the reference implementation takes for a node, in multiply-accumulates: it is numpy, and some of it Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archspec.extras import extra

with extra("run"):
    import onnx

LOOPS = {
    "MaxPool": 5_000,
    "AveragePool": 10_000,
    "LpPool": 10_000,
    "ConvTranspose": 20_000,
    "GridSample": 200_000,
    "DeformConv": 200_000,
}
"""The multiply-accumulates for which a number of a result counts that Python computes by itself: 5, 9, 9, 16 and 170
microseconds with onnx 1.23, windows of 3 × 3 and 2 GHz, and 2 billion of those that numpy does take a few seconds."""

CONTRACTIONS = frozenset({"MatMul", "Gemm", "Einsum"})


def count_loops(node: onnx.NodeProto, size: int, kernel: Sequence[int] = ()) -> int:
    """Count what a result of so many numbers takes beside its multiply-accumulates; where taps move, each number
    samples anew for every weight of its filter."""
    samples = math.prod(kernel[1:]) if node.op_type == "DeformConv" else 1
    return LOOPS.get(node.op_type, 1) * size * samples


def count_work(node: onnx.NodeProto, operands: Sequence[Any], size: int) -> int:
    """Count what a node takes for operands that are arrays (None, or a sequence of arrays, counts for nothing), where
    its results have so many numbers; at least one for each number that it reads and writes."""
    sizes = [getattr(operand, "size", 0) for operand in operands]
    kernel = getattr(operands[1], "shape", ()) if len(operands) > 1 else ()
    return sum(sizes) + count_loops(node, size, kernel) + _count_macs(node, operands, sizes, size)


def _count_macs(node: onnx.NodeProto, operands: Sequence[Any], sizes: Sequence[int], size: int) -> int:
    if len(operands) < 2 or operands[1] is None:
        return 0
    if node.op_type in ("Conv", "ConvTranspose"):  # each position of one side meets a filter
        positions = size if node.op_type == "Conv" else sizes[0]
        return positions * sizes[1] // max(len(operands[1]), 1)
    if node.op_type in ("RNN", "GRU", "LSTM"):
        return int(math.prod(operands[0].shape[:2])) * sum(sizes[1:3])
    if node.op_type in CONTRACTIONS:  # (n · m)(m · k)(n · k) = (n · m · k)², and more along axes of all three
        return math.isqrt(math.prod(sizes[:2]) * size)
    return 0
