"""A whole network under each normalization, each rule that keeps its residuals from growing, and each rule that drops
them: one line in a variant's `defaults`, trained a step in torch and run in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from archspec.api import elaborate, load, to_torch
from archspec.ops import Conv
from compiler.graph import Graph
from tests.archspec.spec.texts import write
from tests.support.lowering import TOLERANCE, difference, export, run_onnx, run_torch, sample_inputs, stir

NORMS = {
    "batch": 2,
    "ghost_batch, size: 2": 2,
    "batch_renorm": 2,
    "layer": 2,
    "layer, over: channels": 2,
    "group, groups: 4": 2,
    "instance, affine: true": 2,
    "instance": 0,
    "weight": 0,
    "none": 0,
}
"""Each choice, and how many parameters it gives each channel that is normalized."""

NORMAL_CHANNELS = 16 * 7 + 32 * 6 + 64 * 6
"""Channels behind the convolutions of ResNet-20, each of which has a normalization."""


def variant(folder: Path, defaults: str) -> Graph:
    path = write(folder, f"archspec: 1\nextends: resnet20\ndefaults: {defaults}\n")
    return elaborate(load(path), {"H": 8, "W": 8})


def train_a_step_and_compare(graph: Graph, folder: Path) -> float:
    """Every parameter gets a finite gradient, a step moves some, and the exported file agrees with torch."""
    torch.manual_seed(0)
    module = stir(to_torch(graph)).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    images, labels = torch.randn(6, 3, 8, 8), torch.arange(6)
    F.cross_entropy(module(images), labels).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    optimizer.step()
    assert any(not torch.equal(before[name], parameter) for name, parameter in module.named_parameters())
    path = export(graph, module.state_dict(), folder)
    cases = [sample_inputs(graph, batch, sizes) for batch, sizes in ((1, {}), (3, {"H": 12, "W": 9}))]
    return max(difference(run_torch(graph, module, case), run_onnx(path, case)) for case in cases)


@pytest.mark.parametrize("kind", NORMS)
def test_every_normalization_of_a_whole_network(kind: str, tmp_path: Path) -> None:
    graph = variant(tmp_path, f"{{norm: {{kind: {kind}}}}}")
    without = variant(tmp_path, "{norm: {kind: none}}")
    counts = [sum(p.numel() for p in to_torch(one).parameters()) for one in (graph, without)]
    lengths = sum(node.op.out for node in graph if isinstance(node.op, Conv)) + 10 if kind == "weight" else 0
    assert counts[0] - counts[1] == NORMS[kind] * NORMAL_CHANNELS + lengths
    assert train_a_step_and_compare(graph, tmp_path) < TOLERANCE


@pytest.mark.parametrize(
    "words",
    [
        *(f"scaling: {word}" for word in ("sqrt_half", "skip_init", "stable", "fixup")),
        *(f"survival: 0.5, decay: linear, drop: {word}" for word in ("sample", "batch", "shake")),
        "survival: 0.8, scaling: skip_init",
    ],
)
@pytest.mark.parametrize("norm", ["batch", "none", "weight"])
def test_every_rule_for_residuals(words: str, norm: str, tmp_path: Path) -> None:
    graph = variant(tmp_path, f"{{norm: {{kind: {norm}}}, residual: {{{words}}}}}")
    assert train_a_step_and_compare(graph, tmp_path) < TOLERANCE


def test_file_of_another_normalization_shows(tmp_path: Path) -> None:
    """The control: layer normalization's file against group normalization's module, with the same weights."""
    layer, group = (variant(tmp_path, f"{{norm: {{kind: {kind}}}}}") for kind in ("layer", "group, groups: 4"))
    module = stir(to_torch(group))
    case = sample_inputs(group, 2)
    found = run_onnx(export(layer, module.state_dict(), tmp_path), case)
    assert difference(run_torch(group, module, case), found) > TOLERANCE
