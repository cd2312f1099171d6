"""Every operation × every concern. An operation without an example here fails by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec import ops
from archspec.api import to_torch
from archspec.ops import Op, Shape
from archspec.spec.schema import json_schema
from compiler.analysis.cost.cost import measure_cost
from compiler.torch_target.rules import RULES as TORCH_RULES
from tests.support.lowering import TOLERANCE, compare, graph_of, run_torch, sample_inputs, stir

VECTOR, SIGNAL, IMAGE, VOLUME = Shape(8), Shape(8, 13), Shape(8, 10, 13), Shape(8, 6, 7, 9)
EVERY = (VECTOR, SIGNAL, IMAGE, VOLUME)
SPATIAL = (SIGNAL, IMAGE, VOLUME)


def each(op: Op, shapes: tuple[Shape, ...]) -> list[tuple[Op, tuple[Shape, ...]]]:
    return [(op, (shape,)) for shape in shapes]


POINTWISE = (
    *(ops.Relu, ops.Relu6, ops.Gelu, ops.Silu, ops.Sigmoid, ops.HardSigmoid),
    *(ops.HardSwish, ops.Tanh, ops.Softplus, ops.Softmax, ops.Elu, ops.LeakyRelu),
    *(ops.Prelu,),
)

EXAMPLES: list[tuple[Op, tuple[Shape, ...]]] = [
    *each(ops.Conv(out=6), SPATIAL),
    *each(ops.Conv(out=12, kernel=5, stride=2, bias=False, groups=4), SPATIAL),
    *each(ops.Conv(out=6, kernel=2, stride=3, padding=1), SPATIAL),
    *each(ops.Conv(out=6, kernel=2, dilation=2), SPATIAL),
    *each(ops.Conv(out=8, dilation=2, groups=8, init="torch"), SPATIAL),
    *each(ops.Conv(out=4, kernel=1, init="glorot"), SPATIAL),
    *each(ops.ConvTranspose(out=6), SPATIAL),
    *each(ops.ConvTranspose(out=6, kernel=3, stride=2, padding=1, output_padding=1, groups=2, bias=False), SPATIAL),
    *each(ops.ConvTranspose(out=6, kernel=3, stride=1, dilation=2), SPATIAL),
    *each(ops.Linear(out=5), (VECTOR,)),
    *each(ops.Linear(out=5, bias=False, init="torch"), (VECTOR,)),
    *each(ops.Conv(out=6, groups=2, stride=2, weight_norm=True), SPATIAL),
    *each(ops.Conv(out=6, init="zeros", bias=False, weight_norm=True), SPATIAL),
    *each(ops.ConvTranspose(out=6, weight_norm=True), SPATIAL),
    *each(ops.ConvTranspose(out=6, kernel=3, padding=1, output_padding=1, groups=2, weight_norm=True), SPATIAL),
    *each(ops.Linear(out=5, weight_norm=True), (VECTOR,)),
    *each(ops.Linear(out=5, bias=False, gain=0, weight_norm=True), (VECTOR,)),
    *each(ops.BatchNorm(), EVERY),
    *each(ops.BatchNorm(affine=False, eps=1e-3), EVERY),
    *each(ops.GhostBatchNorm(size=3), EVERY),
    *each(ops.GhostBatchNorm(size=2, affine=False), EVERY),
    *each(ops.BatchRenorm(), EVERY),
    *each(ops.BatchRenorm(affine=False, r_max=1.5, d_max=0.5), EVERY),
    *each(ops.LayerNorm(), EVERY),
    *each(ops.LayerNorm(over="channels"), EVERY),
    *each(ops.LayerNorm(over="channels", affine=False), EVERY),
    *each(ops.GroupNorm(groups=4), EVERY),
    *each(ops.GroupNorm(groups=2, affine=False), EVERY),
    *each(ops.InstanceNorm(), SPATIAL),
    *each(ops.InstanceNorm(affine=True), SPATIAL),
    *[example for op in POINTWISE for example in each(op(), EVERY)],
    *each(ops.Gelu(approximate="tanh"), EVERY),
    *each(ops.MaxPool(), SPATIAL),
    *each(ops.MaxPool(kernel=3, stride=2, padding=1), SPATIAL),
    *each(ops.MaxPool(kernel=3, stride=2, ceil=True), SPATIAL),
    *each(ops.MaxPool(kernel=2, stride=2, padding=1, ceil=True), SPATIAL),
    *each(ops.AvgPool(), SPATIAL),
    *each(ops.AvgPool(kernel=3, stride=2, padding=1), SPATIAL),
    *each(ops.AvgPool(kernel=1, stride=2), SPATIAL),
    *each(ops.AvgPool(kernel=3, stride=2, ceil=True), SPATIAL),
    *each(ops.AvgPool(kernel=3, stride=2, padding=1, ceil=True), SPATIAL),
    *each(ops.GlobalAvgPool(), SPATIAL),
    *each(ops.GlobalMaxPool(), SPATIAL),
    *each(ops.Upsample(), SPATIAL),
    *each(ops.Upsample(scale=3, mode="linear"), SPATIAL),
    *each(ops.Flatten(), EVERY),
    *each(ops.PadChannels(out=11), EVERY),
    *each(ops.Scale(value=0.25), EVERY),
    *each(ops.Scale(value=0.5, trainable=True), EVERY),
    *each(ops.Scale(value=1e-2, trainable=True, per="channel"), EVERY),
    *each(ops.Shift(value=0.25), EVERY),
    *each(ops.Shift(trainable=True), EVERY),
    *each(ops.Shift(value=-2, trainable=True, per="channel"), EVERY),
    *each(ops.Dropout(rate=0.3), EVERY),
    *each(ops.StochasticDepth(survival=0.7), EVERY),
    *each(ops.StochasticDepth(survival=0.7, draw="batch"), EVERY),
    *each(ops.StochasticDepth(survival=0.7, rescale=True), EVERY),
    *each(ops.StochasticDepth(survival=0), EVERY),
    *each(ops.StochasticDepth(survival=0, rescale=True), EVERY),
    *each(ops.ShakeDrop(), EVERY),
    *each(ops.ShakeDrop(survival=0.9, draw="batch"), EVERY),
    *[(ops.Add(), (shape, shape)) for shape in EVERY],
    (ops.Add(), (IMAGE, IMAGE, IMAGE)),
    *[(ops.Mul(), (shape, shape)) for shape in EVERY],
    (ops.Mul(), (IMAGE, Shape(8, 1, 1))),
    (ops.Mul(), (Shape(1, 10, 13), IMAGE, IMAGE)),
    *[(ops.Concat(), (shape, Shape(3, *shape.space))) for shape in EVERY],
    (ops.Concat(), (IMAGE, IMAGE, IMAGE)),
    *[(ops.Mean(), (shape, shape)) for shape in EVERY],
    (ops.Mean(), (IMAGE, IMAGE, IMAGE)),
    *[(ops.Shake(), (shape, shape)) for shape in EVERY],
    (ops.Shake(draw="batch"), (IMAGE, IMAGE, IMAGE)),
    *[(ops.Vote(), (shape, shape)) for shape in EVERY],
    (ops.Vote(), (IMAGE, IMAGE, IMAGE)),
    (ops.Crop(), (SIGNAL, Shape(2, 9))),
    (ops.Crop(), (IMAGE, Shape(2, 4, 13))),
    (ops.Crop(), (IMAGE, Shape(2, 4, 15), Shape(2, 12, 7))),
    (ops.Crop(), (VOLUME, Shape(2, 4, 3, 5))),
    (ops.PadSpace(), (SIGNAL, Shape(2, 16))),
    (ops.PadSpace(), (IMAGE, Shape(2, 13, 13))),
    (ops.PadSpace(), (IMAGE, Shape(2, 4, 18), Shape(2, 12, 7))),
    (ops.PadSpace(), (VOLUME, Shape(2, 4, 10, 12))),
]

walk = pytest.mark.parametrize(
    ("op", "shapes"),
    EXAMPLES,
    ids=[f"{op.kind}-{op}-{'-'.join(map(str, shapes))}".replace(" ", ",") for op, shapes in EXAMPLES],
)


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
