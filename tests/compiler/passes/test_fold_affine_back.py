"""Batch normalizations, scales and shifts go into the layers before them, where nothing else changes by it."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from archspec.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    DeformConv,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LeakyRelu,
    Linear,
    MaxPool,
    Op,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shape,
    Shift,
    Sigmoid,
    Upsample,
)
from compiler.graph import Graph
from compiler.passes.affine import MAX_SEARCHED
from compiler.passes.fold_affine_back import FoldAffineBack
from compiler.passes.weight_arrays import LazyArray, WeightArrays
from tests.support.rewriting import FOLDED_TOLERANCE, Drawing, apply, chain, kinds, run, stirred

LAYERS: list[tuple[Op, Shape]] = [
    (Conv(out=6), Shape(4, 7)),
    (Conv(out=6, bias=False, groups=2), Shape(4, 7, 7)),
    (Conv(out=6, stride=2), Shape(4, 5, 6, 7)),
    (ConvTranspose(out=6), Shape(4, 5)),
    (ConvTranspose(out=6, groups=2, bias=False), Shape(4, 5, 5)),
    (ConvTranspose(out=6, kernel=3, groups=2), Shape(4, 3, 4, 5)),
    (Linear(out=6), Shape(4)),
    (Linear(out=6, bias=False), Shape(4)),
]
FUNCTIONS: list[Op] = [
    BatchNorm(),
    BatchNorm(affine=False, eps=0.1),
    Scale(value=-0.5),
    Scale(trainable=True),
    Scale(trainable=True, per="channel"),
    Shift(value=0.5),
    Shift(trainable=True, per="channel"),
]
PASSED: list[Op] = [
    *(GlobalAvgPool(), AvgPool(), AvgPool(kernel=3, stride=1), Upsample(), Upsample(mode="linear"), Crop()),
]


@pytest.mark.parametrize(("op", "shape"), LAYERS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_goes_into_the_layer_before(op: Op, shape: Shape, function: Op) -> None:
    after, step, worst = run(FoldAffineBack(), chain(shape, op, function, Relu()))
    assert kinds(after) == [op.kind, "relu"]
    assert [(note.node, note.text) for note in step.done] == [("n1", "folded into n0")]
    assert worst < FOLDED_TOLERANCE


def test_a_wrong_fold_would_show() -> None:
    """The control: the same comparison with an epsilon that is added twice."""
    graph = chain(Shape(4, 7), Conv(out=6), BatchNorm(eps=0.1))

    def fold_twice(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return FoldAffineBack()(graph, {**weights, "n1.running_var": np.asarray(weights["n1.running_var"]) + 0.1})

    assert apply(fold_twice, graph)[1] > 100 * FOLDED_TOLERANCE


def test_several_in_a_row_go_into_one_layer() -> None:
    ops = (Conv(out=6, bias=False), BatchNorm(), Scale(value=0.5), Shift(trainable=True), BatchNorm())
    after, step, worst = run(FoldAffineBack(), chain(Shape(4, 7), *ops))
    assert kinds(after) == ["conv"]
    assert step.values == {"n0": "n4"}
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("between", PASSED, ids=str)
def test_passes_what_averages_or_moves(between: Op) -> None:
    after, step, worst = run(FoldAffineBack(), chain(Shape(4, 6, 6), Conv(out=6), between, BatchNorm()))
    assert kinds(after) == ["conv", between.kind]
    assert step.values == {"n0": "", "n1": "n2"}
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("between", [MaxPool(), MaxPool(kernel=3, padding=1), GlobalMaxPool()], ids=str)
@pytest.mark.parametrize(("factor", "folded"), [(0.5, True), (0.0, True), (-0.5, False)])
def test_passes_a_maximum_where_no_factor_is_negative(between: Op, factor: float, folded: bool) -> None:
    ops = (Conv(out=6), between, Shift(value=0.5), Scale(value=factor))
    after, _, worst = run(FoldAffineBack(), chain(Shape(4, 6, 6), *ops))
    assert kinds(after) == ["conv", between.kind, *([] if folded else ["scale"])]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("between", [Relu(), LeakyRelu(), Prelu()], ids=str)
@pytest.mark.parametrize(
    ("function", "folded"), [(Scale(value=0.5), True), (Scale(value=-0.5), False), (Shift(value=0.5), False)], ids=str
)
def test_passes_a_rectifier_where_it_only_scales(between: Op, function: Op, folded: bool) -> None:
    after, _, worst = run(FoldAffineBack(), chain(Shape(4, 6), Conv(out=6), between, function))
    assert kinds(after) == ["conv", between.kind, *([] if folded else [function.kind])]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(
    ("pool", "function", "folded"),
    [
        (AvgPool(kernel=3, padding=1), BatchNorm(), False),
        (AvgPool(kernel=3, padding=1), Scale(value=0.5), True),
        (AvgPool(kernel=4, ceil=True), Shift(value=0.5), False),
        (AvgPool(kernel=4, ceil=True), Scale(value=-0.5), True),
    ],
    ids=str,
)
def test_zeros_that_count_in_a_mean_are_not_shifted(pool: Op, function: Op, folded: bool) -> None:
    after, _, worst = run(FoldAffineBack(), chain(Shape(4, 6, 6), Conv(out=6), pool, function))
    assert kinds(after) == ["conv", "avg_pool", *([] if folded else [function.kind])]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("function", "folded"), [(Scale(value=0.5), True), (BatchNorm(), False)], ids=str)
def test_zeros_around_a_value_are_not_shifted(function: Op, folded: bool) -> None:
    drawing = Drawing(Shape(4, 6, 6))
    small = drawing.add(Conv(out=6, padding=0))
    drawing.add(PadSpace(), small, "x")
    drawing.add(function)
    after, _, worst = run(FoldAffineBack(), drawing.graph())
    assert kinds(after) == ["conv", "pad_space", *([] if folded else [function.kind])]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("function", "folded"), [(Scale(trainable=True), True), (BatchNorm(), False)], ids=str)
def test_passes_flattening_where_the_positions_of_a_channel_agree(function: Op, folded: bool) -> None:
    after, _, worst = run(FoldAffineBack(), chain(Shape(4, 3, 3), Conv(out=6), Flatten(), function))
    assert kinds(after) == ["conv", "flatten", *([] if folded else ["batch_norm"])]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("merge", [Add(), Concat()], ids=str)
def test_goes_into_every_operand(merge: Op) -> None:
    drawing = Drawing(Shape(4, 6, 6))
    one, other = drawing.add(Conv(out=6), "x"), drawing.add(Conv(out=6, kernel=1, bias=False), "x")
    drawing.add(merge, one, other)
    drawing.add(BatchNorm())
    after, step, worst = run(FoldAffineBack(), drawing.graph())
    assert kinds(after) == ["conv", "conv", merge.kind]
    assert [note.text for note in step.done] == ["folded into n0, n1"]
    assert worst < FOLDED_TOLERANCE


def test_stays_where_one_operand_cannot_take_it() -> None:
    drawing = Drawing(Shape(4, 6, 6))
    conv = drawing.add(Conv(out=4))
    drawing.add(Add(), conv, "x")
    drawing.add(BatchNorm())
    after, step, worst = run(FoldAffineBack(), drawing.graph())
    assert kinds(after) == ["conv", "add", "batch_norm"]
    assert [note.text for note in step.left] == ["x is read elsewhere too"]
    assert worst == 0


def test_stays_where_the_layer_has_another_reader() -> None:
    drawing = Drawing(Shape(4, 7))
    conv = drawing.add(Conv(out=4))
    drawing.add(Add(), conv, drawing.add(BatchNorm()))
    after, step, worst = run(FoldAffineBack(), drawing.graph())
    assert "n1" in after.nodes
    assert [note.text for note in step.left] == ["n0 is read elsewhere too"]
    assert worst == 0


def test_stays_where_the_layer_is_an_output() -> None:
    drawing = Drawing(Shape(4, 7))
    conv = drawing.add(Conv(out=4))
    norm = drawing.add(BatchNorm())
    after, step, worst = run(FoldAffineBack(), drawing.graph(norm, conv))
    assert "n1" in after.nodes
    assert [note.text for note in step.left] == ["n0 is an output"]
    assert worst == 0


@pytest.mark.parametrize("between", [Relu6(), Sigmoid()], ids=str)
def test_stays_behind_what_bends(between: Op) -> None:
    after, _, worst = run(FoldAffineBack(), chain(Shape(4, 6), Conv(out=6), between, Scale(value=0.5)))
    assert kinds(after) == ["conv", between.kind, "scale"]
    assert worst == 0


def test_a_direction_is_no_kernel_to_fold_into() -> None:
    after, step, worst = run(FoldAffineBack(), chain(Shape(4, 7), Conv(out=4, weight_norm=True), BatchNorm()))
    assert "n1" in after.nodes
    assert "made of" in step.left[0].text
    assert worst == 0


def test_every_convolution_of_a_resnet_is_folded() -> None:
    after, worst = apply(FoldAffineBack(), elaborate(load("resnet_digits")))
    assert not [node for node in after if isinstance(node.op, BatchNorm)]
    assert worst < FOLDED_TOLERANCE


def test_folding_is_done_in_float64_and_when_it_is_asked_for() -> None:
    """Against the exact value in float64, the folded kernel is off by one rounding at most."""
    graph = chain(Shape(8, 5), Conv(out=8), BatchNorm())
    arrays = stirred(graph)
    exact = {name: np.asarray(value, np.float64) for name, value in arrays.items()}
    factor = exact["n1.weight"] / np.sqrt(exact["n1.running_var"] + 1e-5)
    _, folded = FoldAffineBack()(graph, arrays)
    assert isinstance(folded["n0.weight"], LazyArray)
    np.testing.assert_array_equal(folded["n0.weight"], (exact["n0.weight"] * factor[:, None, None]).astype(np.float32))


def test_a_search_ends() -> None:
    """Beyond some nodes a layer is not looked for, or a chain of n scales would take n² steps."""
    after, step, _ = run(
        FoldAffineBack(), chain(Shape(4, 6), Conv(out=4), *[Relu()] * (MAX_SEARCHED + 1), Scale(value=0.5))
    )
    assert kinds(after)[-1] == "scale"
    assert step.left[0].text == f"no layer within {MAX_SEARCHED} nodes before it"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n1.running_var", -1.0, r"n1\.running_var holds -1, and no variance is below zero"),
        ("n1.weight", 1e38, r"n0\.weight becomes infinite in float32"),
    ],
)
def test_weights_that_cannot_be_folded_are_refused(name: str, value: float, message: str) -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    weights = dict(stirred(graph))
    weights[name] = np.full_like(weights[name], value)
    weights["n0.weight"] = 100 * np.asarray(weights["n0.weight"])
    weights["n0.bias"] = 0 * np.asarray(weights["n0.bias"])
    weights["n1.running_mean"] = 0 * np.asarray(weights["n1.running_mean"])
    with pytest.raises(ArchspecError, match=message):
        np.asarray(FoldAffineBack()(graph, weights)[1]["n0.weight"])


def test_goes_into_a_convolution_whose_taps_move() -> None:
    drawing = Drawing(Shape(4, 5, 6))
    offset, mask = (drawing.add(Conv(out=out), "x") for out in (18, 9))
    drawing.add(BatchNorm(), drawing.add(DeformConv(out=6, groups=2, bias=False), "x", offset, mask))
    after, _, worst = run(FoldAffineBack(), drawing.graph())
    assert kinds(after) == ["conv", "conv", "deform_conv"]
    assert worst < FOLDED_TOLERANCE
