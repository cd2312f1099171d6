"""What autograd keeps, against torch's own hooks; and in whose storage values lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from archspec.api import to_torch
from archspec.ops import Conv, Crop, Dropout, Flatten, GhostBatchNorm, Linear, Op, Shape, Shift
from archspec.precision import FloatPrecision
from compiler.analysis.memory.memory import measure_memory
from compiler.analysis.memory.saved import find_layouts, find_storages
from compiler.graph import Graph, Node
from tests.support.documents import graph_from
from tests.support.lowering import graph_of
from tests.support.memory_witness import compare_timelines, draw_inputs, saved_bytes, shrink
from tests.support.op_examples import walk
from tests.support.strategies import MODERATE, Document, specs


@pytest.mark.parametrize(
    "name",
    [
        *("densenet121", "mobilenet_v2", "hourglass1", "convnext_tiny", "efficientnet_b0", "se_net", "residual_mlp"),
        *("unet_bn", "highway", "preresnet110", "vgg11"),
    ],
)
def test_training_keeps_what_autograd_keeps(name: str) -> None:
    graph = shrink(name)
    assert measure_memory(graph, batch=2).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 2))


@walk
def test_each_operation_keeps_what_autograd_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """Behind a learned scale, so that operands want a gradient; it keeps its own operand too."""
    if not op.is_measured(*shapes):
        return
    graph = behind_scales(op, shapes)
    assert measure_memory(graph, batch=4).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 4))


@walk
def test_each_operation_on_data_keeps_what_autograd_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """Where operands want no gradient less is kept, or nothing."""
    if not op.is_measured(*shapes):
        return
    graph = graph_of(op, *shapes)
    assert measure_memory(graph, batch=3).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 3))


def behind_scales(op: Op, shapes: tuple[Shape, ...]) -> Graph:
    graph = graph_of(op, *shapes)
    nodes = {}
    for node in graph:
        nodes[node.id] = node
        if node.id in graph.inputs and not node.holds_integers:
            shift = replace(node, id=f"{node.id}_moved", op=Shift(trainable=True), inputs=(node.id,))
            nodes[shift.id] = shift
    last = nodes["op"]
    nodes["op"] = replace(last, inputs=tuple(id if id in graph.rows else f"{id}_moved" for id in last.inputs))
    return replace(graph, nodes={id: nodes[id] for id in (*(i for i in nodes if i != "op"), "op")})


@settings(MODERATE, max_examples=40)
@given(specs())
def test_random_networks_keep_what_autograd_keeps(document: Document) -> None:
    graph = graph_from(document)
    found = measure_memory(graph, batch=4)
    if found.marks:  # it says itself that it is not exact
        return
    assert found.training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 4))


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("shape", [Shape(5), Shape(5, 3)])
def test_parts_of_ghost_batches(batch: int, shape: Shape) -> None:
    graph = behind_scales(GhostBatchNorm(size=3), (shape,))
    if batch * shape.elements == shape.channels:
        return  # torch refuses to normalize one value
    assert measure_memory(graph, batch=batch).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, batch))


@pytest.mark.parametrize("rate", [0, 1])
def test_dropout_of_nothing_and_of_everything(rate: float) -> None:
    graph = behind_scales(Dropout(rate=rate), (Shape(4, 5),))
    assert measure_memory(graph, batch=2).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 2))


HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, "bf16") for name in ("resnet18", "residual_mlp", "se_net", "convnext_tiny")),
        *((name, "fp16") for name in ("residual_mlp", "se_net")),  # torch is slow in it
    ],
)
def test_mixed_precision_keeps_what_autocast_keeps(name: str, precision: FloatPrecision) -> None:
    graph = shrink(name)
    module, inputs = to_torch(graph), draw_inputs(graph, 2)
    found = measure_memory(graph, batch=2, precision=precision).training.saved
    assert found == saved_bytes(module, inputs, HALVES[precision])
    assert found != saved_bytes(module, inputs)  # the control


@walk
def test_each_operation_keeps_what_autocast_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """On data, which has four bytes, and once more behind convolutions or linear layers, which give two."""
    if not op.is_measured(*shapes):
        return
    graph = graph_of(op, *shapes)
    nodes = dict(graph.nodes)
    made = {id: id if x.holds_integers else f"{id}_made" for id, x in graph.inputs.items()}
    for id, x in graph.inputs.items():
        if x.holds_integers:
            continue
        before = Conv(out=x.shape.channels, kernel=1) if x.shape.rank else Linear(out=x.shape.channels)
        nodes[f"{id}_made"] = replace(x, id=f"{id}_made", op=before, inputs=(id,))
    nodes["behind"] = replace(graph["op"], id="behind", inputs=tuple(map(made.__getitem__, graph["op"].inputs)))
    graph = replace(graph, nodes=nodes, outputs={"y": "op", "z": "behind"})
    found = measure_memory(graph, batch=4, precision="bf16").training.saved
    assert found == saved_bytes(to_torch(graph), draw_inputs(graph, 4), torch.bfloat16)


NORM: Any = {"layer_norm": {"over": "channels"}}
"""It leaves a map with its channels last."""


@pytest.mark.parametrize("precision", [None, *HALVES])
@pytest.mark.parametrize(
    "network",
    [
        [{"conv": 8}, NORM, {"upsample": 2}, "relu", "flatten", {"linear": 4}],
        [{"conv": 8}, NORM, "relu", {"conv": {"out": 4, "kernel": 1}}, "relu", "flatten", {"linear": 4}],
        [NORM, "instance_norm", {"conv": 4}],
        [NORM, "softmax", "flatten", {"linear": 4}],
        [{"concat": [[NORM], [{"conv": 4}]]}, "relu", "flatten", {"linear": 4}],
        [{"mul": [["global_avg_pool"], [NORM]]}, "relu", "flatten", {"linear": 4}],
        [{"dense": {"n": 3, "body": [{"conv": 4}, "relu"]}}],
        [{"residual": {"body": [{"conv": 8}]}}, "relu", {"residual": {"body": [{"conv": 8}]}}],
        [{"shake": [[], [{"conv": 8}]]}, {"conv": 8}, "prelu", "instance_norm", {"group_norm": 2}],
        [{"scale": {"trainable": True, "per": "channel"}}, {"conv": 4}, {"shift": {"trainable": True}}, "tanh"],
    ],
    ids=str,
)
@pytest.mark.parametrize("space", [[16], [6, 8]], ids=len)
def test_copies_of_what_lies_in_another_order_or_precision(
    network: list[Any], space: list[int], precision: FloatPrecision | None
) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [8, *space]}, "network": network})
    kept = saved_bytes(to_torch(graph), draw_inputs(graph, 2), HALVES.get(precision or ""))
    assert measure_memory(graph, batch=2, precision=precision).training.saved == kept
    assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []


@pytest.mark.parametrize(
    ("network", "uncertain"),
    [
        ([NORM, {"conv": 4}], True),
        ([NORM, {"conv_transpose": 4}], True),
        ([{"conv_transpose": {"out": 2, "kernel": 1, "stride": 1}}], True),
        ([NORM, "relu", "batch_norm"], False),
        ([{"conv": 4}, {"conv_transpose": 4}, NORM], False),
        ([{"avg_pool": {"kernel": 4, "padding": 1}}], True),
    ],
    ids=str,
)
def test_what_torch_does_one_way_or_the_other_is_an_estimate(network: list[Any], uncertain: bool) -> None:
    """With volumes: of maps all is certain."""
    for space in ([3, 4, 5], [4, 5]):
        graph = graph_from({"archspec": 1, "inputs": {"x": [8, *space]}, "network": network})
        marks = measure_memory(graph, batch=2).marks
        assert bool(marks) == (uncertain and len(space) == 3)
        assert not marks or marks["training_saved_bytes"].kind == "estimate"
    single = [{"conv": 1}, NORM, "relu", {"conv": 4}]
    assert measure_memory(graph_from({"archspec": 1, "inputs": {"x": [8, 4, 5]}, "network": single})).marks


def test_a_crop_of_one_row_lies_in_order() -> None:
    """With one channel and one sample nothing lies outside the rows that are cut off."""
    for batch, channels in ((1, 1), (2, 1), (1, 2)):
        graph = graph_of(Crop(), Shape(channels, 6), Shape(3, 4))
        flat = Node("flat", Flatten(), ("op",), Shape(4 * channels), graph["op"].source)
        graph = replace(graph, nodes={**graph.nodes, "flat": flat}, outputs={"y": "flat"})
        x, other = draw_inputs(graph, batch)
        view = to_torch(graph)(x, other).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        assert view == (find_storages(graph, find_layouts(graph, batch), training=True)["flat"] == "x0")


@walk
def test_views_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    for training in (False, True):
        inputs = draw_inputs(graph, 4)
        result = to_torch(graph).train(training)(*inputs)
        view = result.untyped_storage().data_ptr() == inputs[0].untyped_storage().data_ptr()
        assert view == (find_storages(graph, find_layouts(graph, 4), training=training)["op"] == "x0")
