"""Every operation with fields and shapes of operands: what tests of all operations walk."""

from __future__ import annotations

import pytest

from archspec import ops
from archspec.ops import Op, Shape

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
    (ops.Upsample(scale=(1, 2)), (IMAGE,)),
    (ops.Upsample(scale=(3, 1, 2), mode="linear"), (VOLUME,)),
    *each(ops.Flatten(), EVERY),
    *each(ops.PadChannels(out=11), EVERY),
    *each(ops.Slice(stop=4), EVERY),
    *each(ops.Slice(start=-5, step=2), EVERY),
    *each(ops.Slice(axis=1, start=1, stop=-1), SPATIAL),
    *each(ops.Slice(axis=1, start=2, step=3), SPATIAL),
    *each(ops.Slice(axis=2, start=-4, stop=-1), (IMAGE, VOLUME)),
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
