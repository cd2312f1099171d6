"""Norms that exporters write in pieces."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops import Gelu
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    export_torch,
)


class Gates(nn.Module):
    """Squeeze and excitation, and activations that an exporter takes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)
        self.down, self.up = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.group, self.head = nn.GroupNorm(4, 16), nn.Linear(16, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(F.relu(self.conv(x))))  # not behind the convolution, whose part it would become
        x = x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        x = F.gelu(self.group(F.hardswish(x)))
        return self.head(F.gelu(x, approximate="tanh").mean((2, 3)))


def test_activations_and_norms_are_put_together_again(tmp_path: Path) -> None:
    graph = read_graph(export_torch(Gates(), (1, 3, 16, 16), tmp_path / "m.onnx"))
    kinds = [node.op.kind for node in graph]
    assert [kind for kind in kinds if kind in ("silu", "hard_swish", "gelu", "group_norm")] == [
        *("silu", "hard_swish", "group_norm", "gelu", "gelu")
    ]
    assert [node.op.approximate for node in graph if isinstance(node.op, Gelu)] == ["none", "tanh"]
    assert not {"elementwise", "rearrange", "scale", "shift"} & {*kinds}
