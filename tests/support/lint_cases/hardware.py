"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    swap,
)

BIG = "archspec: 1\ninputs: {x: [16, 32, 32]}\nnetwork:\n"

CASES = [
    swap(
        "channels-off-multiple",
        BIG + "  - conv: 256\n  - relu\n  - ▸conv: 12\n  - relu\n  - conv: 16\n",
        "conv: 12",
        "conv: 32",
        "12 channels fill no blocks of 16 (fp32 on AVX-512) or of 8 (fp16 on tensor cores): rounded up, 33 % more "
        "multiply-accumulates here, 14 % in all",
    ),
    swap(
        "channels-off-multiple",
        "archspec: 1\ninputs: {x: [1048576]}\nnetwork:\n  - ▸linear: 12\n  - relu\n  - linear: 3\n",
        "12",
        "24",
        "12 channels fill no blocks of 8 (fp16 on tensor cores)",
        "of a linear layer",
    ),
    swap(
        "slow-groups",
        BIG + "  - conv: 64\n  - relu\n  - ▸conv: {out: 64, groups: 16}\n",
        "groups: 16",
        "groups: 4",
        "4 channels in each of 16 groups fill no blocks of 16 (fp32 on AVX-512) or of 8 (fp16 on tensor cores)",
    ),
    swap(
        "slow-groups",
        "archspec: 1\ninputs: {x: [100, 64, 64]}\nnetwork:\n  - ▸conv: {out: 100, groups: 100}\n",
        "100",
        "104",
        "100 channels, each by itself, fill no blocks of 8 (fp16 on tensor cores): 100 % of all",
        "that are depthwise",
    ),
    swap(
        "slow-groups",
        "archspec: 1\ninputs: {x: [64, 64, 64]}\nnetwork:\n  - ▸conv: {out: 128, groups: 64}\n",
        "out: 128",
        "out: 64",
        "1 channels in each of 64 groups",
        "with more results than operands",
    ),
]
