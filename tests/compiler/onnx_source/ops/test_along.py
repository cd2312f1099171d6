"""What works along whole axes reads all of these, and elsewhere the position of its result."""

from __future__ import annotations

from archspec.ops import Shape
from compiler.onnx_source.ops.along import NormalizeChannels, ReduceAxes, SoftmaxAlong

X = Shape(4, 9, 12)


def test_the_axes_that_it_works_along_are_read_whole() -> None:
    op = SoftmaxAlong(gives=tuple(X), function="softmax", axes=(2,))
    assert op.input_span(1, (3, 3), X) == (None,)
    (others,) = op.input_span(0, (3, 5), X)
    assert others is not None
    assert {position for run in others for position in run} == {3, 4, 5}


def test_axes_are_told_from_the_end_and_the_last_goes_without_saying() -> None:
    assert SoftmaxAlong(gives=tuple(X), function="softmax", axes=(2,)).facts == {}
    assert SoftmaxAlong(gives=tuple(X), function="softmax", axes=(0, 1)).facts == {"axes": "-3, -2"}


def test_a_reduction_counts_the_numbers_that_it_takes() -> None:
    assert ReduceAxes(gives=(1, 9, 12), function="mean", axes=(0,)).elementwise(X) == 4 * 9 * 12


def test_statistics_that_are_stored_are_buffers() -> None:
    kept = NormalizeChannels(gives=tuple(X), function="batch_norm", axes=(), channels=4, kept=True)
    assert {name for name, weight in kept.weights(X).items() if weight.buffer} == {"running_mean", "running_var"}
    own = NormalizeChannels(gives=tuple(X), function="instance_norm", axes=(1, 2), channels=4, kept=False)
    assert set(own.weights(X)) == {"weight", "bias"}
