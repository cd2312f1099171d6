"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import IMAGE, swap

CASES = [
    swap(
        "idle-taps",
        IMAGE + "  - global_avg_pool\n  - ▸conv: {out: 8}\n  - gelu\n  - conv: {out: 8, kernel: 1}\n",
        "{out: 8}",
        "{out: 8, kernel: 1}",
        "256 of the 288 weights of this conv never meet a value of 4×1×1: only padding",
    ),
    swap(
        "idle-taps",
        IMAGE + "  - ▸conv: {out: 8, dilation: 8}\n",
        "dilation: 8",
        "dilation: 7",
        "256 of the 288 weights",
        "with a large dilation",
    ),
    swap(
        "uneven-upsampling",
        IMAGE + "  - ▸conv_transpose: {out: 8, kernel: 3}\n",
        "kernel: 3",
        "kernel: 4",
        "are sums of 1 and of 2 taps in turns",
    ),
    swap(
        "uneven-upsampling",
        IMAGE + "  - ▸conv_transpose: {out: 8, kernel: 2, stride: 3}\n",
        "kernel: 2",
        "kernel: 3",
        "the others hold the bias alone",
        "with holes",
    ),
]
