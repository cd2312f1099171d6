"""What every position sees, told by a few: against the gradient far from the ends."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.ops import (
    Add,
    AvgPool,
    Conv,
    ConvTranspose,
    MaxPool,
    Op,
    Scale,
    Shape,
    Upsample,
)
from compiler.analysis.field import axis_readings
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.graph import Graph, Node
from tests.support.fields import look, measure_signal, only_field
from tests.support.lowering import graph_of
from tests.support.strategies import MODERATE

LAYERS: list[Op] = [
    *[
        Conv(out=2, kernel=k, stride=s, padding=p, dilation=d)
        for k, s, p, d in [(3, 1, 1, 1), (3, 2, 1, 1), (2, 2, 0, 1)]
    ],
    *[
        Conv(out=2, kernel=k, stride=s, padding=p, dilation=d)
        for k, s, p, d in [(3, 1, 2, 2), (1, 2, 0, 1), (4, 2, 1, 1)]
    ],
    *[
        Conv(out=2, kernel=k, stride=s, padding=p, dilation=d)
        for k, s, p, d in [(2, 3, 1, 1), (2, 1, 0, 3), (5, 3, 0, 1)]
    ],
    *[MaxPool(), AvgPool(kernel=3, stride=2, padding=1), AvgPool(kernel=3, stride=1), MaxPool(kernel=2, stride=3)],
    *[Upsample(), Upsample(mode="linear"), Upsample(scale=3), Upsample(scale=3, mode="linear")],
    *[ConvTranspose(out=2), ConvTranspose(out=2, kernel=3, padding=1, output_padding=1)],
    *[ConvTranspose(out=2, kernel=3, stride=1, dilation=2), ConvTranspose(out=2, kernel=4, stride=2, padding=1)],
]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 3), (3, 1), (3, 2), (2, 2), (1, 3), (4, 2)])
def test_transposed_convolutions_with_gaps(kernel: int, stride: int, dilation: int) -> None:
    """Where the stride leaves results that no input reaches, or a dilated kernel some between."""
    graph = graph_of(ConvTranspose(out=2, kernel=kernel, stride=stride, dilation=dilation, padding=1), Shape(2, 20))
    (view,) = measure_receptive_field(graph).views["op"]
    places = range(16, 32) if stride > 1 else range(8, 14)
    for place, seen in zip(places, look(graph, "op", [[place] for place in places]), strict=True):
        lo, hi = view.at("x0", place)
        assert seen.get("x0") == ([(lo, hi)] if lo <= hi else None)


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Up to five layers on a long signal, and sums of two ways of one length."""
    graph = graph_of(Scale(), Shape(2, 400))
    nodes, last = dict(graph.nodes), graph["op"]

    def append(op: Op, *operands: Node) -> Node:
        shape = op.infer(*(node.shape for node in operands))
        node = replace(last, id=f"n{len(nodes)}", op=op, inputs=tuple(node.id for node in operands), shape=shape)
        nodes[node.id] = node
        return node

    for _ in range(draw(st.integers(1, 5))):
        small = [op for op in LAYERS if not isinstance(op, Upsample | ConvTranspose)]
        op = draw(st.sampled_from(LAYERS if last.shape.space[0] < 300 else small))
        if last.shape.space[0] < 24:
            break
        after = append(op, last)
        other = append(draw(st.sampled_from(LAYERS)), last)
        last = append(Add(), after, other) if other.shape == after.shape else after
    return replace(graph, nodes=nodes, outputs={"y": last.id})


@settings(MODERATE, max_examples=40)
@given(chains())
def test_sizes_are_those_of_the_gradient_far_from_the_ends(graph: Graph) -> None:
    found = measure_receptive_field(graph)
    assert not found.unmeasured
    node, (view,) = graph[graph.outputs["y"]], found.views[graph.outputs["y"]]
    sizes, turn = [], max(len(strand.runs) for strand in view.strands.values())
    middle = node.shape.space[0] // 2
    positions = range(middle, middle + min(turn, 12))
    for position, seen in zip(positions, look(graph, node.id, [[position] for position in positions]), strict=True):
        lo, hi = view.at("x0", position)
        assert (seen["x0"][0] if seen else None) == ((lo, hi) if lo <= hi else None)
        sizes.append(max(0, hi - lo + 1))
    if len(view.strands) == 1 and turn <= 12:
        (field,) = found.of(node.id)
        assert field.size == (max(sizes),)
        first, after = view.at("x0", middle), view.at("x0", middle + turn)
        assert field.stride == (Fraction(after[0] - first[0], turn),) or first[0] > first[1]


def test_control_one_position_more_is_not_seen() -> None:
    """The comparison tells a kernel of 3 from one of 5."""
    graph = graph_of(Conv(out=2), Shape(2, 21))
    wider = graph_of(Conv(out=2, kernel=5), Shape(2, 21))
    assert [*look(graph, "op", [[10]])] == [{"x0": [(9, 11)]}]
    assert [*look(wider, "op", [[10]])] == [{"x0": [(8, 12)]}]


def test_an_unfollowed_way_makes_a_size_a_lower_bound() -> None:
    way: list[Any] = [
        {"upsample": axis_readings.MAX_TURN + 1},
        {"conv": {"out": 2, "stride": axis_readings.MAX_TURN + 1}},
    ]
    found = measure_signal([{"add": [[{"conv": 2}], way]}], 2)
    assert found.unmeasured
    assert found.marks["size"].kind == "at least"


def test_phases_behind_upsampling_differ() -> None:
    """x doubled, then a window of 2: even positions see one input position, odd ones two."""
    field = only_field(measure_signal([{"upsample": 2}, {"conv": {"out": 2, "kernel": 2, "padding": 0}}]))
    assert (field.field.size, field.narrowest, field.field.stride) == ((2,), (1,), (Fraction(1, 2),))
