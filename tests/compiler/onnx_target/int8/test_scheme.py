"""Integers of activations and layers: they hold zero, the range, and are half a step away."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme, quantize_layer

RANGES = st.floats(-1e6, 1e6, width=32)


@given(RANGES, RANGES, st.sampled_from(["u8s8", "s8s8"]))
def test_steps_hold_zero_and_the_range(low: float, high: float, recipe: Int8Recipe) -> None:
    step = Scheme(recipe, {"x": (min(low, high), max(low, high))}).quant_params("x")
    numbers = np.linspace(min(low, high), max(low, high), 100, dtype=np.float32)
    back = (step.round(numbers).astype(np.float32) - np.float32(step.zero_point)) * step.scale
    assert step.round(np.zeros(1)) == step.zero_point
    # half a step, and once more what rounding the zero point moves the range by
    assert np.abs(back - numbers).max() <= step.scale * 1.01


@given(st.integers(0, 2**32 - 1), st.floats(1e-12, 1e3), st.floats(0, 1e6))
def test_layers_round_to_half_a_step(seed: int, input_scale: float, largest_bias: float) -> None:
    random = np.random.default_rng(seed)
    weight = random.standard_normal((4, 3, 3, 3)) * np.array([1, 1e-6, 1e3, 0])[:, None, None, None]
    bias = random.uniform(-1, 1, 4) * largest_bias
    layer = quantize_layer(weight, bias, np.float32(input_scale), 127)
    assert layer.bias is not None
    assert layer.bias_scale is not None
    back = layer.weight * layer.scale[:, None, None, None]
    assert (np.abs(back - weight).max(axis=(1, 2, 3)) <= layer.scale * 0.501).all()
    assert (np.abs(layer.bias * layer.bias_scale.astype(np.float64) - bias) <= layer.bias_scale * 0.6).all()
    assert (np.abs(layer.bias.astype(np.int64)) <= 2**30 + 256).all()
