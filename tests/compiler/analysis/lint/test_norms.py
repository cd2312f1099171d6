"""The rules about normalizations: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from compiler.graph import Graph
from tests.support.lint_texts import (
    IMAGE,
    graph_with,
    graph_without,
    images,
)


@pytest.mark.parametrize(
    "norm", ["batch_norm", "instance_norm", "group_norm: 8", "ghost_batch_norm: 4", "batch_renorm"]
)
def test_a_bias_before_a_norm_gets_no_gradient(norm: str) -> None:
    text = IMAGE + f"  - conv: 8\n  - {norm}\n  - gelu\n"
    assert bias_gradient(graph_with(text, "bias-before-norm")) < 1e-6
    assert bias_gradient(graph_without(text.replace(norm, "group_norm: 2"), "bias-before-norm")) > 1e-3


def bias_gradient(graph: Graph) -> float:
    torch.manual_seed(0)
    module = to_torch(graph).double()
    result = module(images().double())
    (result * torch.randn_like(result)).mean().backward()
    bias = dict(module.named_parameters())["conv_0.bias"]
    assert bias.grad is not None
    return float(bias.grad.abs().max())


def test_a_second_norm_undoes_the_first() -> None:
    text = IMAGE + "  - batch_norm: {eps: 1e-12}\n  - batch_norm: {eps: 1e-12}\n"
    assert change_by_first_norm(graph_with(text, "repeated-norm")) < 1e-4
    assert (
        change_by_first_norm(graph_without(text.replace("\n  - batch", "\n  - gelu\n  - batch"), "repeated-norm")) > 0.1
    )


def change_by_first_norm(graph: Graph) -> float:
    """What another scale and shift of the first normalization change of the result."""
    module = to_torch(graph)
    before = module(images())
    with torch.no_grad():
        module.get_parameter("batch_norm_0.weight").mul_(3)
        module.get_parameter("batch_norm_0.bias").add_(2)
    return float((module(images()) - before).abs().max().detach())


def test_a_dropout_before_a_norm_changes_its_variance() -> None:
    text = "archspec: 1\ninputs: {x: [4, 64, 64]}\nnetwork:\n  - dropout: 0.5\n  - batch_norm: {momentum: 1}\n"
    x = torch.randn(32, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    module = to_torch(graph_with(text, "dropout-before-norm"))
    module(x)
    assert module.get_buffer("batch_norm_0.running_var").mean().item() == pytest.approx(2, rel=0.05)
    assert module.eval()(x).var().item() == pytest.approx(1 / 2, rel=0.05)


@pytest.mark.parametrize(
    "between",
    [
        *("scale: 2", "max_pool: 2", "avg_pool: {kernel: 3, stride: 1}", "upsample: 2", "concat: [[], []]"),
        *("global_avg_pool", "shift: 1", "upsample: {scale: 2, mode: linear}"),
    ],
)
@pytest.mark.parametrize("norm", ["batch_norm", "instance_norm"])
def test_a_bias_is_lost_past_what_passes_constants_on(between: str, norm: str) -> None:
    if between == "global_avg_pool":
        norm = "batch_norm"  # of single positions the other has nothing to take a mean of
    text = IMAGE + f"  - conv: 4\n  - {between}\n  - {norm}\n"
    assert bias_gradient(graph_with(text, "bias-before-norm")) < 1e-6
    kept = text.replace(f"- {norm}", f"- tanh\n  - {norm}")
    assert bias_gradient(graph_without(kept, "bias-before-norm")) > 1e-3
