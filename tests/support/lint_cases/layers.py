"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    swap,
)

CASES = [
    swap(
        "relu-first", IMAGE + "  - ▸relu\n  - conv: 8\n", "- relu\n  - conv: 8", "- conv: 8\n  - relu", "this relu sets"
    ),
    swap(
        "relu-first",
        IMAGE + "  - batch_norm\n  - max_pool: 2\n  - residual:\n      body: [▸relu6, conv: 4]\n",
        "- batch_norm",
        "- conv: 4",
        "this relu6 sets what is negative in the input to zero",
        "in the first block",
    ),
    swap(
        "idle-relu",
        IMAGE + "  - conv: 8\n  - relu\n  - max_pool: 2\n  - ▸prelu\n",
        "- relu",
        "- batch_norm",
        "this prelu changes nothing",
    ),
    *(
        swap("idle-relu", IMAGE + f"  - conv: 4\n{before}  - ▸{idle}\n", idle, "tanh", "changes nothing", idle)
        for before, idle in (
            ("  - sigmoid\n", "relu6"),
            ("  - relu6\n", "relu6 "),
            ("  - sigmoid\n  - shift: 1\n", "relu"),
            ("  - mul: [[], []]\n", "relu "),
            ("  - leaky_relu: -1\n", "prelu"),
        )
    ),
    swap(
        "relu-first",
        IMAGE + "  - shake: [[], [stochastic_depth: 0.5]]\n  - shake_drop: 0.5\n  - ▸relu\n  - conv: 8\n",
        "- shake_drop: 0.5\n",
        "- conv: 4\n",
        "this relu sets",
        "behind what chance weighs",
    ),
    swap(
        "linear-after-linear",
        VECTOR + "  - linear: 32\n  - ▸linear: 16\n",
        "linear: 32\n",
        "linear: 32\n  - relu\n",
        "this linear reads a linear with nothing between them",
    ),
    swap(
        "linear-after-linear",
        IMAGE + "  - conv: {out: 8, kernel: 1}\n  - ▸conv: 8\n",
        "out: 8",
        "out: 2",
        "both are one linear map",
        "whose middle is not narrow",
    ),
    swap(
        "softmax-output", VECTOR + "  - linear: 3\n  - ▸softmax\n", "  - softmax\n", "", "this softmax ends the network"
    ),
    swap(
        "softmax-output",
        IMAGE + "  - global_avg_pool\n  - conv: 4\n  - ▸softmax\n  - flatten\n",
        "  - softmax\n",
        "",
        "this softmax ends the network",
        "behind which nothing is computed",
    ),
]
