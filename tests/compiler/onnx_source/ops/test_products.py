"""Matrix products count as torch does."""

from __future__ import annotations

from math import prod

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec.ops import Shape
from compiler.onnx_source.ops.products import Product, Rows


def test_rows_are_a_linear_layer_at_each_position() -> None:
    layer = torch.nn.Linear(12, 5)
    op, x = Rows(gives=(3, 9, 5), inner=12, bias=True), Shape(3, 9, 12)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        result = layer(torch.rand(*x))
    assert op.infer(x) == result.shape
    assert 2 * op.macs(x) == counter.get_total_flops()
    assert op.bias_adds(x) == result.numel()
    assert sum(prod(weight.shape) for weight in op.weights(x).values()) == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("inner", [4, 7])
def test_a_product_sums_over_what_it_loses(inner: int) -> None:
    a, b = torch.rand(2, 3, inner), torch.rand(2, inner, 5)
    with FlopCounterMode(display=False) as counter:
        result = torch.bmm(a, b)
    op, xs = Product(gives=tuple(result.shape), inner=inner), (Shape(*a.shape), Shape(*b.shape))
    assert (2 * op.products(*xs), op.macs(*xs)) == (counter.get_total_flops(), 0)
    stored = Product(gives=tuple(result.shape), inner=inner, stores=((2, inner, 5),))
    assert (stored.products(xs[0]), 2 * stored.macs(xs[0])) == (0, counter.get_total_flops())
    assert op.input_span(0, (0, 0), Shape(*a.shape), Shape(*b.shape)) == (None, None)
