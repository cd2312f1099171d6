"""Activations that exporters write in pieces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops import Gelu, HardSwish, Silu
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    export_torch,
)


@pytest.mark.parametrize("function", [F.mish, lambda x: x * torch.sigmoid(1.01 * x), lambda x: x * torch.erf(x)])
def test_another_function_is_not_taken_for_an_activation(function: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    """The control of the above: near, and not the same."""

    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    graph = read_graph(export_torch(Module(), (1, 3, 4, 4), tmp_path / "m.onnx"))
    assert not any(isinstance(node.op, Gelu | Silu | HardSwish) for node in graph)
