"""Rounding in torch: torch's own fake quantization, but for halves, and the integers that a file stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compiler.onnx_target.int8.scheme import Int8Recipe, choose_quant_params, quantize_layer
from runtime.int8.rounding import FakeQuantizer, round_layer

RECIPES: tuple[Int8Recipe, ...] = ("u8s8", "s8s8")


@given(recipe=st.sampled_from(RECIPES), low=st.floats(-8, 0), high=st.floats(0.01, 8), seed=st.integers(0, 99))
def test_values_are_torchs(recipe: Int8Recipe, low: float, high: float, seed: int) -> None:
    params = choose_quant_params(recipe, (low, high))
    limits = np.iinfo(params.zero_point.dtype)
    x = torch.randn(200, generator=torch.Generator().manual_seed(seed)) * 4
    own, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = FakeQuantizer("x", params)(own)
    expected = torch.fake_quantize_per_tensor_affine(
        other, float(params.scale), int(params.zero_point), int(limits.min), int(limits.max)
    )
    steps = x / float(params.scale)
    clear = (steps - steps.floor() - 0.5).abs() > 1e-3  # torch multiplies by the reciprocal, and may go the other way
    assert torch.allclose(found[clear], expected[clear], rtol=1e-6, atol=0)
    assert not torch.equal(found, x)  # the control
    weights = torch.linspace(1, 2, len(x))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    assert own.grad is not None
    assert other.grad is not None
    assert torch.equal(own.grad[clear], other.grad[clear])


@given(recipe=st.sampled_from(RECIPES), low=st.floats(-8, 0), high=st.floats(0.01, 8), seed=st.integers(0, 99))
def test_values_are_those_of_the_file(recipe: Int8Recipe, low: float, high: float, seed: int) -> None:
    params = choose_quant_params(recipe, (low, high))
    x = np.random.default_rng(seed).standard_normal(300).astype(np.float32) * 4
    x[:9] = params.scale * (np.arange(9, dtype=np.float32) - 4.5)  # halves, which go to the even integer
    integers = params.round(x)
    expected = (integers.astype(np.float32) - np.float32(params.zero_point)) * params.scale
    assert np.array_equal(FakeQuantizer("x", params)(torch.from_numpy(x)).numpy(), expected)


@pytest.mark.parametrize("limit", [127, 63])
@given(seed=st.integers(0, 99), shape=st.sampled_from([(5, 3, 3, 3), (4, 7), (6, 1, 3)]), biased=st.booleans())
def test_layers_are_those_of_the_file(limit: int, seed: int, shape: tuple[int, ...], biased: bool) -> None:
    random = np.random.default_rng(seed)
    kernel = random.standard_normal(shape).astype(np.float32)
    kernel[0] = 0  # whose scale follows from its bias
    bias = random.standard_normal(shape[0]).astype(np.float32) if biased else None
    scale = np.float32(random.uniform(1e-4, 1))
    file = quantize_layer(kernel, bias, scale, limit)
    tensors = torch.from_numpy(kernel), None if bias is None else torch.from_numpy(bias)
    weight, terms = round_layer(*tensors, torch.tensor(float(scale)), limit)
    by_channel = file.scale.reshape(-1, *[1] * (len(shape) - 1))
    assert np.array_equal(weight.numpy(), file.weight * by_channel)
    if bias is None:
        assert terms is None
    else:
        assert terms is not None
        assert file.bias is not None
        assert file.bias_scale is not None
        expected = (file.bias.astype(np.float64) * file.bias_scale).astype(np.float32)
        assert np.array_equal(terms.numpy(), expected)


def test_layers_are_torchs() -> None:
    kernel = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    weight, _ = round_layer(kernel, None, torch.tensor(1.0), 127)
    scales = kernel.flatten(1).abs().amax(1) / 127
    zeros = torch.zeros(8, dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(kernel, scales, zeros, 0, -127, 127)
    assert (weight - expected).abs().max() < 1e-6
    coarse: Any = torch.fake_quantize_per_channel_affine(kernel, 1.1 * scales, zeros, 0, -127, 127)
    assert (weight - coarse).abs().max() > 1e-3  # the control


def test_gradients_pass_a_layer_as_if_nothing_were_rounded() -> None:
    kernel = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, requires_grad=True)
    weight, terms = round_layer(kernel, bias, torch.tensor(0.1), 127)
    assert terms is not None
    assert weight.dtype == torch.float32
    x = torch.randn(3)
    torch.nn.functional.linear(x, weight, terms).square().sum().backward()
    assert kernel.grad is not None
    assert bias.grad is not None
    y = torch.nn.functional.linear(x, weight.detach(), terms.detach())
    assert torch.allclose(bias.grad, 2 * y)
    assert torch.allclose(kernel.grad.float(), 2 * y[:, None] * x)
