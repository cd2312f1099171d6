"""The rules about residual blocks: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

import pytest
import torch

from tests.support.lint_texts import (
    VECTOR,
    every_value,
    graph_with,
    graph_without,
    run,
    vectors,
)


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
