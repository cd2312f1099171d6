"""Layers with a kernel, and how they take an affine function of their operand's channels, or of their result's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.errors import ArchspecError
from archspec.ops import Conv, ConvTranspose, DeformConv, Kernel, Shape
from compiler.graph import Node
from compiler.passes.affine import Affine, ChannelVector
from compiler.passes.weight_arrays import (
    WeightArray,
    WeightArrays,
    compute_later,
    is_recorded,
    take_array,
    take_double,
)


def takes_before(op: Kernel, affine: Affine, x: Shape) -> bool:
    """Tell whether a kernel can do itself what `affine` does to its operand of the shape x.

    The factors always; of the terms only their sum over all taps, so each result must see all of them: not where zeros
    pad the operand, nor where a transposed convolution reaches a result with some of its taps.
    """
    return affine.scales or op.sums_all_taps(x)


def take_behind(node: Node, op: Kernel, affine: Affine, arrays: dict[str, WeightArray]) -> Node:
    """Make the layer that computes `affine` of its result: w a, and b a + term."""
    kernel, bias = arrays[f"{node.id}.weight"], _read_bias(node, op, arrays)
    along = _along_outputs(affine.factor, op, kernel.shape)
    return _store(node, op, kernel, along, bias * affine.factor + affine.term, arrays)


def take_before(node: Node, op: Kernel, affine: Affine, arrays: dict[str, WeightArray]) -> Node:
    """Make the layer that computes its result from `affine` of its operand: w a, and b + Σ w · term."""
    kernel, bias = arrays[f"{node.id}.weight"], _read_bias(node, op, arrays)
    if not affine.scales:
        terms = take_array(kernel) * _along_inputs(affine.term, op, kernel.shape)
        bias = bias + _sum_inputs(terms, op)
    return _store(node, op, kernel, _along_inputs(affine.factor, op, kernel.shape), bias, arrays)


def _read_bias(node: Node, op: Kernel, arrays: WeightArrays) -> ChannelVector:
    return take_double(arrays[f"{node.id}.bias"]) if op.bias else np.zeros(op.out)


def _store(
    node: Node,
    op: Kernel,
    kernel: WeightArray,
    factor: ChannelVector,
    bias: ChannelVector,
    arrays: dict[str, WeightArray],
) -> Node:
    name = f"{node.id}.weight"
    arrays[name] = compute_later(lambda values, by: _scale(values, by, name), kernel, factor)
    if not op.bias and not bias.any():
        return node
    arrays[f"{node.id}.bias"] = round_to(kernel.dtype, bias, f"{node.id}.bias")
    return node if op.bias else replace(node, op=op.model_copy(update={"bias": True}))


def _scale(values: NDArray[Any], factor: ChannelVector, name: str) -> NDArray[Any]:
    """The nearest numbers, of the type of `values`, to their products in float64, which are never all in memory."""
    if is_recorded(values, factor):
        return round_to(values.dtype, take_double(values) * factor, name)
    scaled = np.empty_like(values)
    try:
        with np.errstate(over="raise"):
            np.multiply(values, factor, out=scaled, dtype=np.float64, casting="same_kind")
        return scaled
    except FloatingPointError:
        return round_to(values.dtype, values * factor, name)


def round_to(dtype: np.dtype[Any], values: ChannelVector, name: str) -> NDArray[Any]:
    """Round to the nearest numbers of a type. Raises ArchspecError where one is too large for it."""
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype)
    except FloatingPointError:
        raise ArchspecError(
            f"{name} becomes infinite in {dtype} when the operations around it are folded into it; its largest number "
            f"is {np.abs(values).max():.3g}: look for a variance near zero, or a factor that is very large"
        ) from None


def _along_outputs(factor: ChannelVector, op: Kernel, shape: tuple[int, ...]) -> ChannelVector:
    """A number for each output channel, laid out as the kernel: (out, in, *k), or transposed (in, out / groups, *k)."""
    ones = (1,) * (len(shape) - 2)
    if not isinstance(op, ConvTranspose):
        return factor.reshape(-1, 1, *ones)
    by_group = factor.reshape(op.groups, 1, -1)
    return by_group.repeat(shape[0] // op.groups, axis=1).reshape(shape[0], -1, *ones)


def _along_inputs(factor: ChannelVector, op: Kernel, shape: tuple[int, ...]) -> ChannelVector:
    """A number for each input channel, laid out as the kernel: (out, in / groups, *k), or transposed (in, out, *k)."""
    ones = (1,) * (len(shape) - 2)
    if isinstance(op, ConvTranspose):
        return factor.reshape(-1, 1, *ones)
    groups = op.groups if isinstance(op, Conv | DeformConv) else 1
    by_group = factor.reshape(groups, 1, -1)
    return by_group.repeat(shape[0] // groups, axis=1).reshape(shape[0], -1, *ones)


def _sum_inputs(terms: ChannelVector, op: Kernel) -> ChannelVector:
    """Sum over input channels and taps, one for each output channel; of a transposed kernel with a single tap."""
    if isinstance(op, ConvTranspose):
        terms = terms.reshape(op.groups, terms.shape[0] // op.groups, -1).transpose(0, 2, 1)
    sums: ChannelVector = terms.reshape(op.out, -1).sum(1)
    return sums
