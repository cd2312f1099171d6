"""Taps that meet no value, and results that taps reach unevenly: against torch's gradients and sums."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Conv, ConvTranspose, OpError, Shape, Window
from compiler.analysis.lint import lint_graph
from compiler.analysis.lint.kernels import count_idle, count_writers
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.lowering import graph_of

DEEPLAB: list[Any] = [
    {"conv": {"out": 8, "stride": 4}},
    "relu",
    {"conv": {"out": 8, "stride": 4}},
    "relu",
    {"concat": [[{"conv": {"out": 8, "dilation": rate}}] for rate in (1, 6, 12, 36)]},
    "relu",
]


def image(network: list[Any], size: int = 128) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [3, size, size]}, "network": network})


def dead_weights(graph: Graph, id: str) -> int:
    """The weights of a node's kernel whose gradient is zero, of positive weights on a positive input."""
    module = to_torch(graph).double()
    for tensor in module.parameters():
        tensor.data = torch.rand_like(tensor.data) + 0.5
    inputs = [torch.rand(2, *node.shape, dtype=torch.float64) + 0.5 for node in graph.inputs.values()]
    module(*inputs).sum().backward()
    slope = module.get_parameter(f"{id}.weight").grad
    assert slope is not None
    return int((slope == 0).sum())


@pytest.mark.parametrize("seed", range(80))
def test_idle_weights_are_those_without_a_gradient(seed: int) -> None:
    random = Random(seed)
    draw = random.choice
    fields: dict[str, Any] = {
        "kernel": draw((1, 2, 3, 5)),
        "stride": draw((1, 2, 3, 5)),
        "dilation": draw((1, 2, 3, 7)),
    }
    rank, groups = draw((1, 1, 2)), draw((1, 2))
    op: Any = draw((Conv, ConvTranspose))(out=4, groups=groups, bias=False, **fields)
    x = Shape(2, *[random.randint(1, 6) for _ in range(rank)])
    try:
        graph = graph_of(op, x)
    except OpError:
        return
    assert count_idle(op, x) == dead_weights(graph, "op")


def test_rates_as_in_deeplab_on_a_small_map() -> None:
    """On a map of 8, of the kernels with rates 12 and 36 one tap of nine has something to do."""
    graph = image(DEEPLAB)
    findings = [f for f in lint_graph(graph) if f.code == "idle-taps"]
    assert {f.nodes[0]: f.remedy for f in findings} == {
        "concat_0.branch2.conv_0": "give it `kernel: 1`, which computes the same",
        "concat_0.branch3.conv_0": "give it `kernel: 1`, which computes the same",
    }
    assert [dead_weights(graph, f.nodes[0]) for f in findings] == [8 * 8 * 8] * 2
    assert "512 of the 576 weights of this conv never meet a value of 8×8×8" in findings[0].message


def test_the_same_kernel_of_one_tap_computes_the_same() -> None:
    wide, narrow = (graph_of(Conv(out=4, kernel=kernel, dilation=8), Shape(3, 6, 6)) for kernel in (3, 1))
    one, other = to_torch(wide).eval(), to_torch(narrow).eval()
    given = one.state_dict()
    other.load_state_dict({"op.weight": given["op.weight"][..., 1:2, 1:2], "op.bias": given["op.bias"]})
    x = torch.rand(2, 3, 6, 6)
    assert torch.allclose(one(x), other(x), atol=1e-6)


@pytest.mark.parametrize(("kernel", "dilation"), [*product((3, 5, 7), (1, 2, 3, 4, 9))])
@pytest.mark.parametrize("extent", [1, 2, 4, 5])
def test_every_remedy_leaves_no_idle_tap(kernel: int, dilation: int, extent: int) -> None:
    """And the shapes as they are."""
    op, x = Conv(out=4, kernel=kernel, dilation=dilation), Shape(3, extent, extent)
    findings = [f for f in lint_graph(graph_of(op, x)) if f.code == "idle-taps"]
    assert bool(findings) == bool(count_idle(op, x))
    for finding in findings:
        told = [word.strip("`").split(": ") for word in finding.remedy.split("`")[1::2]]
        assert told
        for name, value in told:
            smaller = op.model_copy(update={name: int(value)})
            assert smaller.infer(x) == op.infer(x)
            assert count_idle(smaller, x) == 0


def test_a_map_of_one_position_wants_a_kernel_of_one() -> None:
    """Not a larger input or fewer layers, which would leave one position behind global pooling."""
    gate = ["global_avg_pool", {"conv": {"out": 8, "dilation": 3}}, "relu", {"conv": 8}, "sigmoid"]
    findings = lint_graph(image([{"conv": 8}, {"mul": [[], gate]}], 16))
    assert {f.code: f.remedy for f in findings} == {"idle-taps": "give it `kernel: 1`, which computes the same"}
    right = ["global_avg_pool", {"conv": {"out": 8, "kernel": 1}}, "relu", {"conv": {"out": 8, "kernel": 1}}, "sigmoid"]
    assert lint_graph(image([{"conv": 8}, {"mul": [[], right]}], 16)) == ()


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [*product((1, 2, 3, 4, 5), (1, 2, 3), (1, 2, 3))])
def test_writers_are_counted_as_torch_sums(kernel: int, stride: int, dilation: int) -> None:
    op = ConvTranspose(out=1, kernel=kernel, stride=stride, dilation=dilation, bias=False)
    module = to_torch(graph_of(op, Shape(1, 40)))
    for tensor in module.parameters():
        tensor.data = torch.ones_like(tensor.data)
    middle = module(torch.ones(1, 1, 40))[0, 0][15:-15]
    assert count_writers(Window(kernel, stride, dilation=dilation)) == (int(middle.min()), int(middle.max()))
    found = [f for f in lint_graph(graph_of(op, Shape(1, 40))) if f.code == "uneven-upsampling"]
    assert bool(found) == (middle.min() != middle.max())
    if found:
        words = dict(word.split(": ") for word in found[0].remedy.split("`")[1::2])
        better = op.model_copy(update={name: int(value) for name, value in words.items()})
        assert len({*count_writers(*better.windows(Shape(1, 40)))}) == 1


def test_one_position_alone_is_reached_evenly() -> None:
    assert lint_graph(graph_of(ConvTranspose(out=16, kernel=5, stride=2), Shape(16, 1, 1))) == ()


def test_kernels_that_span_all_are_counted_at_once() -> None:
    op = Conv(out=1, kernel=2**31 - 1)
    assert op.live_taps(Shape(1, 5)) == (9,)
    assert count_idle(op, Shape(1, 5)) == 2**31 - 10
