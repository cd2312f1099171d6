"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    swap,
)

GATE = "        - mul: [[], [global_avg_pool, conv: {out: 4, kernel: 1}, sigmoid]]\n"

PREACT = "[batch_norm, relu, conv: 16]"

BIG = "archspec: 1\ninputs: {x: [16, 32, 32]}\nnetwork:\n"

CASES = [
    swap(
        "residual-only-adds",
        VECTOR + "  - linear: 16\n  - ▸residual: {body: [linear: 16, relu, dropout: 0.5]}\n",
        "[linear: 16, relu, dropout: 0.5]",
        "[relu, dropout: 0.5, linear: 16]",
        "the body of this residual can only add: the relu at ",
    ),
    swap(
        "residual-only-adds",
        IMAGE + "  - conv: 4\n  - ▸residual:\n      body:\n        - conv: 4\n        - relu\n" + GATE,
        "        - conv: 4\n        - relu\n",
        "        - relu\n        - conv: 4\n",
        "spec.yaml:8:11 gives nothing negative, and nothing behind it does",
        "whose gate is no cause",
    ),
    swap(
        "shortcut-not-identity",
        IMAGE
        + "  - residual:\n      body: [relu, conv: 4]\n      shortcut: [norm, ▸conv: {out: 4, kernel: 1}, norm]\n",
        "shortcut",
        "project",
        "the shortcut goes through conv, with 20 parameters, though its two ends have one shape",
    ),
    swap(
        "shortcut-not-identity",
        IMAGE + "  - residual:\n      body: [relu, conv: 4]\n      shortcut: [▸scale: 0.5]\n",
        "      shortcut: [scale: 0.5]\n",
        "      scale: 0.5\n",
        "the shortcut goes through scale, though",
        "without a kernel",
    ),
    swap(
        "missing-last-norm",
        BIG + f"  - conv: 16\n  - ▸residual: {{body: {PREACT}}}\n  - global_avg_pool\n  - flatten\n  - linear: 10\n",
        "- global_avg_pool",
        "- batch_norm\n  - relu\n  - global_avg_pool",
        "and nothing normalizes it",
    ),
    swap(
        "missing-last-norm",
        BIG + f"  - conv: 16\n  - ▸dense: {{n: 3, body: {PREACT}}}\n  - relu\n",
        "- relu\n",
        "- norm\n",
        "blocks that normalize what they read end here",
        "of a dense block",
    ),
]
