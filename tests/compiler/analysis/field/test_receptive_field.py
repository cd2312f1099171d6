"""Receptive fields: against published tables, and against the gradient of real networks, position by position."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import elaborate, load, to_torch
from archspec.ops import (
    Add,
    AvgPool,
    Conv,
    ConvTranspose,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    MaxPool,
    Op,
    Scale,
    Shape,
    Span,
    Upsample,
    Vote,
)
from archspec.ops.scalar import Activation
from archspec.spec.zoo import zoo_specs
from compiler.analysis.field import lookback, positions, readings, receptive_field
from compiler.analysis.field.fields import OutputField
from compiler.analysis.field.receptive_field import ReceptiveField, measure_receptive_field
from compiler.graph import Graph, Node
from tests.support.documents import graph_from
from tests.support.lowering import graph_of
from tests.support.strategies import MODERATE, Document, specs


def only_field(found: ReceptiveField) -> OutputField:
    ((field,),) = found.outputs.values()
    return field


def measure(name: str, **params: Any) -> OutputField:
    return only_field(measure_receptive_field(elaborate(load(name, params))))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # torchvision's networks, strides in the 3×3 convolutions: the sizes that its modules have
        *[("resnet18", 435), ("resnet34", 899), ("resnet50", 427), ("resnet101", 971), ("resnet152", 1451)],
        ("vgg11", 150),
        # Araujo, Norris and Sim, Distill, 2019, table of sizes
        *[("vgg16", 212), ("densenet121", 2071), ("mobilenet_v2", 491)],
    ],
)
def test_published_sizes(name: str, size: int) -> None:
    field = measure(name).field
    assert field.size == field.local == (size, size)
    assert field.stride == (32, 32)


@pytest.mark.parametrize(
    ("depths", "size"),
    [([3, 4, 6, 3], 483), ([3, 4, 23, 3], 1027), ([3, 8, 36, 3], 1507), ([3, 24, 36, 3], 1763)],
    ids=["resnet50", "resnet101", "resnet152", "resnet200"],
)
def test_stride_in_the_first_convolution(depths: list[int], size: int) -> None:
    """ResNets as their paper has them, with the stride in the first 1×1: Araujo, Norris and Sim, 2019."""
    narrow = [{"conv": {"out": "width", "kernel": 1, "stride": "stride"}}, "relu", {"conv": "width"}, "relu"]
    body = [*narrow, {"conv": {"out": "4 * width", "kernel": 1}}]
    project = [{"conv": {"out": "4 * width", "kernel": 1, "stride": "stride"}}]
    stage = {"bottleneck": {"width": "width", "stride": "2 if i > 0 and j == 0 else 1"}}
    stages = {
        "each": {"depth": "depths", "width": [2, 4, 8, 16]},
        "body": [{"repeat": {"n": "depth", "as": "j", "body": [stage]}}],
    }
    document: Document = {
        "archspec": 1,
        "params": {"depths": depths},
        "inputs": {"image": [3, 224, 224]},
        "blocks": {
            "bottleneck": {
                "args": {"width": "int", "stride": "int"},
                "body": [{"residual": {"body": body, "project": project}}, "relu"],
            }
        },
        "network": [
            {"conv": {"out": 4, "kernel": 7, "stride": 2}},
            {"max_pool": {"kernel": 3, "stride": 2, "padding": 1}},
            {"repeat": stages},
            "global_avg_pool",
        ],
    }
    assert only_field(measure_receptive_field(graph_from(document))).field.size == (size, size)


# Against gradients


def made_transparent(graph: Graph) -> Graph:
    """The same network, of which the gradient shows every dependency: a maximum passes its gradient to one position
    alone, and an activation may have none."""

    def swap(op: Op) -> Op:
        if isinstance(op, MaxPool):
            return AvgPool(**op.model_dump())
        return (
            GlobalAvgPool() if isinstance(op, GlobalMaxPool) else Scale(value=0.9) if isinstance(op, Activation) else op
        )

    return replace(graph, nodes={node.id: replace(node, op=swap(node.op)) for node in graph})


def look(graph: Graph, id: str, positions: Iterable[Sequence[int]]) -> Iterator[dict[str, list[Span]]]:
    """By input and axis the first and last position on which a node's result depends at each of `positions`: where its
    gradient is not zero, with random weights and inputs in double precision."""
    graph = replace(made_transparent(graph), outputs={"y": id})
    module = to_torch(graph).double().eval()
    random = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        fan = max(1, tensor[0].numel()) if tensor.dim() else 1
        tensor.copy_((0.5 + torch.rand(tensor.shape, generator=random, dtype=torch.float64)) / fan)
    inputs = {
        name: (0.5 + torch.rand((1, *node.shape), generator=random, dtype=torch.float64)).requires_grad_()
        for name, node in graph.inputs.items()
    }
    result = module(*inputs.values())[0]
    weights = torch.rand(len(result), generator=random, dtype=torch.float64)
    for position in positions:
        value = (result[(slice(None), *position)] * weights).sum()
        slopes = torch.autograd.grad(value, list(inputs.values()), retain_graph=True, allow_unused=True)
        places = {
            name: slope[0].abs().amax(0).nonzero()
            for name, slope in zip(inputs, slopes, strict=True)
            if slope is not None and slope.any()
        }
        yield {name: [(int(axis.min()), int(axis.max())) for axis in found.T] for name, found in places.items()}


@settings(MODERATE, max_examples=25)
@given(specs())
def test_clipped_runs_are_those_of_the_gradient(document: Document) -> None:
    graph = graph_from(document)
    if any(isinstance(node.op, Vote) for node in graph):  # it has no gradient
        return
    for own, *others in filter(None, measure_receptive_field(graph).outputs.values()):
        node = graph[own.field.node]
        (seen,) = look(graph, node.id, [[(extent - 1) // 2 for extent in node.shape.space]])
        for output in (own, *others):
            assert output.clipped == tuple(seen.get(output.field.input, ())), node.id


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


def middle(network: list[Any], *shape: int) -> OutputField:
    return only_field(
        measure_receptive_field(graph_from({"archspec": 1, "inputs": {"x": list(shape)}, "network": network}))
    )


def dilated(out: int, dilation: int, **fields: Any) -> dict[str, Any]:
    return {"conv": {"out": out, "dilation": dilation, **fields}}


@pytest.mark.parametrize(
    ("network", "shape", "clipped", "seen"),
    [
        ([dilated(1, 18)], (1, 33, 33), (16, 16), 1),  # eight of nine taps lie in the padding
        ([dilated(1, 6), dilated(1, 12)], (1, 33, 33), (4, 28), 25),
        ([dilated(1, 8), dilated(1, 30)], (1, 65, 65), (2, 62), 49),
        ([{"conv": {"out": 1, "kernel": 1, "stride": 3, "padding": 1}}, {"instance_norm": {}}], (1, 11), (2, 8), 3),
        ([{"conv": {"out": 1, "kernel": 1, "stride": 4, "padding": 1}}, {"group_norm": 1}], (1, 28), (3, 27), 7),
    ],
)
def test_taps_in_the_padding_see_nothing(network: Any, shape: tuple[int, ...], clipped: Span, seen: int) -> None:
    field = middle(network, *shape)
    graph = graph_from({"archspec": 1, "inputs": {"x": list(shape)}, "network": network})
    (torchs,) = look(graph, field.field.node, [[(extent - 1) // 2 for extent in graph[field.field.node].shape.space]])
    assert field.clipped == (clipped,) * (len(shape) - 1) == tuple(torchs["x"])
    assert field.seen == seen


def test_rates_as_in_deeplab() -> None:
    """Four strides of 2, then rates of 6, 12 and 18: at 257 the last ones reach beyond the map of 17 positions."""
    rates: list[Any] = [[{"conv": {"out": 2, "kernel": 1}}], *[[dilated(2, rate)] for rate in (6, 12, 18)]]
    halve: Any = {"conv": {"out": 2, "stride": 2}}
    for size, seen in ((257, (17, 239)), (513, (49, 463))):
        field = middle([*[halve] * 4, {"concat": rates}], 1, size)
        assert field.field.size == (15 * 2 + 1 + 16 * 36,)
        assert field.clipped == (seen,)


def test_gaps_of_a_transposed_convolution_under_a_dilated_kernel() -> None:
    """Every other position holds the bias alone, and taps three apart see one of two kinds each."""
    widen: Any = {"conv_transpose": {"out": 2, "kernel": 1, "stride": 2, "output_padding": 1}}
    assert middle([widen, dilated(3, 3, kernel=2, padding=0)], 2, 34).field.size == (1,)
    assert middle([widen, dilated(3, 4, kernel=2, padding=0)], 2, 34).field.size == (3,)


def test_a_position_that_sees_nothing() -> None:
    field = middle([{"conv_transpose": {"out": 2, "kernel": 1, "stride": 2}}], 2, 4)
    assert (field.clipped, field.seen, field.field.size) == ((), 0, (1,))
    assert not field.has_gaps


def test_a_gate_sees_no_more_than_the_input() -> None:
    gate: Any = {"mul": [[], ["global_avg_pool", {"conv": {"out": 2, "kernel": 1}}]]}
    field = middle([{"conv": {"out": 2, "kernel": 15}}, gate, {"conv": {"out": 2, "kernel": 15}}], 2, 40)
    assert (field.field.size, field.field.local, field.clipped) == ((40,), (29,), ((0, 39),))


def test_what_overlaps_in_too_many_ways_is_counted_at_most() -> None:
    """57 boxes of 41 positions along each of three axes: counting what lies in each choice of them would take hours."""
    dilated = [[{"conv": {"out": 1, "kernel": 41, "dilation": rate}}] for rate in range(7, 64)]
    seen = []
    for branches, extents in (dilated, [3000] * 3), (dilated, [3000]), (dilated[:4], [3000] * 3):
        graph = graph_from({"archspec": 1, "inputs": {"x": [1, *extents]}, "network": [{"concat": branches}]})
        ((found,),) = measure_receptive_field(graph).outputs.values()
        seen.append((found.seen, [*found.marks]))
    places = {rate * tap for rate in range(7, 64) for tap in range(-20, 21)}
    assert seen[1] == (len(places), [])
    assert seen[0] == (len(places) ** 3, ["seen"])
    assert seen[2] == (
        len({place for rate in range(7, 11) for place in product(range(-20 * rate, 21 * rate, rate), repeat=3)}),
        [],
    )


def test_what_is_too_ragged_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MAX_RUNS", 4)
    field = middle([dilated(1, 3), dilated(1, 9)], 1, 99)
    assert {key: mark.kind for key, mark in field.marks.items()} == {"clipped": "at most", "seen": "at most"}
    assert field.clipped == ((0, 98),)


def test_an_unfollowed_way_makes_a_size_a_lower_bound() -> None:
    way: list[Any] = [{"upsample": readings.MAX_TURN + 1}, {"conv": {"out": 2, "stride": readings.MAX_TURN + 1}}]
    found = signal([{"add": [[{"conv": 2}], way]}], 2)
    assert found.unmeasured
    assert found.marks["size"].kind == "at least"


# What else a field says


def test_gates_show_everything_and_are_told_apart() -> None:
    graph = elaborate(load("se_net"))
    found = measure_receptive_field(graph)
    field = only_field(found)
    assert field.field.local == (13, 13) < (32, 32) == field.field.size
    assert field.clipped == ((0, 31), (0, 31))
    assert {type(graph[id].op) for id in found.everywhere} == {GlobalAvgPool}
    assert [*look(graph, field.field.node, [[3, 3]])] == [{"image": [(0, 31), (0, 31)]}]


def signal(network: list[Any], length: int = 64) -> ReceptiveField:
    return measure_receptive_field(graph_from({"archspec": 1, "inputs": {"x": [2, length]}, "network": network}))


def test_statistics_of_a_map_show_everything() -> None:
    shown = only_field(signal([{"conv": 2}, {"group_norm": 1}, {"conv": 2}])).field
    assert (shown.size, shown.local) == ((64,), (5,))
    local = only_field(signal([{"conv": 2}, {"layer_norm": {"over": "channels"}}, {"conv": 2}])).field
    assert (local.size, local.local) == ((5,), (5,))


def test_narrowest_path_of_a_residual_block() -> None:
    field = only_field(signal([{"conv": 2}, {"residual": {"body": [{"conv": 2}, {"conv": 2}]}}]))
    assert (field.field.size, field.narrowest) == ((7,), (3,))


def test_phases_behind_upsampling_differ() -> None:
    """x doubled, then a window of 2: even positions see one input position, odd ones two."""
    field = only_field(signal([{"upsample": 2}, {"conv": {"out": 2, "kernel": 2, "padding": 0}}]))
    assert (field.field.size, field.narrowest, field.field.stride) == ((2,), (1,), (Fraction(1, 2),))


def test_a_merge_that_looks_at_different_places_is_named() -> None:
    """A 3×3 convolution at stride 2 looks at every other position, a mean of pairs half a position further."""
    pool: Any = {"avg_pool": 2}
    body = [{"conv": {"out": 2, "stride": 2}}]
    (merge,) = signal([{"residual": {"body": body, "shortcut": [pool]}}]).misaligned
    assert merge.offsets == ((0,), (Fraction(-1, 2),))
    assert merge.strides == ((2,), (2,))
    even = [{"conv": {"out": 2, "kernel": 2, "stride": 2, "padding": 0}}]
    assert signal([{"residual": {"body": even, "shortcut": [pool]}}]).misaligned == ()


@pytest.mark.parametrize("name", ["unet", "hourglass2", "resnet50", "densenet121", "mobilenet_v2"])
def test_networks_of_the_zoo_are_aligned(name: str) -> None:
    assert measure_receptive_field(elaborate(load(name))).misaligned == ()


def test_vectors_have_no_field() -> None:
    found = measure_receptive_field(elaborate(load("residual_mlp")))
    assert found.outputs == {"output": ()}
    assert found.to_dict()["size"] == []


def test_each_output_and_each_input_has_its_own() -> None:
    fields = measure_receptive_field(elaborate(load("hourglass2"))).outputs
    assert {name: field.field.size[0] for name, (field,) in fields.items()} == {"heatmap0": 713, "heatmap1": 1353}
    body = [{"add": [[{"conv": 2}], [{"from": "b"}]]}]
    two = {"archspec": 1, "inputs": {"a": [2, 9], "b": [2, 9]}, "network": body}
    both = measure_receptive_field(graph_from(two))
    assert {name: field.field.size for name, field in both.by_output["output"].items()} == {"a": (3,), "b": (1,)}
    told = both.to_dict()["by_output"]
    assert {name: field["size"] for name, field in told["output"].items()} == {"a": [3], "b": [1]}


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_spec_of_the_zoo_is_measured(name: str) -> None:
    graph = elaborate(load(name))
    found = measure_receptive_field(graph)
    assert found.unmeasured == ()
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    for node in graph:
        for field in found.of(node.id):
            assert len(field.size) == node.shape.rank
            assert all(0 < local <= size for local, size in zip(field.local, field.size, strict=True))


def test_what_repeats_too_late_is_given_up_and_said() -> None:
    found = signal([{"upsample": readings.MAX_TURN + 1}, {"conv": 2}], 1)
    assert found.unmeasured == ("upsample_0",)
    assert found.outputs == {"output": ()} or only_field(found).field.node == "x"


def test_too_many_phases_have_no_narrowest_path() -> None:
    found = only_field(signal([{"upsample": lookback.MAX_PHASES + 1}, {"conv": 2}], 2))
    assert (found.field.size, found.narrowest) == ((2,), (None,))


def test_of_too_many_outputs_only_the_theory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    network: list[Any] = [{"conv": 2}, {"output": "first"}, {"conv": 2}, {"output": "second"}]
    monkeypatch.setattr(receptive_field, "MAX_WALKED", 6)  # three nodes, two outputs
    assert [field.clipped for (field,) in signal(network).outputs.values()] == [((30, 32),), ((29, 33),)]
    monkeypatch.setattr(receptive_field, "MAX_WALKED", 5)
    found = signal(network)
    assert [field.field.size for (field,) in found.outputs.values()] == [(3,), (5,)]
    assert [(field.clipped, field.seen) for (field,) in found.outputs.values()] == [(None, None)] * 2
    json.dumps(found.to_dict(), allow_nan=False)


def test_operations_of_the_caller_read_their_own_position() -> None:
    class Twice(Op):
        def infer(self, x: Shape) -> Shape:
            return x

    graph = graph_of(Twice(), Shape(2, 9))
    assert only_field(measure_receptive_field(graph)).field.size == (1,)
    assert isinstance(graph["x0"].op, Input)
