"""At inference nothing is drawn at random, and no statistics are those of a batch."""

from __future__ import annotations

import pytest

from archspec.ops import (
    BatchNorm,
    BatchRenorm,
    Dropout,
    GhostBatchNorm,
    Mean,
    Op,
    Relu,
    Scale,
    Shake,
    ShakeDrop,
    Shape,
    Shift,
    StochasticDepth,
)
from compiler.passes.take_expectation import TakeExpectation
from tests.support.rewriting import Drawing, apply, chain, run


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (Dropout(rate=0.3), Scale()),
        (ShakeDrop(survival=0.6), Scale(value=0.6)),
        (ShakeDrop(survival=0), Scale(value=0)),
        (ShakeDrop(survival=1), Scale()),
        (StochasticDepth(survival=0.6), Scale(value=0.6)),
        (StochasticDepth(survival=0.6, draw="batch"), Scale(value=0.6)),
        (StochasticDepth(survival=0.6, rescale=True), Scale()),
        (GhostBatchNorm(start=0.5, eps=0.1, momentum=0.2), BatchNorm(start=0.5, eps=0.1, momentum=0.2)),
        (BatchRenorm(affine=False, momentum=0.3), BatchNorm(affine=False, momentum=0.3)),
        (Shift(trainable=True, per="channel"), Shift(trainable=True, per="channel")),
        (Scale(trainable=True), Scale(trainable=True)),
    ],
    ids=str,
)
def test_each_operation_has_its_expected_form(op: Op, expected: Op) -> None:
    """Weights keep their names: they are loaded into the graph behind the pass."""
    after, step, worst = run(TakeExpectation(), chain(Shape(4, 7), op, Relu()))
    assert after["n0"].op == expected
    assert [note.text for note in step.done] == ([f"is {expected.kind} at inference"] if op != expected else [])
    assert worst < 1e-6


def test_shake_is_the_mean() -> None:
    drawing = Drawing(Shape(4, 7))
    one, other = drawing.add(Scale(value=2.0), "x"), drawing.add(Scale(value=-0.5), "x")
    drawing.add(Shake(), "x", one, other)
    graph = drawing.graph()
    after, worst = apply(TakeExpectation(), graph)
    assert after["n2"].op == Mean()
    assert after["n2"].inputs == graph["n2"].inputs
    assert worst < 1e-6


def test_another_factor_would_show() -> None:
    """The control: an operation that chance decides on is not what it is while it is kept."""
    graph = chain(Shape(4, 7), StochasticDepth(survival=0.6))
    kept = chain(Shape(4, 7), Scale(value=1.0))
    assert apply(lambda _, weights: (kept, weights), graph)[1] > 0.1
