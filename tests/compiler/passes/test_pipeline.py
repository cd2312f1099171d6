"""All passes in a row, on random graphs: results are the same, and each value is what the journals say."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from archspec.api import elaborate, load
from archspec.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LeakyRelu,
    Linear,
    MaxPool,
    Mean,
    Mul,
    Op,
    OpError,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shape,
    Shift,
    Sigmoid,
    StochasticDepth,
    Upsample,
)
from compiler.graph import Graph
from compiler.onnx_target.options import ExportOptions, Precision, Target
from compiler.onnx_target.pipeline import EXACT, choose_passes
from compiler.passes.base import Pass, run_passes
from compiler.passes.drop_unused import find_used
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, choose_other_sizes
from tests.support.rewriting import Drawing, kinds, measure, measure_values, stirred
from tests.support.strategies import specs

relaxed = settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

UNARY: tuple[Op, ...] = (
    *(Conv(out=4), Conv(out=4, kernel=1, bias=False), Conv(out=6, padding=0, groups=2), Conv(out=4, weight_norm=True)),
    *(ConvTranspose(out=4), ConvTranspose(out=4, kernel=1, stride=1), Linear(out=5), Linear(out=4, bias=False)),
    *(BatchNorm(), BatchNorm(affine=False), Scale(value=0.5), Scale(value=-2), Scale(), Shift(value=0.5), Shift()),
    *(Scale(trainable=True, per="channel"), Shift(trainable=True, per="channel"), Dropout(), StochasticDepth()),
    *(Relu(), Relu(), Relu6(), LeakyRelu(), Prelu(), Sigmoid(), Flatten(), GlobalAvgPool(), GlobalMaxPool()),
    *(MaxPool(), MaxPool(kernel=1), AvgPool(kernel=3, stride=1, padding=1), AvgPool(kernel=2, stride=1, ceil=True)),
    *(Upsample(scale=1), Upsample(mode="linear"), PadChannels(out=6), PadChannels(out=8), AvgPool(stride=1)),
)
SEVERAL: tuple[Op, ...] = (Add(), Add(), Mul(), Concat(), Mean(), Crop(), PadSpace())


@st.composite
def graphs(draw: DrawFn) -> Graph:
    """A few operations, most of them on what the one before made, and one or two outputs."""
    drawing = Drawing(draw(st.sampled_from([Shape(4), Shape(4, 5), Shape(4, 6, 6)])))
    for _ in range(draw(st.integers(3, 12))):
        names = list(drawing.nodes)
        recent = st.sampled_from([*names, *names[-1:] * 4 * len(names)])
        several = draw(st.integers(0, 5)) == 0
        op = draw(st.sampled_from(SEVERAL if several else UNARY))
        operands = draw(st.lists(recent, min_size=1, max_size=3)) if several else [draw(recent)]
        try:
            drawing.add(op, *operands)
        except (OpError, ValueError):  # it does not fit
            continue
    last = list(drawing.nodes)[-1]
    others = [draw(st.sampled_from(list(drawing.nodes)))] if draw(st.integers(0, 3)) == 0 else []
    return drawing.graph(last, *others)


@relaxed
@given(graphs())
def test_random_graphs_compute_the_same(graph: Graph) -> None:
    weights = stirred(graph)
    after, others, steps = run_passes(EXACT, graph, weights)
    assert measure(graph, weights, after, others) < TOLERANCE
    assert measure_values(graph, weights, after, others, steps) < TOLERANCE
    assert set(after.nodes) == find_used(after)


def test_what_lent_extents_to_a_merged_padding_goes_too() -> None:
    drawing = Drawing(Shape(2, 9, 9))
    small, middle = drawing.add(AvgPool(kernel=5, stride=1)), drawing.add(AvgPool(kernel=3, stride=1), "x")
    padded = drawing.add(PadSpace(), small, middle)
    graph = drawing.graph(drawing.add(Conv(out=3), padded), drawing.add(Conv(out=3), padded))
    after, _, _ = run_passes(EXACT, graph, stirred(graph))
    assert kinds(after) == ["avg_pool", "conv", "conv"]


@settings(relaxed, max_examples=60)
@given(graphs(), st.sampled_from(EXACT))
def test_each_pass_by_itself_computes_the_same(graph: Graph, one: Pass) -> None:
    weights = stirred(graph)
    after, others, steps = run_passes([one], graph, weights)
    assert measure(graph, weights, after, others) < TOLERANCE
    assert measure_values(graph, weights, after, others, steps) < TOLERANCE


@settings(relaxed, max_examples=40)
@given(specs())
def test_random_specs_compute_the_same_at_every_size(document: dict[str, Any]) -> None:
    graph = graph_from(document)
    weights = stirred(graph)
    after, others, _ = run_passes(EXACT, graph, weights)
    for turns in range(2):
        assert measure(graph, weights, after, others, **choose_other_sizes(graph, turns)) < TOLERANCE


def test_a_lost_number_would_show() -> None:
    """The control: one folded bias is off."""
    graph = elaborate(load("resnet_digits"))
    weights = stirred(graph)
    after, others, _ = run_passes(EXACT, graph, weights)
    name = next(name for name in others if name.endswith("bias"))
    moved = np.asarray(others[name]) + 0.1
    assert measure(graph, weights, after, {**others, name: moved}) > 10 * TOLERANCE


@pytest.mark.parametrize("name", ["densenet_bc_100_12", "wide_resnet16_4", "resnet110_stochastic_depth", "highway10"])
def test_networks_of_the_zoo_compute_the_same(name: str) -> None:
    graph = elaborate(load(name))
    weights = stirred(graph)
    after, others, steps = run_passes(EXACT, graph, weights)
    assert len(after) < len(graph)
    assert measure(graph, weights, after, others) < TOLERANCE
    assert measure_values(graph, weights, after, others, steps) < TOLERANCE


@pytest.mark.parametrize("target", get_args(Target))
@pytest.mark.parametrize("precision", get_args(Precision))
def test_forms_for_cpus_are_taken_in_single_precision(target: Target, precision: Precision) -> None:
    passes = choose_passes(ExportOptions(target=target, precision=precision))
    assert passes[: len(EXACT)] == EXACT
    assert (len(passes) > len(EXACT)) == ((target, precision) == ("cpu", "fp32"))
