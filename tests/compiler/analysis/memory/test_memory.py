"""Memory: against the storages that torch's autograd really keeps, and those that a run of the module really holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from archspec.api import elaborate, load, to_torch
from archspec.errors import InputError
from archspec.ops import Attention, DepthToSpace, Mean, Mul, Op, Roll, Shape, ShuffleChannels, Vote
from archspec.precision import FloatPrecision
from archspec.spec.zoo import zoo_specs
from compiler.analysis.memory.memory import largest_batch, measure_memory
from tests.support.documents import graph_from
from tests.support.lowering import graph_of
from tests.support.memory_witness import compare_timelines, draw_inputs, saved_bytes, shrink
from tests.support.strategies import MODERATE, Document, specs
from tests.support.torchvision_models import import_torchvision_models


@pytest.mark.parametrize(("name", "saved"), [("resnet18", 44_398_080), ("resnet50", 172_031_488)])
def test_training_keeps_what_was_measured(name: str, saved: int) -> None:
    """At batch 2 and 224; torchvision's own modules keep as much, though they add and rectify in place."""
    graph = elaborate(load(name))
    assert measure_memory(graph, batch=2).training.saved == saved
    module = getattr(import_torchvision_models(), name)(weights=None)
    assert saved_bytes(module, draw_inputs(graph, 2)) == saved == saved_bytes(to_torch(graph), draw_inputs(graph, 2))


# Inference


@pytest.mark.parametrize(
    "name",
    ["resnet18", "densenet121", "mobilenet_v2", "hourglass2", "unet_bn", "se_net", "residual_mlp", "convnext_tiny"],
)
def test_inference_holds_what_a_run_holds(name: str) -> None:
    graph = shrink(name)
    compared = list(compare_timelines(graph, 1))
    assert len(compared) > len(graph) / 2
    assert [row for row in compared if row[1] != row[2]] == []


@settings(MODERATE, max_examples=20)
@given(specs())
def test_random_networks_hold_what_a_run_holds(document: Document) -> None:
    graph = graph_from(document)
    if any(isinstance(node.op, Attention) for node in graph):
        return  # whose kernels choose how a result lies, and so whether it is copied to be flattened
    if set(graph.nodes) - set(graph.outputs.values()) <= {id for id, readers in graph.readers.items() if readers}:
        # the run does not drop what nobody reads
        assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []


@pytest.mark.parametrize(("padding", "extra"), [("causal", 4 * 10 * 10), ("same_end", 4 * 9 * 9), (1, 0)])
def test_a_layer_whose_sides_differ_holds_a_padded_copy(padding: str | int, extra: int) -> None:
    conv = {"conv": {"out": 4, "kernel": 2 if padding == "same_end" else 3, "padding": padding}}
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": ["relu", conv]})
    ((_, found, run),) = (row for row in compare_timelines(graph, 2) if row[0] == "conv_0")
    assert found == run == 2 * 4 * (2 * 4 * 8 * 8 + extra)


@pytest.mark.parametrize("word", ["add", "mul"])
@pytest.mark.parametrize("branches", [[[], [], []], [[], ["relu"], ["tanh"], ["sigmoid"]], [["relu"], [], ["tanh"]]])
def test_sums_of_several_are_taken_two_by_two(word: str, branches: list[Any]) -> None:
    network = [{word: branches}, {"conv": 8}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [8, 8, 8]}, "network": network})
    assert [row for row in compare_timelines(graph, 2) if row[1] != row[2]] == []
    if word == "add" and branches == [[], [], []]:
        assert measure_memory(graph, batch=2).inference.peak.bytes == 3 * 2 * 4 * 8**3


@pytest.mark.parametrize(
    "op", [ShuffleChannels(groups=1), ShuffleChannels(groups=4), DepthToSpace(block=1), Roll(shift=0)]
)
@pytest.mark.parametrize("shape", [Shape(4, 6), Shape(4, 6, 6), Shape(4, 6, 6, 6)])
def test_moves_of_nothing_hold_what_a_run_holds(op: Op, shape: Shape) -> None:
    assert [row for row in compare_timelines(graph_of(op, shape), 2) if row[1] != row[2]] == []


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
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(module.parameters(), 0.1),
        "momentum": lambda: torch.optim.SGD(module.parameters(), 0.1, momentum=0.9),
        "adam": lambda: torch.optim.Adam(module.parameters()),
    }
    made = kinds[optimizer]()
    module(*draw_inputs(graph, 2)).sum().backward()
    made.step()
    kept = [value for state in made.state.values() for value in state.values() if isinstance(value, Tensor)]
    found = measure_memory(graph, optimizer=optimizer).training
    assert found.optimizer == sum(value.nbytes for value in kept)
    assert found.optimizer == states * found.gradients + 4 * len(list(module.parameters())) * (optimizer == "adam")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_largest_batch_fits_and_the_next_does_not(precision: FloatPrecision) -> None:
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
    with pytest.raises(InputError, match=message):
        measure_memory(elaborate(load("residual_mlp")), **options)


def test_the_steps_of_a_sum_of_very_many_are_not_listed() -> None:
    """Twenty thousand lists of as many values would take minutes, and gigabytes."""
    network = [{"add": {"n": 20_000, "body": []}}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": network})
    assert measure_memory(graph, batch=1).inference.peak.bytes == 3 * 4 * 4 * 8 * 8
