"""The law of each operation at initialization: mean, second moment and gradient against torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from archspec.api import to_torch
from archspec.errors import Place
from archspec.ops import (
    OPS,
    Abs,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    Attention,
    AvgPool,
    BatchNorm,
    BatchRenorm,
    ChannelConv,
    Clip,
    Concat,
    ConcatPositions,
    Conv,
    ConvTranspose,
    Crop,
    DeformConv,
    DepthToSpace,
    Div,
    Dropout,
    Elu,
    Embedding,
    EnterWindows,
    Exp,
    Flatten,
    Gelu,
    GhostBatchNorm,
    GlobalAvgPool,
    GlobalMaxPool,
    Glu,
    GroupNorm,
    Gru,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Input,
    InstanceNorm,
    L2Norm,
    LayerNorm,
    LeakyRelu,
    Learned,
    LeaveWindows,
    Linear,
    LocalResponseNorm,
    Log,
    Lstm,
    Map,
    Max,
    MaxPool,
    MaxUnpool,
    Mean,
    Min,
    Mish,
    Mul,
    Op,
    Pad,
    PadChannels,
    PadSpace,
    Prelu,
    Reduce,
    Relu,
    Relu6,
    RepeatSpace,
    Resize,
    RmsNorm,
    Roll,
    Scale,
    Selu,
    Shake,
    ShakeDrop,
    Shape,
    Shift,
    ShuffleChannels,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Softplus,
    SpaceToDepth,
    Sqrt,
    StochasticDepth,
    Sub,
    Tanh,
    Tokens,
    Transpose,
    Upsample,
    Vote,
)
from compiler.analysis.signal.signal import predict_signal
from compiler.graph import INTEGERS, Graph, Node, NodeSource

VECTOR, SIGNAL, IMAGE = Shape(256), Shape(64, 40), Shape(64, 8, 10)


TOLERANCE = 0.06
"""Relative, of second moments over some thousand values; a law that is off by a sixth fails."""


ROUGH = 0.25
"""For what the program calls an estimate."""


CASES: list[tuple[Op, tuple[Shape, ...]]] = [
    (Conv(out=64), (IMAGE,)),
    (Conv(out=96, kernel=5, stride=2, bias=False, groups=4), (IMAGE,)),
    (Conv(out=64, dilation=2, init="torch"), (SIGNAL,)),
    (Conv(out=64, kernel=2, stride=3, padding=1, init="glorot"), (IMAGE,)),
    (Conv(out=64, init="he_fan_out", gain=0.5, weight_norm=True), (IMAGE,)),
    (ConvTranspose(out=64), (IMAGE,)),
    (ConvTranspose(out=96, kernel=3, stride=2, padding=1, output_padding=1, groups=2), (IMAGE,)),
    (Conv(out=64, standardize=True), (IMAGE,)),
    (Conv(out=64, groups=2, standardize=True, weight_norm=True), (IMAGE,)),
    (ConvTranspose(out=96, kernel=3, stride=1, dilation=2, weight_norm=True), (SIGNAL,)),
    (Linear(out=200), (VECTOR,)),
    (Linear(out=300, init="torch"), (VECTOR,)),
    (Linear(out=300, init="zeros"), (VECTOR,)),
    *[
        (op, (shape,))
        for op in (
            BatchNorm(),
            BatchNorm(affine=False, eps=0.5),
            BatchNorm(start=0.5),
            GhostBatchNorm(size=16),
            BatchRenorm(),
            BatchRenorm(r_max=1.0, d_max=0.0),
            LayerNorm(),
            LayerNorm(over="channels", affine=False),
            GroupNorm(groups=8),
            *(RmsNorm(), RmsNorm(affine=False, eps=0.5), L2Norm()),
            *(Relu(), Relu6(), LeakyRelu(slope=0.2), Prelu(), Elu(), Gelu(), Gelu(approximate="tanh"), Silu()),
            *(Sigmoid(), HardSigmoid(), HardSwish(), Tanh(), Softplus(), Softmax(), Softmax(branches=32)),
            *(
                Prelu(start=-0.5, per="network"),
                Mish(),
                Selu(),
                HardTanh(),
                Clip(low=-0.5, high=2.0),
                Exp(),
                Log(eps=0.1),
                Sqrt(eps=0.05),
                Abs(),
                Glu(),
            ),
            *(Scale(value=0.25), Scale(value=-0.5, trainable=True, per="channel"), Shift(value=0.25)),
            *(Dropout(rate=0.3), PadChannels(out=300)),
        )
        for shape in (VECTOR, IMAGE)
    ],
    *[(op, (shape,)) for op in (Slice(start=16), Slice(stop=-1, step=3)) for shape in (VECTOR, IMAGE)],
    (Slice(axis=1, start=1, stop=-2), (IMAGE,)),
    (Roll(shift=3), (IMAGE,)),
    (Tokens(), (IMAGE,)),
    (Transpose(), (SIGNAL,)),
    (LocalResponseNorm(alpha=1), (IMAGE,)),
    (ConcatPositions(axis=2), (IMAGE, Shape(64, 8, 4))),
    (Map(), (Shape(64, 80), IMAGE)),
    (MaxUnpool(), (Shape(64, 4, 5), IMAGE)),
    (MaxUnpool(kernel=3), (Shape(64, 13), SIGNAL)),
    *[(op, (IMAGE,)) for op in (DepthToSpace(), SpaceToDepth(), ShuffleChannels(groups=4))],
    *[(Reduce(by=by), (IMAGE,)) for by in ("mean", "max", "sum", "norm")],
    *[(Reduce(over="positions", by=by), (IMAGE,)) for by in ("mean", "max", "sum", "norm")],
    (Learned(shape=(64, 100), start=0.5, std=2), (IMAGE,)),
    (Scale(value=0.5, trainable=True, per="position"), (IMAGE,)),
    (Shift(value=-2, trainable=True, per="position"), (IMAGE,)),
    (Pad(before=1, after=2), (IMAGE,)),
    (Pad(before=(2, 0), after=1, mode="reflect"), (IMAGE,)),
    (Pad(after=3, mode="edge"), (SIGNAL,)),
    (Conv(out=64, kernel=(1, 3), stride=(1, 2)), (IMAGE,)),
    (Conv(out=64, kernel=4, padding="same_end", stride=2), (SIGNAL,)),
    (Conv(out=64, padding="causal", dilation=2), (SIGNAL,)),
    (AvgPool(kernel=3, stride=1, padding=1, count="inside"), (IMAGE,)),
    (AvgPool(kernel=(2, 3), stride=2, padding="same_end", count="inside"), (IMAGE,)),
    (Slice(axis=1, start=5, step=2), (SIGNAL,)),
    (StochasticDepth(survival=0.7), (VECTOR,)),
    (StochasticDepth(survival=0.7, rescale=True), (VECTOR,)),
    (ShakeDrop(survival=0.6), (VECTOR,)),
    (InstanceNorm(), (IMAGE,)),
    (InstanceNorm(affine=True), (SIGNAL,)),
    (MaxPool(), (IMAGE,)),
    (MaxPool(kernel=3, stride=2, padding=1), (SIGNAL,)),
    (AvgPool(), (IMAGE,)),
    (AvgPool(kernel=1, stride=2), (IMAGE,)),
    (AvgPool(kernel=3, stride=2, padding=1), (IMAGE,)),
    (AdaptiveAvgPool(size=(4, 5)), (IMAGE,)),
    (AdaptiveAvgPool(size=3), (IMAGE,)),
    (AdaptiveMaxPool(size=(4, 5)), (IMAGE,)),
    (GlobalAvgPool(), (IMAGE,)),
    (GlobalMaxPool(), (IMAGE,)),
    (Upsample(), (IMAGE,)),
    (Upsample(scale=3, mode="linear"), (IMAGE,)),
    (Upsample(scale=1.5), (IMAGE,)),
    (Upsample(scale=0.75, mode="linear"), (IMAGE,)),
    (Upsample(scale=2, mode="cubic", corners="aligned"), (IMAGE,)),
    (Resize(), (IMAGE, Shape(2, 13, 7))),
    (Resize(mode="linear"), (SIGNAL, Shape(2, 64))),
    (Flatten(), (IMAGE,)),
    (Embedding(rows=500, out=64), (Shape(1, 40),)),
    (Embedding(rows=500, out=64, std=0.2), (Shape(1),)),
    (Attention(heads=4), (SIGNAL, SIGNAL, SIGNAL)),
    (Attention(heads=4, scale=0.05), (IMAGE, Shape(64, 30), Shape(128, 30))),
    (Attention(heads=4, causal=True), (SIGNAL, SIGNAL, SIGNAL)),
    (Attention(heads=4, window=(4, 5), bias="relative"), (IMAGE, IMAGE, IMAGE)),
    (Attention(heads=2, window=(4, 5), similarity="cosine"), (IMAGE, IMAGE, IMAGE)),
    (EnterWindows(size=6, shift=2), (IMAGE,)),
    (LeaveWindows(size=6, shift=2), (Shape(64, 12, 12), IMAGE)),
    (Add(), (VECTOR, VECTOR, VECTOR)),
    (ChannelConv(kernel=9), (Shape(512, 1, 1),)),
    (Add(repeat=True), (IMAGE, Shape(64, 1, 1))),
    (Sub(), (VECTOR, VECTOR, VECTOR)),
    (Sub(repeat=True), (IMAGE, Shape(1, 8, 10))),
    *[(op(), (shape, shape)) for op in (Max, Min) for shape in (VECTOR, IMAGE)],
    (Max(), (VECTOR, VECTOR, VECTOR)),
    (Min(repeat=True), (IMAGE, Shape(64, 1, 1))),
    (Mul(), (IMAGE, IMAGE)),
    (Mul(), (IMAGE, Shape(64, 1, 1))),
    (Mul(), (Shape(1, 8, 10), IMAGE, IMAGE)),
    (Concat(), (VECTOR, Shape(100))),
    (Mean(), (VECTOR, VECTOR, VECTOR)),
    (Shake(), (VECTOR, VECTOR)),
    (Shake(), (VECTOR, VECTOR, VECTOR)),
    (Vote(), (Shape(4), Shape(4), Shape(4))),
    (Crop(), (IMAGE, Shape(2, 4, 6))),
    (PadSpace(), (IMAGE, Shape(2, 13, 17))),
    (RepeatSpace(), (Shape(64, 1, 1), IMAGE)),
    (RepeatSpace(), (Shape(64, 8, 1), IMAGE)),
]


def graph_on(op: Op, shapes: Sequence[Shape], shift: float) -> Graph:
    """An operation on standard normal inputs with a constant added."""
    source = NodeSource(Place("test.yaml"))
    nodes = []
    for i, shape in enumerate(shapes):
        if op.takes == "int":
            nodes.append(Node(f"s{i}", Input(dims=tuple(shape), type="int"), (), shape, source, type=INTEGERS))
            continue
        nodes.append(Node(f"x{i}", Input(dims=tuple(shape)), (), shape, source))
        nodes.append(Node(f"s{i}", Shift(value=shift), (f"x{i}",), shape, source))
    nodes.append(Node("op", op, tuple(f"s{i}" for i in range(len(shapes))), op.infer(*shapes), source))
    return Graph("one_op", {node.id: node for node in nodes}, {"y": "op"})


def sample(graph: Graph, batch: int, seeds: int) -> dict[str, float]:
    """By plain torch: the result's mean and second moment, and the gradient's second moment at each input."""
    found: dict[str, float] = {}
    torch.manual_seed(0)
    for seed in range(seeds):
        module = to_torch(graph, seed=seed).train()
        inputs = [
            torch.randint(graph.rows[id], (batch, *node.shape))
            if id in graph.rows
            else torch.randn(batch, *node.shape, requires_grad=True)
            for id, node in graph.inputs.items()
        ]
        result = module(*inputs)
        numbers = {"mean": result.mean(), "second": result.square().mean()}
        if result.requires_grad:
            result.backward(torch.randn_like(result))
        for name, value in zip(graph.inputs, inputs, strict=True):
            numbers[name] = torch.zeros(()) if value.grad is None else value.grad.square().mean()
        for name, number in numbers.items():
            found[name] = found.get(name, 0.0) + number.item() / seeds
    return found


def is_close(predicted: float, found: float, estimate: bool) -> bool:
    return math.isclose(predicted, found, rel_tol=ROUGH if estimate else TOLERANCE, abs_tol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.6])
@pytest.mark.parametrize(("op", "shapes"), CASES, ids=[f"{op.kind}-{i}" for i, (op, _) in enumerate(CASES)])
def test_each_law_is_torchs(op: Op, shapes: tuple[Shape, ...], shift: float) -> None:
    """Mean, second moment and gradient; and a control: one and a half times as much is not close."""
    graph = graph_on(op, shapes, shift)
    signal, found = predict_signal(graph), sample(graph, 64 if graph["op"].shape.rank else 1024, 3)
    node = signal["op"]
    assert node.second_moment is not None
    assert node.mean == pytest.approx(found["mean"], abs=0.05 * math.sqrt(found["second"]) + 1e-9)
    assert is_close(node.second_moment, found["second"], node.estimate)
    assert not is_close(1.5 * node.second_moment + 1e-6, found["second"], node.estimate)
    for id in graph.inputs:
        gradient = signal[id]
        if (id == "x0" or op.data_inputs is None) and id not in graph.rows:
            assert gradient.gradient_second_moment is not None
            assert is_close(gradient.gradient_second_moment, found[id], gradient.gradient_estimate), id
            assert not is_close(1.5 * gradient.gradient_second_moment + 1e-6, found[id], gradient.gradient_estimate)


def test_every_op_has_a_case() -> None:
    assert {type(op) for op, _ in CASES} | {Input} | LAWLESS == set(OPS)


LAWLESS = {Div, Lstm, Gru, DeformConv}
"""The operations of whose moments nothing is known, and that say so."""


def test_what_has_no_law_says_so() -> None:
    for op, shapes in ((Div(), (VECTOR, VECTOR)), (Lstm(out=4), (Shape(6, 5),)), (Gru(out=4), (Shape(6, 5),))):
        assert type(op) in LAWLESS
        node = predict_signal(graph_on(op, shapes, 0.6))["op"]
        assert node.second_moment is None
