"""Memory: against the storages that torch's autograd really keeps, and those that a run of the module really holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, fx, nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Add, Dropout, GhostBatchNorm, Mean, Mul, Op, Shape, Shift, Vote
from archspec.spec.zoo import zoo_specs
from compiler.analysis.memory import find_storages, largest_batch, measure_memory
from compiler.graph import Graph, Node
from tests.documents import graph_from
from tests.lowering import graph_of
from tests.strategies import MODERATE, Document, specs
from tests.test_op_matrix import walk
from tests.torchvision_models import import_torchvision_models


def saved_bytes(module: nn.Module, inputs: list[Tensor], dtype: torch.dtype | None = None) -> int:
    """The bytes that autograd keeps of a forward pass, each storage once, without the module's own tensors."""
    stored = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in stored:
            kept[storage.data_ptr()] = storage
        return tensor

    cast = torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), cast:
        module.train()(*inputs)
    return sum(storage.nbytes() for storage in kept.values())


def draw_inputs(graph: Graph, batch: int) -> list[Tensor]:
    return [torch.rand(batch, *node.shape) for node in graph.inputs.values()]


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


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121", "mobilenet_v2", "residual_mlp", "se_net"])
def test_mixed_precision_keeps_what_autocast_keeps(name: str) -> None:
    """Of networks of convolutions, linear layers, batch normalization, pooling and activations."""
    graph = shrunk(name)
    found = measure_memory(graph, batch=2, precision="bf16").training.saved
    assert found == saved_bytes(to_torch(graph), draw_inputs(graph, 2), torch.bfloat16)
    assert found != saved_bytes(to_torch(graph), draw_inputs(graph, 2))  # the control


# Inference


class Holding(fx.Interpreter):
    """Runs a module step by step, drops each value after its last reader, and notes what lives at each step."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.timeline: list[int] = []

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op != "output":
            values = [*self.env.values(), result]
            self.timeline.append(
                sum({v.untyped_storage().data_ptr(): v.untyped_storage().nbytes() for v in values}.values())
            )
        return result


def count_steps(graph: Graph, node: Node) -> int:
    """In how many steps the module computes a node: sums and products are taken two by two."""
    pairs = isinstance(node.op, Add | Mul | Mean)
    return len(node.inputs) - 1 + isinstance(node.op, Mean) if pairs else int(bool(node.inputs))


def compare_timelines(graph: Graph, batch: int) -> Iterator[tuple[str, int, int]]:
    """For each node that is one step, the bytes that we find, and those that live in a run; inputs are all there from
    the start."""
    inputs = draw_inputs(graph, batch)
    runner = Holding(to_torch(graph).eval())
    with torch.no_grad():
        runner.run(*inputs)
    held = iter(runner.timeline[len(inputs) :])
    for moment in measure_memory(graph, batch=batch).inference.timeline:
        steps = [next(held) for _ in range(count_steps(graph, graph[moment.node]))]
        if len(steps) == 1:
            yield moment.node, moment.bytes, steps[0]


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
        assert view == (find_storages(graph, training=training)["op"] == "x0")


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
    kept = [
        value for state in made.state.values() for value in state.values() if isinstance(value, Tensor) and value.dim()
    ]
    found = measure_memory(graph, optimizer=optimizer).training
    assert found.optimizer == states * found.gradients == sum(value.nbytes for value in kept)


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
