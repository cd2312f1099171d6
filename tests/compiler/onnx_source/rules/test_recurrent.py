"""Recurrent layers count as their cells do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    export_torch,
)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("ways", [1, 2])
def test_a_recurrent_layer_counts_as_its_cells_do(
    kind: type[nn.LSTM] | type[nn.GRU] | type[nn.RNN], ways: int, tmp_path: Path
) -> None:
    module = kind(5, 6, bidirectional=ways == 2)
    graph = read_graph(export_torch(module, (7, 1, 5), tmp_path / "m.onnx"))
    cell = getattr(nn, f"{kind.__name__}Cell")(5, 6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():  # which does not look into whole sequences
        gates = cell.weight_ih.shape[0]
        F.linear(torch.rand(1, 5), cell.weight_ih), F.linear(torch.rand(1, 6), cell.weight_hh)
    cost = measure_cost(graph)
    assert cost.macs["conv-linear"] == ways * 7 * counter.get_total_flops() // 2 == ways * 7 * gates * 11
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert find_unknown(graph) == {}
