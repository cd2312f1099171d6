"""What changes nothing at any accepted size is left out."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.api import elaborate, load
from archspec.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    Crop,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LeakyRelu,
    MaxPool,
    Mean,
    Mul,
    Op,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shape,
    Shift,
    Sigmoid,
    Softplus,
    Tanh,
    Upsample,
)
from compiler.passes.base import run_passes
from compiler.passes.drop_identities import DropIdentities
from tests.support.rewriting import Drawing, apply, chain, kinds, measure, run, stirred

MAP, VECTOR = Shape(4, 6, 6), Shape(4)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        *((op, MAP) for op in (Scale(), Shift(), MaxPool(kernel=1), AvgPool(kernel=1, stride=1), Upsample(scale=1))),
        *((op, MAP) for op in (Add(), Mul(), Concat(), Mean(), PadChannels(out=4), Crop(), PadSpace())),
        *((op, Shape(4, 1, 1)) for op in (GlobalAvgPool(), GlobalMaxPool())),
        (Flatten(), VECTOR),
    ],
    ids=str,
)
def test_leaves_out(op: Op, shape: Shape) -> None:
    after, step, worst = run(DropIdentities(), chain(shape, Tanh(), op, Tanh()))
    assert kinds(after) == ["tanh", "tanh"]
    assert [note.node for note in step.done] == ["n1"]
    assert worst == 0


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        *((op, MAP) for op in (Scale(value=2), Shift(value=1), Scale(trainable=True), Shift(trainable=True))),
        *((op, MAP) for op in (MaxPool(kernel=1, stride=2), MaxPool(kernel=3, stride=1, padding=1), Upsample())),
        *((op, MAP) for op in (PadChannels(out=5), GlobalAvgPool(), Flatten(), Relu())),
    ],
    ids=str,
)
def test_keeps(op: Op, shape: Shape) -> None:
    graph = chain(shape, Tanh(), op, Tanh())
    after, step, worst = run(DropIdentities(), graph)
    assert after is graph
    assert not step.done
    assert worst == 0


def test_a_whole_network_of_them_is_its_input() -> None:
    after, worst = apply(DropIdentities(), chain(MAP, Scale(), Shift(), MaxPool(kernel=1)))
    assert after.outputs == {"y0": "x"}
    assert worst == 0


@pytest.mark.parametrize("op", [Scale(trainable=True, per="channel"), Shift(trainable=True)], ids=str)
def test_what_learned_nothing_goes_with_its_weights(op: Scale | Shift) -> None:
    graph = chain(MAP, Tanh(), op)
    (name,) = graph.weights
    start = np.full(graph.weights[name].shape, op.value, np.float32)
    after, others = DropIdentities()(graph, {name: start})
    assert kinds(after) == ["tanh"]
    assert measure(graph, {name: start}, after, others) == 0


@pytest.mark.parametrize(
    "before",
    [
        *((first,) for first in (Relu(), Relu6(), Sigmoid(), Softplus())),
        *((Relu(), between) for between in (MaxPool(), AvgPool(padding=1), GlobalAvgPool(), Upsample(mode="linear"))),
        *((Relu(), between) for between in (Flatten(), PadChannels(out=6), Scale(), Scale(value=0.5), Shift(value=1))),
    ],
    ids=str,
)
@pytest.mark.parametrize("rectifier", [Relu(), LeakyRelu(slope=2), Prelu()], ids=str)
def test_leaves_out_a_rectifier_of_what_is_never_negative(before: tuple[Op, ...], rectifier: Op) -> None:
    after, _, worst = run(DropIdentities(), chain(MAP, *before, rectifier, Tanh()))
    assert rectifier.kind not in kinds(after)[1:]
    assert kinds(after)[-1] == "tanh"
    assert worst == 0


@pytest.mark.parametrize("before", [(Tanh(),), (Relu(), Shift(value=-0.5)), (Relu(), Conv(out=4))], ids=str)
def test_keeps_a_rectifier_of_what_may_be_negative(before: tuple[Op, ...]) -> None:
    after, _, worst = run(DropIdentities(), chain(MAP, *before, Relu()))
    assert kinds(after)[-1] == "relu"
    assert worst == 0


def test_leaving_such_a_rectifier_out_would_show() -> None:
    """The control."""
    before, after = chain(MAP, Tanh(), Relu()), chain(MAP, Tanh())
    assert measure(before, {}, after, {}) > 0.1


@pytest.mark.parametrize("merge", [Add(), Mul(), Concat(), Mean()], ids=str)
@pytest.mark.parametrize(("second", "kept"), [(Sigmoid(), False), (Tanh(), True)], ids=str)
def test_of_several_operands_none_may_be_negative(merge: Op, second: Op, kept: bool) -> None:
    drawing = Drawing(MAP)
    drawing.add(merge, drawing.add(Relu(), "x"), drawing.add(second, "x"))
    drawing.add(Relu())
    after, _, worst = run(DropIdentities(), drawing.graph())
    assert (kinds(after)[-1] == "relu") is kept
    assert worst == 0


def dynamic(fixed: bool) -> Drawing:
    return Drawing(Shape(2, 8), (2, 8) if fixed else (2, "L"), **({} if fixed else {"L": 8}))


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("kind", [Crop, PadSpace])
def test_a_crop_that_cuts_at_another_size_stays(kind: type[Op], fixed: bool) -> None:
    """By four and back, a size of ten has become one of eight."""
    drawing = dynamic(fixed)
    drawing.add(Upsample(scale=4), drawing.add(MaxPool(kernel=4), "x"))
    first, second = ("x", "n1") if kind is Crop else ("n1", "x")
    drawing.add(kind(), first, second)
    after, _, worst = run(DropIdentities(), drawing.graph())
    assert (kind.kind in kinds(after)) is not fixed
    assert worst == 0


@pytest.mark.parametrize("kind", [Crop, PadSpace])
def test_a_crop_that_cuts_at_no_size_goes(kind: type[Op]) -> None:
    drawing = dynamic(fixed=False)
    drawing.add(kind(), drawing.add(Conv(out=3), "x"), "x")
    graph = drawing.graph()
    weights = stirred(graph)
    after, others = DropIdentities()(graph, weights)
    assert kinds(after) == ["conv"]
    assert max(measure(graph, weights, after, others, L=size) for size in (1, 8, 9)) == 0


def test_a_pooling_of_one_position_stays_where_there_may_be_more() -> None:
    drawing = Drawing(Shape(2, 1), (2, "L"), L=1)
    drawing.add(GlobalMaxPool(), drawing.add(GlobalAvgPool(), "x"))
    after, *_ = run(DropIdentities(), drawing.graph())
    assert kinds(after) == ["global_avg_pool"]


def test_what_only_training_changes_stays() -> None:
    """Dropout is none of them until it is what it is at inference."""
    graph = elaborate(load("wide_resnet16_4"))
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    after, *_ = run_passes([DropIdentities()], graph, weights)
    assert kinds(after).count("dropout") == kinds(graph).count("dropout") > 0
