"""Batch normalizations, scales and shifts go into the layers behind them where each result sees the whole kernel."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Crop,
    DeformConv,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Op,
    Pad,
    Relu,
    Scale,
    Shape,
    Shift,
    Upsample,
)
from compiler.graph import Graph
from compiler.passes.base import run_passes
from compiler.passes.fold_affine_back import FoldAffineBack
from compiler.passes.fold_affine_forward import FoldAffineForward
from compiler.passes.weight_arrays import WeightArrays
from tests.support.rewriting import FOLDED_TOLERANCE, Drawing, apply, chain, kinds, run

WHOLE: list[tuple[Op, Shape]] = [
    (Conv(out=6, kernel=1), Shape(4, 7)),
    (Conv(out=6, padding=0, bias=False), Shape(4, 7, 7)),
    (Conv(out=6, padding=0, groups=2, stride=2, dilation=2), Shape(4, 7, 8)),
    (Conv(out=6, kernel=2, padding=0), Shape(4, 5, 6, 7)),
    (ConvTranspose(out=6, kernel=1, stride=1, groups=2), Shape(4, 5)),
    (ConvTranspose(out=6, kernel=1, stride=1, bias=False), Shape(4, 3, 4, 5)),
    (Linear(out=6), Shape(4)),
    (Linear(out=6, bias=False), Shape(4)),
]
PARTLY: list[tuple[Op, Shape]] = [
    (Conv(out=6), Shape(4, 7)),
    (Conv(out=6, groups=2, stride=2, bias=False), Shape(4, 7, 7)),
    (ConvTranspose(out=6), Shape(4, 5)),
    (ConvTranspose(out=6, kernel=3, stride=2, padding=1, groups=2), Shape(4, 5, 5)),
    (ConvTranspose(out=6, kernel=1, stride=2), Shape(4, 5)),
]


@pytest.mark.parametrize(("op", "shape"), WHOLE)
@pytest.mark.parametrize("function", [BatchNorm(), Shift(trainable=True, per="channel"), Scale(value=-0.5)], ids=str)
def test_goes_into_the_layer_behind(op: Op, shape: Shape, function: Op) -> None:
    after, step, worst = run(FoldAffineForward(), chain(shape, function, op, Relu()))
    assert kinds(after) == [op.kind, "relu"]
    assert [(note.node, note.text) for note in step.done] == [("n0", "folded into n1")]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), PARTLY)
@pytest.mark.parametrize(
    ("function", "folded"), [(Scale(trainable=True, per="channel"), True), (BatchNorm(), False)], ids=str
)
def test_padded_zeros_are_scaled_and_not_shifted(op: Op, shape: Shape, function: Op, folded: bool) -> None:
    after, _, worst = run(FoldAffineForward(), chain(shape, function, op))
    assert kinds(after) == [*([] if folded else ["batch_norm"]), op.kind]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), [PARTLY[0], PARTLY[2]])
def test_a_shift_of_padded_zeros_would_show(op: Op, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same comparison where the condition is not asked for."""
    monkeypatch.setattr("compiler.passes.fold_affine_forward.takes_before", lambda op, affine, x: True)
    monkeypatch.setattr("compiler.passes.kernel._sum_inputs", _sum_all)
    assert apply(FoldAffineForward(), chain(shape, BatchNorm(), op))[1] > 100 * FOLDED_TOLERANCE


def _sum_all(terms: np.ndarray, op: Op) -> np.ndarray:
    """As if every result saw every tap."""
    channels = 1 if isinstance(op, ConvTranspose) else 0
    return terms.sum(tuple(axis for axis in range(terms.ndim) if axis != channels))


def test_a_forgotten_term_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.passes.kernel._sum_inputs", lambda terms, op: 0.0)
    assert apply(FoldAffineForward(), chain(Shape(4), BatchNorm(), Linear(out=3)))[1] > 100 * FOLDED_TOLERANCE


BETWEEN: list[tuple[Op, ...]] = [
    (GlobalAvgPool(), Flatten(), Linear(out=3)),
    (Flatten(), Linear(out=3)),
    (AvgPool(), Crop(), Flatten(), Linear(out=3)),
    (Upsample(mode="linear"), Conv(out=3, kernel=1)),
]


