"""Recurrent layers on channels first give what torch's give on rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from compiler.torch_target.recurrent import Gru, Lstm


@pytest.mark.parametrize(("kind", "twin"), [(Lstm, nn.LSTM), (Gru, nn.GRU)])
def test_values_are_torchs_and_no_others(kind: type[nn.Module], twin: type[nn.Module]) -> None:
    torch.manual_seed(0)
    ours, theirs = (made(3, 5, batch_first=True, bidirectional=True) for made in (kind, twin))
    x = torch.randn(2, 3, 7)
    assert not torch.allclose(ours(x), theirs(x.transpose(1, 2))[0].transpose(1, 2))
    ours.load_state_dict(theirs.state_dict())
    assert torch.allclose(ours(x), theirs(x.transpose(1, 2))[0].transpose(1, 2))
