"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    IMAGE,
    swap,
)

CASES = [
    swap(
        "lost-pixels",
        "archspec: 1\ninputs: {x: [4, H, W]}\nsizes: {H: 9, W: 8}\nnetwork:\n  - conv: 8\n  - ▸max_pool: 2\n",
        "H: 9",
        "H: 10",
        "no window of this max_pool reaches the last position of an axis of 8×9×8",
    ),
    swap(
        "lost-pixels",
        IMAGE + "  - ▸conv: {out: 8, kernel: 3, stride: 3, padding: 0}\n",
        "padding: 0",
        "padding: 1",
        "reaches the last 2 positions of an axis of 4×8×8",
        "of a fixed size",
    ),
    swap(
        "lost-pixels",
        IMAGE + "  - ▸conv: {out: 8, dilation: 2, stride: 2, padding: 2}\n",
        "dilation: 2, stride: 2",
        "dilation: 2",
        "this conv reads every 2nd position of an axis alone: its stride of 2 and its dilation of 2 step over",
        "between the taps",
    ),
    swap(
        "misaligned-merge",
        IMAGE
        + "  - conv: 8\n  - ▸residual:\n      body: [conv: {out: 8, stride: 2}]\n"
        + "      project: [{conv: {out: 8, kernel: 5, padding: 0}}]\n",
        "kernel: 5, padding: 0",
        "kernel: 1, stride: 2",
        "neighbours look 1 and 2 pixels apart",
    ),
    swap(
        "misaligned-merge",
        IMAGE + "  - ▸attend: {bias: relative, key: [roll: 3], value: [roll: 3]}\n",
        "bias: relative, ",
        "",
        "the centres lie -3 pixels from those of its first operand",
        "of keys that a bias compares with queries by their distance",
    ),
    swap(
        "unproductive-conv",
        IMAGE + "  - conv: 8\n  - relu\n  - conv: {out: 8, kernel: 7}\n  - relu\n  - ▸conv: 8\n  - relu\n  - conv: 8\n",
        "kernel: 7",
        "kernel: 1",
        "by its narrowest path, a receptive field of 9×9 on an input of 8×8",
    ),
]
