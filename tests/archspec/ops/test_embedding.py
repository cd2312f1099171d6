"""Tables whose rows whole numbers name: shapes and first values, against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.ops import Embedding, OpError, Shape


@pytest.mark.parametrize("space", [(), (13,), (5, 4), (2, 3, 4)])
def test_a_row_lies_along_the_channels(space: tuple[int, ...]) -> None:
    assert Embedding(rows=11, out=6).infer(Shape(1, *space)) == Shape(6, *space)


def test_rows_start_as_torchs() -> None:
    torch.manual_seed(0)
    stored = nn.Embedding(1000, 50).weight
    weight = Embedding(rows=1000, out=50).weights(Shape(1, 7))["weight"]
    assert (weight.shape, weight.init, weight.trainable) == (tuple(stored.shape), 0.0, True)
    assert weight.std == pytest.approx(float(stored.detach().std()), rel=0.02)


def test_a_given_table_is_not_trained() -> None:
    assert not Embedding(rows=4, out=2, trainable=False).weights(Shape(1))["weight"].trainable


@pytest.mark.parametrize("shape", [Shape(2), Shape(3, 8), Shape(2, 4, 4)])
def test_only_one_number_at_each_position_is_looked_up(shape: Shape) -> None:
    with pytest.raises(OpError, match=f"looks up one number at each position, found {shape}, which has {shape[0]}"):
        Embedding(rows=11, out=6).infer(shape)


def test_each_position_is_looked_up_by_itself_and_multiplies_nothing() -> None:
    op, x = Embedding(rows=11, out=6), Shape(1, 13)
    assert op.acts_alone(x)
    assert (op.macs(x), op.bias_adds(x), op.elementwise(x)) == (0, 0, 0)
