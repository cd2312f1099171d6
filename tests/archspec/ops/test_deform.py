"""Deformable convolution: shapes, weights and costs, and what it keeps, against torch."""

from __future__ import annotations

import pytest
from torch import nn

from archspec.api import to_torch
from archspec.ops import Conv, DeformConv, OpError, Shape
from compiler.analysis.memory.memory import measure_memory
from tests.support.lowering import graph_of
from tests.support.memory_witness import draw_inputs, saved_bytes

X = Shape(8, 10, 13)
CASES = [
    (DeformConv(out=6), (X, Shape(18, 10, 13))),
    (DeformConv(out=6, bias=False, groups=2, offset_groups=4), (X, Shape(72, 10, 13), Shape(36, 10, 13))),
]


def test_shapes_weights_and_products_are_those_of_a_convolution() -> None:
    fields = {"out": 12, "kernel": (1, 3), "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 4}
    op, plain = DeformConv(**fields), Conv(**fields)
    assert op.infer(X) == plain.infer(X)
    assert op.weights(X) == plain.weights(X)
    assert (op.macs(X), op.bias_adds(X)) == (plain.macs(X), plain.bias_adds(X))


def test_what_is_sampled_counts_by_number_and_place() -> None:
    places = 9 * 10 * 13
    (op, shapes), (masked, given) = CASES
    assert op.elementwise(*shapes) == places * (10 + 7 * 8)
    assert masked.elementwise(*given) == places * (4 * 10 + 8 * 8)


def test_a_position_sees_the_whole_map_and_its_own_offsets() -> None:
    op, shapes = CASES[1]
    whole, offset, mask = op.input_span(0, (3, 3), *shapes)
    assert whole is None
    assert [*(offset or ())] == [*(mask or ())] == [range(3, 4)]


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (DeformConv(out=4), (Shape(8, 5),), "deform_conv needs a map with two spatial axes"),
        (DeformConv(out=4), (Shape(8, 5, 5, 5),), "deform_conv needs a map with two spatial axes"),
        (DeformConv(out=4, groups=3), (X,), "groups: 3 does not divide the 8 input channels"),
        (DeformConv(out=6, groups=4), (X,), "groups: 4 does not divide the 6 output channels"),
        (DeformConv(out=6, offset_groups=3), (X,), "offset_groups: 3 does not divide the 8 input channels"),
        (DeformConv(out=4, kernel=20, padding=1), (X,), "a window of 20 does not fit into 8×10×13"),
        (DeformConv(out=4, stride=2, padding="same_end"), (X,), "put a `pad` before it"),
        (DeformConv(out=4), (X, Shape(17, 10, 13)), "the offset should be 18×10×13, offset_groups × taps × 2"),
        (DeformConv(out=4, stride=2), (X, Shape(18, 10, 13)), "the offset should be 18×5×7"),
        (DeformConv(out=4), (X, Shape(18, 10, 13), Shape(18, 10, 13)), "the mask should be 9×10×13"),
    ],
)
def test_what_does_not_fit_is_refused(op: DeformConv, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(*shapes)


@pytest.mark.parametrize(("op", "shapes"), CASES)
@pytest.mark.parametrize("learned", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_training_keeps_what_autograd_keeps(
    op: DeformConv, shapes: tuple[Shape, ...], learned: tuple[int, ...]
) -> None:
    """In single precision, whichever operands want a gradient."""
    wanted = tuple(i in learned for i in range(len(shapes)))
    module, inputs = to_torch(graph_of(op, *shapes)), draw_inputs(graph_of(op, *shapes), 3)
    saved = op.saved_for_backward(*shapes, batch=3, needs=wanted)
    held = [x.requires_grad_(want) for x, want in zip(inputs, wanted, strict=True)]
    operands = sum(3 * shapes[i].elements for i in saved.operands)
    assert 4 * (operands + saved.values + saved.full) == saved_bytes(module, held)


def test_memory_is_marked_as_an_estimate_in_mixed_precision_alone() -> None:
    """It is exact in single precision, and says of itself that it was not held against torch in every one."""
    op, shapes = CASES[0]
    found = measure_memory(graph_of(op, *shapes), batch=3)
    assert found.training.saved == saved_bytes(to_torch(graph_of(op, *shapes)), draw_inputs(graph_of(op, *shapes), 3))
    assert found.marks


def test_weights_have_the_names_of_a_convolution() -> None:
    (op, shapes), twin = CASES[0], nn.Conv2d(8, 6, 3)
    names = {name: tuple(value.shape) for name, value in twin.state_dict().items()}
    assert {name: weight.shape for name, weight in op.weights(*shapes).items()} == names
