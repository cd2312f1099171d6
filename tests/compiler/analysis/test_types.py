"""Types of numbers: counted by hand in a small graph as a file would give it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archspec.ops import Layer, Learned, Linear, Scale, Shape, Shift, Weight
from compiler.analysis.types import count_operands, count_types
from tests.support.lowering import graph_of

SPEC = graph_of(Linear(out=3), Shape(4))
STORED = {"weight": Weight((3, 4), 0.0, type="float16"), "value_0": Weight((5,), 0.0, type="float32")}
FILE = SPEC.with_nodes([SPEC["x0"], replace(SPEC["op"], stored=STORED, type="float16")])


def test_a_spec_says_nothing_of_types() -> None:
    assert count_types(SPEC) == {}
    assert count_operands(SPEC) == 0


def test_types_of_a_file_are_counted_the_most_frequent_first() -> None:
    assert count_types(FILE) == {"weights": {"float16": 12, "float32": 5}, "values": {"float16": 1}}
    assert list(count_types(FILE)["weights"]) == ["float16", "float32"]


def test_operands_are_trained_numbers_that_stand_where_values_may() -> None:
    assert count_operands(FILE) == 5
    fixed = {**STORED, "value_0": replace(STORED["value_0"], trainable=False)}
    assert count_operands(FILE.with_nodes([FILE["x0"], replace(FILE["op"], stored=fixed)])) == 0


@pytest.mark.parametrize(
    ("op", "count"),
    [
        (Shift(trainable=True, per="position"), 24),
        (Scale(trainable=True, per="position"), 24),
        (Shift(trainable=True, per="channel"), 0),
        (Learned(shape=(4, 1)), 4),
    ],
    ids=str,
)
def test_numbers_for_each_position_may_be_a_table(op: Layer, count: int) -> None:
    spec = graph_of(op, Shape(4, 6))
    stored = op.weights(Shape(4, 6))
    assert count_operands(spec.with_nodes([spec["x0"], replace(spec["op"], stored=stored)])) == count
