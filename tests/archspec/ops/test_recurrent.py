"""Recurrent layers: shapes, names and costs, against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.ops import Gru, Lstm, OpError, Shape
from archspec.ops.recurrent import Recurrent

TWINS: list[tuple[type[Recurrent], type[nn.LSTM | nn.GRU]]] = [(Lstm, nn.LSTM), (Gru, nn.GRU)]


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("kind", "twin"), TWINS)
def test_weights_are_torchs_in_order(kind: type[Recurrent], twin: type[nn.LSTM | nn.GRU], both: bool) -> None:
    """Also how they start: uniform within 1 / √out."""
    torch.manual_seed(0)
    stored = twin(64, 50, bidirectional=both).state_dict()
    found = kind(out=50, both=both).weights(Shape(64, 7))
    assert {name: tuple(value.shape) for name, value in stored.items()} == {
        name: weight.shape for name, weight in found.items()
    }
    assert list(stored) == list(found)
    deviation = torch.cat([value.flatten() for value in stored.values()]).std()
    assert found["weight_ih_l0"].deviation == pytest.approx(float(deviation), rel=0.02)


@pytest.mark.parametrize(("kind", "gates"), [(Lstm, 4), (Gru, 3)])
def test_costs_are_those_of_the_products(kind: type[Recurrent], gates: int) -> None:
    op, x = kind(out=5, both=True), Shape(8, 13)
    assert op.macs(x) == 2 * 13 * gates * 5 * (8 + 5)
    assert op.bias_adds(x) == 2 * 13 * gates * 5 * 2
    assert op.elementwise(x) > 0


@pytest.mark.parametrize("shape", [Shape(8), Shape(8, 3, 4)])
def test_only_sequences_are_taken(shape: Shape) -> None:
    with pytest.raises(OpError, match=f"lstm goes along one spatial axis, found {shape}; `tokens` makes"):
        Lstm(out=5).infer(shape)


def test_each_position_has_seen_the_sequence() -> None:
    assert Gru(out=5).input_span(0, (3, 3), Shape(8, 13)) == (None,)
