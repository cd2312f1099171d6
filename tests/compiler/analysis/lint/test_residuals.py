"""The rules about residual blocks: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

import pytest
import torch

from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    every_value,
    graph_with,
    graph_without,
    run,
    swap,
    vectors,
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


def test_a_body_that_ends_in_a_relu_only_adds() -> None:
    text = VECTOR + "  - linear: 16\n  - residual: {body: [linear: 16, relu]}\n"
    for graph, only_adds in (
        (graph_with(text, "residual-only-adds"), True),
        (graph_without(text.replace("linear: 16, relu", "relu, linear: 16"), "residual-only-adds"), False),
    ):
        values = every_value(graph, vectors())
        assert bool((values["residual_0.add"] >= values["linear_0"]).all()) is only_adds


def test_the_sum_without_a_last_norm_grows_with_the_blocks() -> None:
    text = (
        "archspec: 1\ninputs: {x: [128]}\nnetwork:\n  - batch_norm\n"
        "  - repeat: {n: 8, body: [residual: {body: [norm, relu, linear: 128]}]}\n"
    )
    x = torch.randn(512, 128, generator=torch.Generator().manual_seed(0))
    last = run(graph_with(text, "missing-last-norm"), x).detach()
    assert float(last.square().mean()) == pytest.approx(9, rel=0.1)
    right = run(graph_without(text + "  - norm\n", "missing-last-norm"), x).detach()
    assert float(right.square().mean()) == pytest.approx(1, rel=0.01)
