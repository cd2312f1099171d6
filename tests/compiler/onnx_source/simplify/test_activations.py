"""Activations that exporters write in pieces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops import Gelu, HardSwish, Log, Silu, Sqrt
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


class Root(nn.Module):
    """A function of what lies between two bounds, of which any may be missing."""

    def __init__(self, function: Callable[[Tensor], Tensor], low: float | None, high: float | None) -> None:
        super().__init__()
        self.function, self.low, self.high = function, low, high

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x if self.low is None else x.clamp(self.low, self.high))


@pytest.mark.parametrize("eps", [1e-12, 0.03, 2.0])
def test_a_function_of_positive_numbers_has_the_bound_before_it(eps: float, tmp_path: Path) -> None:
    """Whatever the bound; without one, or with one from above too, the function stays the file's own."""
    for function, known in ((torch.sqrt, Sqrt), (torch.log, Log)):
        for low, high in ((eps, None), (None, None), (eps, 9.0)):
            (*_, last) = read_graph(export_torch(Root(function, low, high), (1, 3, 4, 4), tmp_path / "m.onnx"))
            if low and not high:
                assert isinstance(last.op, known)
                assert last.op.eps == pytest.approx(eps)
            else:
                assert not isinstance(last.op, known)
