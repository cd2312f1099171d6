"""Every operation × every concern. An operation without an example here fails by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import to_torch
from archspec.ops import (
    LAYERS,
    OPS,
    Add,
    AvgPool,
    BatchNorm,
    BatchRenorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Elu,
    Flatten,
    Gelu,
    GhostBatchNorm,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Input,
    InstanceNorm,
    LayerNorm,
    LeakyRelu,
    Linear,
    MaxPool,
    Mean,
    Mul,
    Op,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shake,
    ShakeDrop,
    Shape,
    Shift,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
    Upsample,
    Vote,
)
from archspec.spec.schema import json_schema
from compiler.analysis.cost.cost import measure_cost
from compiler.torch_target.rules import RULES as TORCH_RULES
from tests.support.lowering import TOLERANCE, compare, graph_of, run_torch, sample_inputs, stir

VECTOR, SIGNAL, IMAGE, VOLUME = Shape(8), Shape(8, 13), Shape(8, 10, 13), Shape(8, 6, 7, 9)
EVERY = (VECTOR, SIGNAL, IMAGE, VOLUME)
SPATIAL = (SIGNAL, IMAGE, VOLUME)


def each(op: Op, shapes: tuple[Shape, ...]) -> list[tuple[Op, tuple[Shape, ...]]]:
    return [(op, (shape,)) for shape in shapes]


POINTWISE = (Relu, Relu6, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh, Softplus, Softmax, Elu, LeakyRelu, Prelu)

EXAMPLES: list[tuple[Op, tuple[Shape, ...]]] = [
    *each(Conv(out=6), SPATIAL),
    *each(Conv(out=12, kernel=5, stride=2, bias=False, groups=4), SPATIAL),
    *each(Conv(out=6, kernel=2, stride=3, padding=1), SPATIAL),
    *each(Conv(out=6, kernel=2, dilation=2), SPATIAL),
    *each(Conv(out=8, dilation=2, groups=8, init="torch"), SPATIAL),
    *each(Conv(out=4, kernel=1, init="glorot"), SPATIAL),
    *each(ConvTranspose(out=6), SPATIAL),
    *each(ConvTranspose(out=6, kernel=3, stride=2, padding=1, output_padding=1, groups=2, bias=False), SPATIAL),
    *each(ConvTranspose(out=6, kernel=3, stride=1, dilation=2), SPATIAL),
    *each(Linear(out=5), (VECTOR,)),
    *each(Linear(out=5, bias=False, init="torch"), (VECTOR,)),
    *each(Conv(out=6, groups=2, stride=2, weight_norm=True), SPATIAL),
    *each(Conv(out=6, init="zeros", bias=False, weight_norm=True), SPATIAL),
    *each(ConvTranspose(out=6, weight_norm=True), SPATIAL),
    *each(ConvTranspose(out=6, kernel=3, padding=1, output_padding=1, groups=2, weight_norm=True), SPATIAL),
    *each(Linear(out=5, weight_norm=True), (VECTOR,)),
    *each(Linear(out=5, bias=False, gain=0, weight_norm=True), (VECTOR,)),
    *each(BatchNorm(), EVERY),
    *each(BatchNorm(affine=False, eps=1e-3), EVERY),
    *each(GhostBatchNorm(size=3), EVERY),
    *each(GhostBatchNorm(size=2, affine=False), EVERY),
    *each(BatchRenorm(), EVERY),
    *each(BatchRenorm(affine=False, r_max=1.5, d_max=0.5), EVERY),
    *each(LayerNorm(), EVERY),
    *each(LayerNorm(over="channels"), EVERY),
    *each(LayerNorm(over="channels", affine=False), EVERY),
    *each(GroupNorm(groups=4), EVERY),
    *each(GroupNorm(groups=2, affine=False), EVERY),
    *each(InstanceNorm(), SPATIAL),
    *each(InstanceNorm(affine=True), SPATIAL),
    *[example for op in POINTWISE for example in each(op(), EVERY)],
    *each(Gelu(approximate="tanh"), EVERY),
    *each(MaxPool(), SPATIAL),
    *each(MaxPool(kernel=3, stride=2, padding=1), SPATIAL),
    *each(MaxPool(kernel=3, stride=2, ceil=True), SPATIAL),
    *each(MaxPool(kernel=2, stride=2, padding=1, ceil=True), SPATIAL),
    *each(AvgPool(), SPATIAL),
    *each(AvgPool(kernel=3, stride=2, padding=1), SPATIAL),
    *each(AvgPool(kernel=1, stride=2), SPATIAL),
    *each(AvgPool(kernel=3, stride=2, ceil=True), SPATIAL),
    *each(AvgPool(kernel=3, stride=2, padding=1, ceil=True), SPATIAL),
    *each(GlobalAvgPool(), SPATIAL),
    *each(GlobalMaxPool(), SPATIAL),
    *each(Upsample(), SPATIAL),
    *each(Upsample(scale=3, mode="linear"), SPATIAL),
    *each(Flatten(), EVERY),
    *each(PadChannels(out=11), EVERY),
    *each(Scale(value=0.25), EVERY),
    *each(Scale(value=0.5, trainable=True), EVERY),
    *each(Scale(value=1e-2, trainable=True, per="channel"), EVERY),
    *each(Shift(value=0.25), EVERY),
    *each(Shift(trainable=True), EVERY),
    *each(Shift(value=-2, trainable=True, per="channel"), EVERY),
    *each(Dropout(rate=0.3), EVERY),
    *each(StochasticDepth(survival=0.7), EVERY),
    *each(StochasticDepth(survival=0.7, draw="batch"), EVERY),
    *each(StochasticDepth(survival=0.7, rescale=True), EVERY),
    *each(StochasticDepth(survival=0), EVERY),
    *each(StochasticDepth(survival=0, rescale=True), EVERY),
    *each(ShakeDrop(), EVERY),
    *each(ShakeDrop(survival=0.9, draw="batch"), EVERY),
    *[(Add(), (shape, shape)) for shape in EVERY],
    (Add(), (IMAGE, IMAGE, IMAGE)),
    *[(Mul(), (shape, shape)) for shape in EVERY],
    (Mul(), (IMAGE, Shape(8, 1, 1))),
    (Mul(), (Shape(1, 10, 13), IMAGE, IMAGE)),
    *[(Concat(), (shape, Shape(3, *shape.space))) for shape in EVERY],
    (Concat(), (IMAGE, IMAGE, IMAGE)),
    *[(Mean(), (shape, shape)) for shape in EVERY],
    (Mean(), (IMAGE, IMAGE, IMAGE)),
    *[(Shake(), (shape, shape)) for shape in EVERY],
    (Shake(draw="batch"), (IMAGE, IMAGE, IMAGE)),
    *[(Vote(), (shape, shape)) for shape in EVERY],
    (Vote(), (IMAGE, IMAGE, IMAGE)),
    (Crop(), (SIGNAL, Shape(2, 9))),
    (Crop(), (IMAGE, Shape(2, 4, 13))),
    (Crop(), (IMAGE, Shape(2, 4, 15), Shape(2, 12, 7))),
    (Crop(), (VOLUME, Shape(2, 4, 3, 5))),
    (PadSpace(), (SIGNAL, Shape(2, 16))),
    (PadSpace(), (IMAGE, Shape(2, 13, 13))),
    (PadSpace(), (IMAGE, Shape(2, 4, 18), Shape(2, 12, 7))),
    (PadSpace(), (VOLUME, Shape(2, 4, 10, 12))),
]

walk = pytest.mark.parametrize(
    ("op", "shapes"),
    EXAMPLES,
    ids=[f"{op.kind}-{op}-{'-'.join(map(str, shapes))}".replace(" ", ",") for op, shapes in EXAMPLES],
)


def test_every_op_has_an_example() -> None:
    assert {type(op) for op, _ in EXAMPLES} | {Input} == set(OPS)


def test_every_op_has_a_torch_rule() -> None:
    assert set(TORCH_RULES) | {Input} == set(OPS)


def test_every_layer_is_a_word_of_the_schema() -> None:
    words = json_schema()["$defs"]["node"]["anyOf"][1]["properties"]
    assert set(LAYERS) <= set(words)


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
    if isinstance(op, Vote):  # who is the largest has no gradient
        assert not result.requires_grad
        return
    result.square().sum().backward()
    data_inputs = {name: value for name, value in inputs.items() if name in graph["op"].data_inputs}
    for name, leaf in [*module.named_parameters(), *data_inputs.items()]:
        assert leaf.grad is not None, name
        assert torch.isfinite(leaf.grad).all(), name
