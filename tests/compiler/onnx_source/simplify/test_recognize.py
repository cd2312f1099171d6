"""All that is put together again, in one file: no order of the rewrites hides one from another."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops import Conv
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import export_torch


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 8, 3, bias=False), nn.GroupNorm(2, 8)
        self.bias = nn.Parameter(torch.rand(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm(self.conv(x) + self.bias))
        n, c, h, w = x.shape
        return F.silu(x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))


def test_bias_norm_activations_and_shuffle_are_one_operation_each(tmp_path: Path) -> None:
    graph = read_graph(export_torch(Everything(), (1, 4, 8, 8), tmp_path / "m.onnx"))
    assert [node.op.kind for node in graph] == ["input", "conv", "group_norm", "gelu", "shuffle_channels", "silu"]
    assert [node.op.bias for node in graph if isinstance(node.op, Conv)] == [True]
