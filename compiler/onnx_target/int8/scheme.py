"""Numbers as integers of eight bits: the recipes, and the arithmetic of scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.onnx_target.options import Target

Int8Recipe: TypeAlias = Literal["u8s8", "s8s8"]
ValueRange: TypeAlias = tuple[float, float]

MIN_SCALE = 2.0**-60
"""The smallest scale: products of two of them are still normal numbers in float32."""

MAX_BIAS_STEPS = 2.0**30
"""The largest integer of a bias, so that what a convolution adds to it still fits 32 bits."""


@dataclass(frozen=True)
class Scheme:
    """A scheme of which integers stand for which numbers, and which layers keep theirs.

    `u8s8` is for CPUs: activations are unsigned with a zero point, weights signed, biases 32-bit integers. `s8s8` is
    for TensorRT: everything signed with zero point 0, biases float. Weights have a scale for each output channel.

    `ranges` are the lowest and highest number of each value, by its name in the float model, that need a place;
    `kept` are the convolutions and linear layers that stay float, by id, and `floats` the values that no scale serves.
    With `reduce_range` weights take seven bits: x86 processors without VNNI add products of u8 and s8 in 16 bits, and
    eight would overflow.
    """

    recipe: Int8Recipe
    ranges: Mapping[str, ValueRange]
    kept: frozenset[str] = frozenset()
    floats: frozenset[str] = frozenset()
    reduce_range: bool = False

    @property
    def weight_limit(self) -> int:
        """The largest integer of a weight; the smallest is its negative."""
        return 63 if self.reduce_range else 127

    def quant_params(self, value: str) -> QuantParams:
        """Find the scale and zero point of an activation."""
        return choose_quant_params(self.recipe, self.ranges[value])


@dataclass(frozen=True, slots=True)
class QuantParams:
    """The scale and zero point that say which integers stand for which numbers: number = (integer - zero_point) ·
    scale."""

    scale: np.float32
    zero_point: np.uint8 | np.int8

    @property
    def ends(self) -> tuple[np.float32, np.float32]:
        """The lowest and the highest number that has an integer."""
        limits, zero = np.iinfo(self.zero_point.dtype), int(self.zero_point)
        return np.float32(limits.min - zero) * self.scale, np.float32(limits.max - zero) * self.scale

    def round(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Round as QuantizeLinear does: halves to even, and what is beyond the ends at the ends."""
        limits = np.iinfo(self.zero_point.dtype)
        steps = np.rint(np.asarray(numbers, np.float32) / self.scale) + np.float32(self.zero_point)
        rounded: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.zero_point.dtype)
        return rounded


def choose_quant_params(recipe: Int8Recipe, range_: ValueRange) -> QuantParams:
    """Choose the scale and zero point of an activation of that range. Zero has an integer: padding adds zeros, and ReLU
    makes them."""
    low, high = min(range_[0], 0.0), max(range_[1], 0.0)
    if recipe == "s8s8":
        return QuantParams(_scale(max(-low, high) / 127), np.int8(0))
    scale = _scale((high - low) / 255)
    return QuantParams(scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255)))


@dataclass(frozen=True, eq=False, slots=True)
class QuantizedLayer:
    """The stored arrays of a layer in integers: weight (out, …) in int8 with a scale for each output channel, and its
    bias in int32, whose scales are those of the weight times its input's."""

    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32] | None
    bias_scale: NDArray[np.float32] | None


def quantize_layer(
    weight: NDArray[Any], bias: NDArray[Any] | None, input_scale: np.float32, limit: int
) -> QuantizedLayer:
    """Round a layer's weight, and its bias where it is given, for an input of that scale.

    A channel's scale maps its largest weight to `limit`; where the channel is so small that its bias would overflow,
    it is as much larger as that takes.
    """
    rows = weight.reshape(weight.shape[0], -1)
    scale = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float64) / limit
    if bias is not None:
        scale = np.maximum(scale, np.abs(bias.astype(np.float64)) / (float(input_scale) * MAX_BIAS_STEPS))
    scale = np.maximum(scale, MIN_SCALE).astype(np.float32)
    steps = np.divide(rows, scale[:, None], dtype=np.float64)
    np.clip(np.rint(steps, out=steps), -limit, limit, out=steps)
    rounded = steps.astype(np.int8).reshape(weight.shape)
    if bias is None:
        return QuantizedLayer(rounded, scale, None, None)
    bias_scale = scale * input_scale
    return QuantizedLayer(
        rounded, scale, np.rint(np.asarray(bias, np.float64) / bias_scale).astype(np.int32), bias_scale
    )


def _scale(width: float) -> np.float32:
    return np.float32(max(width, MIN_SCALE))


RECIPES: Mapping[Target, Int8Recipe] = MappingProxyType({"any": "u8s8", "cpu": "u8s8", "tensorrt": "s8s8"})
"""The recipe of each target that an export can be for."""
