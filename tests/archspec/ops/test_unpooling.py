"""The way back from a max pooling: against torch's own, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.api import to_torch
from archspec.ops import Bounds, MaxPool, MaxUnpool, OpError, Shape
from tests.support.lowering import graph_of

POOL: Any = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
UNPOOL: Any = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)


@pytest.mark.parametrize(
    ("op", "pooled"),
    [
        (MaxUnpool(), Shape(3, 13)),
        (MaxUnpool(), Shape(3, 9, 12)),
        (MaxUnpool(), Shape(3, 4, 5, 6)),
        (MaxUnpool(kernel=3, padding=1), Shape(3, 10, 11)),
        (MaxUnpool(kernel=(1, 2), stride=(2, 3)), Shape(3, 10, 11)),
        (MaxUnpool(ceil=True), Shape(3, 5, 7, 6)),
    ],
    ids=str,
)
def test_it_is_torchs_also_where_numbers_are_equal(op: MaxUnpool, pooled: Shape) -> None:
    """Behind a ReLU whole windows are zero. The control: another pooling's places are others."""
    torch.manual_seed(0)
    source = torch.randint(-2, 3, (2, *pooled)).float().relu()
    stride = op.kernel if op.stride is None else op.stride
    fields: dict[str, Any] = {"kernel_size": op.kernel, "stride": stride, "padding": op.padding}
    _, places = POOL[pooled.rank - 1](source, **fields, ceil_mode=op.ceil, return_indices=True)
    x = torch.rand(places.shape)
    expected = UNPOOL[pooled.rank - 1](x, places, **fields, output_size=source.shape[2:])
    found = to_torch(graph_of(op, Shape(*x.shape[1:]), pooled))(x, source)
    assert torch.equal(found, expected)
    assert not torch.equal(found, to_torch(graph_of(op, Shape(*x.shape[1:]), pooled))(x, -source))


def test_its_gradient_is_torchs() -> None:
    source, x = torch.randn(2, 3, 9, 8), torch.randn(2, 3, 4, 4, requires_grad=True)
    found = to_torch(graph_of(MaxUnpool(), Shape(3, 4, 4), Shape(3, 9, 8)))(x, source)
    expected = F.max_unpool2d(x, F.max_pool2d(source, 2, return_indices=True)[1], [2, 2], output_size=[9, 8])
    weights = torch.randn_like(expected)
    mine, theirs = (torch.autograd.grad((value * weights).sum(), x)[0] for value in (found, expected))
    assert torch.equal(mine, theirs)


def test_pooling_and_back_keeps_the_largest() -> None:
    x = torch.randn(2, 3, 8, 8)
    pool = nn.MaxPool2d(2)
    back = to_torch(graph_of(MaxUnpool(), Shape(3, 4, 4), Shape(3, 8, 8)))(pool(x), x)
    assert torch.equal(back, torch.where(back != 0, x, 0.0))
    assert torch.equal(pool(back), pool(x).relu())
    assert MaxUnpool().bound(Bounds(2.0, 3.0), Bounds()) == (0.0, 3.0)
    assert MaxUnpool(kernel=3, padding=1).pooling == MaxPool(kernel=3, padding=1)


@pytest.mark.parametrize(
    ("op", "x", "reason"),
    [
        (
            MaxUnpool(kernel=3, stride=2),
            Shape(3, 4, 4),
            "windows do not overlap; this one has the kernel 3 and the stride 2",
        ),
        (MaxUnpool(kernel=(2, 3), stride=(2, 1)), Shape(3, 5, 8), "has the kernel 2×3 and the stride 2×1"),
        (MaxUnpool(kernel=2, padding="causal"), Shape(3, 5, 5), "pads as much at both ends"),
        (MaxUnpool(kernel=2, stride=3, ceil=True), Shape(3, 4, 4), "a `ceil` where the pooling pads nothing"),
        (MaxUnpool(), Shape(4, 5, 5), "max_unpool needs the shape of what it undoes, 3×5×5, found 4×5×5"),
        (MaxUnpool(), Shape(3, 10, 10), "max_unpool needs the shape of what it undoes, 3×5×5, found 3×10×10"),
    ],
    ids=str,
)
def test_what_is_refused(op: MaxUnpool, x: Shape, reason: str) -> None:
    with pytest.raises(OpError, match=reason):
        op.infer(x, Shape(3, 10, 10))
