"""Shapes, stored tensors and layouts, against numpy's and torch's own."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from archspec.ops import OpError, Shape, Weight, in_words
from archspec.ops.values import Init, Layout, count_draws

STARTS: list[tuple[Init, Any]] = [
    ("he", lambda kernel: nn.init.kaiming_normal_(kernel)),
    ("he_fan_out", lambda kernel: nn.init.kaiming_normal_(kernel, mode="fan_out")),
    ("glorot", lambda kernel: nn.init.xavier_normal_(kernel)),
    ("torch", lambda kernel: nn.init.kaiming_uniform_(kernel, a=5**0.5)),
    ("zeros", lambda kernel: nn.init.zeros_(kernel)),
]


def test_a_shape_is_a_tuple_with_its_channels_first() -> None:
    shape = Shape(64, 8, 9)
    assert tuple(shape) == (64, 8, 9)
    assert (shape.channels, shape.space, shape.rank) == (64, (8, 9), 2)
    assert shape.elements == torch.empty(shape).numel()
    assert str(shape) == "64×8×9"
    assert Shape(5).space == ()


@pytest.mark.parametrize(("init", "fill"), STARTS)
def test_deviations_are_those_of_torchs_rules(init: Init, fill: Any) -> None:
    torch.manual_seed(0)
    drawn = fill(torch.empty(64, 32, 5, 5))
    weight = Weight((64, 32, 5, 5), init, fan_in=32 * 25, fan_out=64 * 25)
    assert weight.deviation == pytest.approx(float(drawn.std()), rel=0.02)
    assert Weight((64,), init, fan_in=800, fan_out=1600, gain=3.0).deviation == pytest.approx(3 * weight.deviation)
    assert weight.numel == drawn.numel()


def test_a_constant_has_no_deviation() -> None:
    assert Weight((3,), 0.25).deviation == 0


@pytest.mark.parametrize("shape", [Shape(3, 4, 5), Shape(1, 4, 5), Shape(3, 1, 1), Shape(6)])
def test_order_is_torchs(shape: Shape) -> None:
    value = torch.empty(2, *shape)
    last = value.to(memory_format=torch.channels_last) if shape.rank == 2 else value
    assert Layout().is_in_order(shape) == value[0].is_contiguous()
    assert Layout(channels_last=shape.rank == 2).is_in_order(shape) == last[0].is_contiguous()
    assert not Layout(dense=False).is_in_order(shape)


def test_the_format_follows_maps_alone() -> None:
    assert Layout(channels_last=True).by_format(Shape(3, 4, 5)).channels_last
    assert not Layout(channels_last=True).by_format(Shape(3, 4)).channels_last
    assert Layout(channels_last=True).is_told(Shape(3, 4, 5))
    assert not Layout(channels_last=True).is_told(Shape(1, 4, 5))


def test_chance_draws_by_sample_or_by_batch() -> None:
    assert [count_draws(draw, 7) for draw in ("sample", "batch")] == [7, 1]


def test_shapes_in_words() -> None:
    shapes = [Shape(64, 8, 8), Shape(32, 8, 8), Shape(5)]
    assert [in_words(shapes[:count]) for count in (1, 2, 3)] == [
        "64×8×8",
        "64×8×8 and 32×8×8",
        "64×8×8, 32×8×8 and 5",
    ]


def test_an_error_names_its_field() -> None:
    for field, message in product((None, "kernel"), ("does not fit",)):
        assert OpError(message, field).field == field
