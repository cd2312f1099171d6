"""What the rules leave alone in files of torch's exporters, where two ways that meet in a sum need not be a block."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compiler.analysis.lint import lint_graph
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import export_torch

CODES = {"shortcut-not-identity", "residual-only-adds"}


class LinearBranches(nn.Module):
    """RepVGG: a convolution and the input, each normalized, that are one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide, self.norm = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return F.relu(self.norm(x) + self.wide(x))


class Rotary(nn.Module):
    turn: Tensor

    """Rotary embedding: what was turned is added to what was scaled, and neither learns anything."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.register_buffer("turn", torch.rand(8, 6, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        first, second = x.chunk(2, 1)
        return torch.tanh(x * torch.cos(self.turn) + torch.cat([-second, first], 1) * torch.sin(self.turn))


class Parts(nn.Module):
    """Res2Net: to one part of the channels what the part before it gave is added."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        one, two = torch.tanh(self.stem(x)).chunk(2, 1)
        one = F.relu(self.first(one))
        return torch.cat([one, self.second(two + one)], 1)


class Block(nn.Module):
    """The control: a residual block that only adds, on a shortcut that is scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        return self.last(self.last(F.relu(self.body(x))).relu() + 0.5 * x)


def find(module: nn.Module, folder: Path, *, dynamo: bool) -> set[str]:
    path = export_torch(module, (1, 3, 8, 8), folder / "m.onnx", dynamo=dynamo)
    return {finding.code for finding in lint_graph(read_graph(path))} & CODES


@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
@pytest.mark.parametrize("module", [LinearBranches, Rotary, Parts])
def test_what_is_no_residual_block_is_not_taken_for_one(module: type[nn.Module], dynamo: bool, tmp_path: Path) -> None:
    assert find(module(), tmp_path, dynamo=dynamo) == set()


@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
def test_a_residual_block_is(dynamo: bool, tmp_path: Path) -> None:
    assert find(Block(), tmp_path, dynamo=dynamo) == CODES
