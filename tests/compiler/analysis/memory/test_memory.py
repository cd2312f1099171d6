"""Memory: against the storages that torch's autograd really keeps, and those that a run of the module really holds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Conv, Crop, Dropout, Flatten, GhostBatchNorm, Linear, Mean, Mul, Op, Shape, Shift, Vote
from archspec.spec.zoo import zoo_specs
from compiler.analysis.memory.memory import largest_batch, measure_memory
from compiler.analysis.memory.saved import find_layouts, find_storages
from compiler.graph import Graph, Node
from tests.support.documents import graph_from
from tests.support.lowering import graph_of
from tests.support.memory_witness import compare_timelines, draw_inputs, saved_bytes
from tests.support.strategies import MODERATE, Document, specs
from tests.support.torchvision_models import import_torchvision_models
from tests.whole.test_op_matrix import walk


def shrunk(name: str) -> Graph:
    """A network of the zoo, at the smaller sizes that it takes."""
    graph = elaborate(load(name))
    wanted = {size: 64 for size, value in graph.sizes.items() if value >= 128}
    return graph.resize(wanted)


@pytest.mark.parametrize(("name", "saved"), [("resnet18", 44_398_080), ("resnet50", 172_031_488)])
def test_training_keeps_what_was_measured(name: str, saved: int) -> None:
    """At batch 2 and 224; torchvision's own modules keep as much, though they add and rectify in place."""
    graph = elaborate(load(name))
    assert measure_memory(graph, batch=2).training.saved == saved
    module = getattr(import_torchvision_models(), name)(weights=None)
    assert saved_bytes(module, draw_inputs(graph, 2)) == saved == saved_bytes(to_torch(graph), draw_inputs(graph, 2))


@pytest.mark.parametrize(
    "name",
    [
        *("densenet121", "mobilenet_v2", "hourglass1", "convnext_tiny", "efficientnet_b0", "se_net", "residual_mlp"),
        *("unet_bn", "highway", "preresnet110", "vgg11"),
    ],
)
def test_training_keeps_what_autograd_keeps(name: str) -> None:
    graph = shrunk(name)
    assert measure_memory(graph, batch=2).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 2))


@walk
def test_each_operation_keeps_what_autograd_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """Behind a learned scale, so that operands want a gradient; it keeps its own operand too."""
    graph = behind_scales(op, shapes)
    assert measure_memory(graph, batch=4).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 4))


@walk
def test_each_operation_on_data_keeps_what_autograd_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """Where operands want no gradient less is kept, or nothing."""
    graph = graph_of(op, *shapes)
    assert measure_memory(graph, batch=3).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 3))


def behind_scales(op: Op, shapes: tuple[Shape, ...]) -> Graph:
    graph = graph_of(op, *shapes)
    nodes = {}
    for node in graph:
        nodes[node.id] = node
        if node.id in graph.inputs:
            shift = replace(node, id=f"{node.id}_moved", op=Shift(trainable=True), inputs=(node.id,))
            nodes[shift.id] = shift
    last = nodes["op"]
    nodes["op"] = replace(last, inputs=tuple(f"{id}_moved" for id in last.inputs))
    return replace(graph, nodes={id: nodes[id] for id in (*(i for i in nodes if i != "op"), "op")})


@settings(MODERATE, max_examples=40)
@given(specs())
def test_random_networks_keep_what_autograd_keeps(document: Document) -> None:
    graph = graph_from(document)
    assert measure_memory(graph, batch=4).training.saved == saved_bytes(to_torch(graph), draw_inputs(graph, 4))


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
def test_mixed_precision_keeps_what_autocast_keeps(name: str, precision: str) -> None:
    graph = shrunk(name)
    module, inputs = to_torch(graph), draw_inputs(graph, 2)
    found = measure_memory(graph, batch=2, precision=precision).training.saved
    assert found == saved_bytes(module, inputs, HALVES[precision])
    assert found != saved_bytes(module, inputs)  # the control


@walk
def test_each_operation_keeps_what_autocast_keeps(op: Op, shapes: tuple[Shape, ...]) -> None:
    """On data, which has four bytes, and once more behind convolutions or linear layers, which give two."""
    graph = graph_of(op, *shapes)
    nodes = dict(graph.nodes)
    for id, x in graph.inputs.items():
        before = Conv(out=x.shape.channels, kernel=1) if x.shape.rank else Linear(out=x.shape.channels)
        nodes[f"{id}_made"] = replace(x, id=f"{id}_made", op=before, inputs=(id,))
    nodes["behind"] = replace(graph["op"], id="behind", inputs=tuple(f"{id}_made" for id in graph["op"].inputs))
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
    network: list[Any], space: list[int], precision: str | None
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


# Inference


