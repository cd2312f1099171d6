"""The rules about normalizations: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from compiler.graph import Graph
from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    graph_with,
    graph_without,
    images,
    swap,
)

CASES = [
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
    ),
    swap(
        "bias-before-norm",
        VECTOR + "  - ▸linear: 8\n  - norm\n",
        "- norm",
        "- norm: layer",
        "the bias of this linear",
        "which layer normalization keeps",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - group_norm: 8\n",
        "group_norm: 8",
        "group_norm: 4",
        "is lost in the group_norm",
        "in a group for each channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - tap: a\n  - batch_norm\n  - add: [[], [from: a, instance_norm]]\n",
        "[from: a, instance_norm]",
        "[from: a]",
        "is lost in the batch_norm and instance_norm",
        "which somebody else reads too",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸batch_norm\n",
        "batch_norm\n  - batch_norm",
        "batch_norm\n  - relu\n  - batch_norm",
        "this batch_norm undoes the normalization right before it",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸instance_norm\n",
        "batch_norm",
        "layer_norm",
        "this instance_norm undoes",
        "of samples behind one of batches",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: 8\n  - layer_norm: {affine: false}\n  - ▸layer_norm\n",
        "{affine: false}",
        "{affine: true}",
        "this layer_norm undoes",
        "over the same numbers",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - scale: 2\n  - max_pool: 2\n  - upsample: 2\n  - concat: [[], []]\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
        "past what passes constants on",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - avg_pool: {kernel: 3, stride: 1}\n  - batch_norm\n",
        "kernel: 3, stride: 1",
        "kernel: 3, stride: 1, padding: 1",
        "is lost in the batch_norm",
        "unless zeros are among what is averaged",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: {out: 1, bias: true}\n  - layer_norm\n",
        "out: 1",
        "out: 2",
        "the bias of this conv, 1 parameters, is lost in the layer_norm",
        "of a single channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - ▸shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - batch_norm\n  - shift: {trainable: true, per: channel}\n",
        "what this shift adds, 8 parameters, is lost in the batch_norm",
        "of a shift",
    ),
    swap(
        "dropout-before-norm",
        IMAGE + "  - conv: 8\n  - ▸dropout: 0.2\n  - batch_norm\n",
        "dropout: 0.2\n  - batch_norm",
        "batch_norm\n  - dropout: 0.2",
        "variances up to 1 / 0.8 too large",
    ),
]


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
