"""Recurrent layers of torch on maps with their channels first."""

from __future__ import annotations

from torch import Tensor, nn


class Lstm(nn.LSTM):
    """A long short-term memory along the positions of (N, C, L)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        found: Tensor = super().forward(x.transpose(1, 2))[0]
        return found.transpose(1, 2)


class Gru(nn.GRU):
    """A gated recurrent unit along the positions of (N, C, L)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        found: Tensor = super().forward(x.transpose(1, 2))[0]
        return found.transpose(1, 2)