@pytest.mark.parametrize(
    "name",
    ["resnet18", "densenet121", "mobilenet_v2", "hourglass2", "unet_bn", "se_net", "residual_mlp", "convnext_tiny"],
)
def test_inference_holds_what_a_run_holds(name: str) -> None:
    graph = shrunk(name)
    compared = list(compare_timelines(graph, 1))
    assert len(compared) > len(graph) / 2
    assert [row for row in compared if row[1] != row[2]] == []


@settings(MODERATE, max_examples=20)
@given(specs())
def test_random_networks_hold_what_a_run_holds(document: Document) -> None:
    graph = graph_from(document)
    if set(graph.nodes) - set(graph.outputs.values()) <= {id for id, readers in graph.readers.items() if readers}:
        # the run does not drop what nobody reads
        assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []


@walk
def test_views_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    for training in (False, True):
        inputs = draw_inputs(graph, 4)
        result = to_torch(graph).train(training)(*inputs)
        view = result.untyped_storage().data_ptr() == inputs[0].untyped_storage().data_ptr()
        assert view == (find_storages(graph, find_layouts(graph, 4), training=training)["op"] == "x0")


@pytest.mark.parametrize("word", ["add", "mul"])
@pytest.mark.parametrize("branches", [[[], [], []], [[], ["relu"], ["tanh"], ["sigmoid"]], [["relu"], [], ["tanh"]]])
def test_sums_of_several_are_taken_two_by_two(word: str, branches: list[Any]) -> None:
    network = [{word: branches}, {"conv": 8}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [8, 8, 8]}, "network": network})
    assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []
    if word == "add" and branches == [[], [], []]:
        assert measure_memory(graph, batch=2).inference.peak.bytes == 3 * 2 * 4 * 8**3


def test_a_mean_divides_its_sum() -> None:
    graph = graph_of(Mean(), *[Shape(4, 5)] * 3)
    assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []


def test_products_that_grow_on_the_way() -> None:
    graph = graph_of(Mul(), Shape(4, 1, 1), Shape(1, 5, 6), Shape(4, 5, 6))
    assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []
    assert Mul().partials(Shape(4, 1, 1), Shape(1, 5, 6), Shape(4, 5, 6)) == (120,)


def test_peak_of_a_residual_block_by_hand() -> None:
    """x, its first convolution and the second one's result: while the second runs, three maps live."""
    body = [{"conv": 4}, {"conv": 4}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8]}, "network": [{"residual": {"body": body}}]})
    found = measure_memory(graph).inference
    assert [moment.bytes for moment in found.timeline] == [128, 256, 384, 384]
    assert found.peak.node.endswith("conv_1")
    assert dict(found.at_peak) == {"x": 128, "residual_0.body.conv_0": 128, "residual_0.body.conv_1": 128}
    assert found.weights == 4 * 2 * (4 * 4 * 3 + 4)


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_spec_of_the_zoo_is_measured(name: str) -> None:
    graph = elaborate(load(name))
    found = measure_memory(graph, batch=2)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert found.inference.peak.bytes == sum(found.inference.at_peak.values()) > 0
    assert found.training.saved > 0 or any(isinstance(node.op, Vote) for node in graph)
    half = measure_memory(graph, batch=2, precision="fp16").inference
    assert 2 * half.peak.bytes == found.inference.peak.bytes


# Budgets


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("momentum", 1), ("adam", 2)])
def test_optimizers_keep_what_torchs_keep(optimizer: str, states: int) -> None:
    graph = elaborate(load("se_net"))
    module = to_torch(graph)
    made = {
        "sgd": lambda: torch.optim.SGD(module.parameters(), 0.1),
        "momentum": lambda: torch.optim.SGD(module.parameters(), 0.1, momentum=0.9),
        "adam": lambda: torch.optim.Adam(module.parameters()),
    }[optimizer]()
    module(*draw_inputs(graph, 2)).sum().backward()
    made.step()
    kept = [value for state in made.state.values() for value in state.values() if isinstance(value, Tensor)]
    found = measure_memory(graph, optimizer=optimizer).training
    assert found.optimizer == sum(value.nbytes for value in kept)
    assert found.optimizer == states * found.gradients + 4 * len(list(module.parameters())) * (optimizer == "adam")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_largest_batch_fits_and_the_next_does_not(precision: str) -> None:
    graph = elaborate(load("resnet18"))
    batch = largest_batch(graph, 8 << 30, precision=precision)
    assert measure_memory(graph, batch=batch, precision=precision).training.total <= 8 << 30
    assert measure_memory(graph, batch=batch + 1, precision=precision).training.total > 8 << 30


def test_a_budget_below_the_weights_fits_no_batch() -> None:
    assert largest_batch(elaborate(load("resnet18")), 1 << 20) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "precision should be one of fp32, fp16, bf16, found 'fp8'"),
        ({"optimizer": "lion"}, "optimizer should be one of sgd, momentum, adam, found 'lion'"),
        ({"batch": 0}, "a batch has at least one sample, found 0"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        measure_memory(elaborate(load("residual_mlp")), **options)
