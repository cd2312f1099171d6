"""The rules about layers that follow each other: cases for `test_finding.py`, and torch as witness."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from archspec.api import to_torch
from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    every_value,
    graph_with,
    graph_without,
    images,
    run,
    vectors,
)


def test_a_first_relu_sees_nothing_negative() -> None:
    text = IMAGE + "  - batch_norm: {affine: false}\n  - relu\n  - conv: 8\n"
    x = images()
    clipped = x.clamp(min=0)
    assert torch.equal(
        run(graph_with(text, "relu-first"), x, training=False),
        run(graph_with(text, "relu-first"), clipped, training=False),
    )
    right = graph_without(text.replace("  - relu\n", ""), "relu-first")
    assert not torch.allclose(run(right, x, training=False), run(right, clipped, training=False), atol=1e-2)


def test_an_idle_relu_changes_nothing() -> None:
    values = every_value(graph_with(IMAGE + "  - conv: 8\n  - relu\n  - avg_pool: 2\n  - elu\n", "idle-relu"), images())
    assert torch.equal(values["elu_0"], values["avg_pool_0"])
    values = every_value(graph_without(IMAGE + "  - conv: 8\n  - avg_pool: 2\n  - elu\n", "idle-relu"), images())
    assert not torch.allclose(values["elu_0"], values["avg_pool_0"], atol=1e-2)


def test_two_linear_layers_are_one() -> None:
    text = VECTOR + "  - linear: 32\n  - linear: 8\n"
    module = to_torch(graph_with(text, "linear-after-linear"))
    first, second = (cast(torch.nn.Linear, module.get_submodule(f"linear_{i}")) for i in range(2))
    weight = second.weight @ first.weight
    one = vectors() @ weight.T + second.weight @ first.bias + second.bias
    assert torch.allclose(module(vectors()), one, atol=1e-4)
    right = to_torch(graph_without(text.replace("32\n", "32\n  - relu\n"), "linear-after-linear"))
    right.load_state_dict(module.state_dict())
    assert not torch.allclose(right(vectors()), one, atol=0.1)


def test_a_softmax_of_a_softmax_is_nearly_flat() -> None:
    """The cross-entropy of the right answer, given with certainty, cannot go below log(e + 9) - 1 with ten classes."""
    graph_with(VECTOR + "  - linear: 10\n  - softmax\n", "softmax-output")
    sure = torch.eye(10)[:1]
    assert torch.nn.functional.cross_entropy(sure, torch.tensor([0])) == pytest.approx(1.4612, abs=1e-3)
    assert torch.nn.functional.cross_entropy(100 * sure, torch.tensor([0])) == pytest.approx(0.0, abs=1e-3)
