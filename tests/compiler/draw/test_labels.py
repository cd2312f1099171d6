"""What stands on boxes: an operation's own words, and how numbers grow from the first to the last of several."""

from __future__ import annotations

import pytest

from archspec.ops import (
    OPS,
    Add,
    Attention,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    Input,
    LayerNorm,
    Linear,
    MaxPool,
    Op,
    Reduce,
    Relu,
    Scale,
    Shape,
    Slice,
    StochasticDepth,
)
from compiler.draw.labels import SILENT, label_op, label_shapes


@pytest.mark.parametrize(
    ("op", "rank", "label"),
    [
        (Conv(out=64, kernel=7, stride=2), 2, "conv 7×7, 64, /2"),
        (Conv(out=64, kernel=3), 3, "conv 3×3×3, 64"),
        (Conv(out=64, groups=32, bias=False), 2, "conv 3×3, 64, groups = 32"),
        (ConvTranspose(out=8, kernel=2, stride=2), 2, "conv_transpose 2×2, 8, stride 2"),
        (MaxPool(kernel=2), 2, "max_pool 2×2"),
        (MaxPool(kernel=(3, 2), stride=(3, 1)), 2, "max_pool 3×2, /3×1"),
        (Conv(out=8, kernel=(1, 7), padding=(0, "same")), 2, "conv 1×7, 8, padding = [0, same]"),
        (MaxPool(kernel=3, stride=2), 2, "max_pool 3×3, /2"),
        (Linear(out=10), 0, "linear 10"),
        (BatchNorm(eps=0.1), 2, "batch_norm"),
        (Dropout(rate=0.5), 2, "dropout 0.5"),
        (Scale(value=0.5), 2, "× 0.5"),
        (Scale(value=1.0, trainable=True), 2, "× learned, from 1"),
        (Slice(axis=1, stop=1), 1, "slice, axis = 1, stop = 1"),
        (Slice(start=8), 2, "slice, start = 8"),
        (Reduce(over="positions", by="norm"), 2, "reduce, over = positions, by = norm"),
        (LayerNorm(over="channels"), 2, "layer_norm"),
        (Attention(heads=3, bias="relative"), 2, "attention, heads = 3, bias = relative"),
        (Relu(), 2, "relu"),
        (Add(), 2, "add"),
        (Input(dims=(3, 8, 8)), 2, "input"),
    ],
    ids=str,
)
def test_an_operation_in_its_own_words(op: Op, rank: int, label: str) -> None:
    assert label_op(op, op, rank) == label


def test_numbers_go_from_the_first_to_the_last() -> None:
    assert label_op(StochasticDepth(survival=0.9), StochasticDepth(survival=0.5), 2) == "stochastic_depth 0.9 … 0.5"


@pytest.mark.parametrize(
    ("first", "last", "label"),
    [
        (Shape(64, 8, 8), Shape(64, 8, 8), "64×8×8"),
        (Shape(96, 8, 8), Shape(256, 8, 8), "96 … 256×8×8"),
        (Shape(64, 8, 8), Shape(64, 4, 4), "64×8×8 … 64×4×4"),
    ],
)
def test_shapes_say_what_changes(first: Shape, last: Shape, label: str) -> None:
    assert label_shapes(first, last) == label


def test_what_is_left_out_is_a_field_of_some_operation() -> None:
    assert {field for op in OPS for field in op.model_fields} >= SILENT
