"""Every operation × every concern. An operation without an example here fails by its name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec import ops
from archspec.api import to_torch
from archspec.ops import Op, Shape
from archspec.spec.schema import json_schema
from compiler.analysis.cost.cost import measure_cost
from compiler.torch_target.rules import RULES as TORCH_RULES
from tests.support.lowering import TOLERANCE, compare, graph_of, run_torch, sample_inputs, stir
from tests.support.op_examples import EXAMPLES, walk


def test_every_op_has_an_example() -> None:
    assert {type(op) for op, _ in EXAMPLES} | {ops.Input} == set(ops.OPS)


def test_every_op_has_a_torch_rule() -> None:
    assert set(TORCH_RULES) | {ops.Input} == set(ops.OPS)


def test_every_layer_is_a_word_of_the_schema() -> None:
    words = json_schema()["$defs"]["node"]["anyOf"][1]["properties"]
    assert set(ops.LAYERS) <= set(words)


@walk
def test_shape_is_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    found = run_torch(graph, to_torch(graph), sample_inputs(graph, 2))["y"].shape
    assert found == (2, *op.infer(*shapes))


@walk
def test_weights_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    module = to_torch(graph)
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == {
        name: weight.shape for name, weight in graph.weights.items()
    }
    cost = measure_cost(graph)
    assert cost.parameters == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert cost.buffers == sum(b.numel() for b in module.buffers())


@walk
def test_macs_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    with FlopCounterMode(display=False) as counter:
        run_torch(graph, to_torch(graph), sample_inputs(graph, 1))
    assert counter.get_total_flops() == measure_cost(graph).macs["flops"]


@walk
def test_onnx_runtime_agrees_with_torch(op: Op, shapes: tuple[Shape, ...], tmp_path: Path) -> None:
    assert compare(graph_of(op, *shapes), tmp_path) < TOLERANCE


@walk
def test_training_reaches_every_parameter(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    module = stir(to_torch(graph)).train()
    inputs = {name: torch.from_numpy(value).requires_grad_() for name, value in sample_inputs(graph, 4).items()}
    result = module(*inputs.values())
    if isinstance(op, ops.Vote):  # who is the largest has no gradient
        assert not result.requires_grad
        return
    result.square().sum().backward()
    data_inputs = {name: value for name, value in inputs.items() if name in graph["op"].data_inputs}
    for name, leaf in [*module.named_parameters(), *data_inputs.items()]:
        assert leaf.grad is not None, name
        assert torch.isfinite(leaf.grad).all(), name