@pytest.mark.parametrize("ops", BETWEEN, ids=str)
def test_passes_what_averages_or_moves(ops: tuple[Op, ...]) -> None:
    after, step, worst = run(FoldAffineForward(), chain(Shape(4, 4, 4), Relu(), BatchNorm(), *ops))
    assert kinds(after) == ["relu", *(op.kind for op in ops)]
    assert step.values == {f"n{i}": "" for i in range(2, 1 + len(ops))}
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("factor", "folded"), [(0.5, True), (-0.5, False)])
def test_passes_maxima_and_rectifiers_where_no_factor_is_negative(factor: float, folded: bool) -> None:
    ops = (Scale(value=factor), MaxPool(), Relu(), Conv(out=3))
    after, _, worst = run(FoldAffineForward(), chain(Shape(4, 4, 4), *ops))
    assert kinds(after) == [*([] if folded else ["scale"]), "max_pool", "relu", "conv"]
    assert worst < FOLDED_TOLERANCE


def test_goes_into_every_reader() -> None:
    drawing = Drawing(Shape(4, 6))
    norm = drawing.add(BatchNorm())
    one, other = drawing.add(Conv(out=3, kernel=1), norm), drawing.add(Conv(out=3, kernel=1, bias=False), norm)
    drawing.add(Add(), one, other)
    after, step, worst = run(FoldAffineForward(), drawing.graph())
    assert kinds(after) == ["conv", "conv", "add"]
    assert [note.text for note in step.done] == ["folded into n1, n2"]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("reader", [Relu(), Conv(out=4)], ids=str)
def test_stays_where_one_reader_cannot_take_it(reader: Op) -> None:
    drawing = Drawing(Shape(4, 6))
    norm = drawing.add(BatchNorm())
    one, other = drawing.add(Conv(out=4, kernel=1), norm), drawing.add(reader, norm)
    drawing.add(Add(), one, other)
    after, step, worst = run(FoldAffineForward(), drawing.graph())
    assert "n0" in after.nodes
    assert [note.node for note in step.left] == ["n0"]
    assert worst == 0


def test_stays_where_it_is_an_output() -> None:
    drawing = Drawing(Shape(4))
    norm = drawing.add(BatchNorm())
    after, step, worst = run(FoldAffineForward(), drawing.graph(norm, drawing.add(Linear(out=3))))
    assert "n0" in after.nodes
    assert [note.text for note in step.left] == ["n0 is an output"]
    assert worst == 0


def test_a_layer_takes_one_from_each_side() -> None:
    """A convolution that took the normalization behind it takes the scale before it."""

    def both(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return run_passes([FoldAffineBack(), FoldAffineForward()], graph, weights)[:2]

    graph = chain(Shape(4, 6), Relu(), Shift(value=0.5), Conv(out=3, padding=0, bias=False), BatchNorm())
    after, worst = apply(both, graph)
    assert kinds(after) == ["relu", "conv"]
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("function", [BatchNorm(), Scale(value=0.5)], ids=str)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_only_what_is_convolved_is_scaled(place: int, function: Op) -> None:
    """Taps that are moved see zeros beyond the ends, and offsets and masks are no factors of the kernel."""
    drawing = Drawing(Shape(4, 5, 6))
    made = [drawing.add(Conv(out=out, kernel=1), "x") for out in (4, 8, 4)]
    made[place] = drawing.add(function, made[place])
    drawing.add(DeformConv(out=3, kernel=(2, 2), padding=(1, 1), stride=1), made[0], *_fit(drawing, made[1:]))
    after, _, worst = run(FoldAffineForward(), drawing.graph())
    assert (function.kind not in kinds(after)) == (place == 0 and isinstance(function, Scale))
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_group_takes_the_factors_of_its_own_channels(groups: int) -> None:
    drawing = Drawing(Shape(4, 5, 6))
    maps = drawing.add(Scale(trainable=True, per="channel"), "x")
    offsets = drawing.add(Conv(out=8, kernel=1), "x")
    drawing.add(DeformConv(out=8, kernel=(2, 2), padding=(1, 1), groups=groups), maps, *_fit(drawing, [offsets]))
    after, _, worst = run(FoldAffineForward(), drawing.graph())
    assert "scale" not in kinds(after)
    assert worst < FOLDED_TOLERANCE


def _fit(drawing: Drawing, values: list[str]) -> list[str]:
    """Pad offsets and mask to the result's extents, one more than the map's."""
    return [drawing.add(Pad(before=1, after=0, mode="edge"), value) for value in values]
