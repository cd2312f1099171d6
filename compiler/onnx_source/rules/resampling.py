"""Operations that give maps another number of positions: upsampling, resizing, depth to space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from archspec.ops import DepthToSpace, Upsample
from archspec.ops.fields import MAX_SCALE_PARTS, is_scale, one_or_each
from archspec.ops.sampling import SHARPNESS
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.ops.moves import DepthBeforeSpace
from compiler.onnx_source.ops.windows import Resample
from compiler.onnx_source.values import FileValue, Operand, UnknownOpError

HALF = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
TAPS = {"nearest": 0, "linear": 1, "cubic": 2}


def resize(call: NodeCall) -> Operand:
    """Resize by scales, or to sizes."""
    x = call.straighten(call.value())
    old = call.kind == "Upsample" or call.file.opset < 11
    shape = _resize_shape(call, x, old)
    mode = call.attribute("mode", "nearest")
    where = call.attribute("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = call.attribute("nearest_mode", "floor" if old else "round_prefer_floor")
    if shape == x.shape:
        return x
    mode = "linear" if mode in ("bilinear", "trilinear") else mode
    if shape[:2] != x.shape[:2] or mode not in TAPS or where == "tf_crop_and_resize":
        raise UnknownOpError
    call.keep_samples(x)
    scales = _find_scales(call, x, shape, old)
    if scales and call.is_map(x) and _is_said(call, mode, where, rounding, scales):
        corners = "aligned" if where == "align_corners" else "half"
        scale = one_or_each(one.numerator if one.denominator == 1 else float(one) for one in scales)
        return call.add(build(call, Upsample, scale=scale, mode=mode, corners=corners), x)
    return _resample(call, x, shape, mode, where, rounding)


def _is_said(call: NodeCall, mode: str, where: str, rounding: str, scales: Sequence[Fraction]) -> bool:
    """Tell whether the language takes values from these places, in this way, for these scales."""
    whole = all(scale.denominator == 1 for scale in scales)
    if mode == "nearest":
        return (where in HALF and rounding.startswith("round") and whole) or (where, rounding) == (
            "asymmetric",
            "floor",
        )
    if call.attribute("antialias", 0) or where not in (HALF if whole else ("half_pixel",)) + ("align_corners",):
        return False
    usual = abs(call.attribute("cubic_coeff_a", SHARPNESS) - SHARPNESS) < 1e-6 and not call.attribute(
        "exclude_outside", 0
    )
    return mode == "linear" or (usual and len(scales) == 2)


def _find_scales(call: NodeCall, x: FileValue, shape: Sequence[int], old: bool) -> list[Fraction]:
    """Find by which fraction of the language's each axis is scaled, as the file says it, or by the extents; none where
    there is no such fraction."""
    written = dict(zip(_read_axes(call, len(shape)), _read_factors(call, old), strict=False))
    found = []
    for axis in range(2, len(shape)):
        factor = Fraction(written[axis]) if axis in written else Fraction(shape[axis], x.shape[axis])
        found.append(factor.limit_denominator(MAX_SCALE_PARTS))
        if abs(found[-1] - factor) > 1e-6:
            return []
    fits = all(floor(now * scale) == new for scale, new, now in zip(found, shape[2:], x.shape[2:], strict=True))
    return found if fits and all(map(is_scale, found)) else []


def _read_axes(call: NodeCall, rank: int) -> list[int]:
    return [call.axis(axis, rank) for axis in call.ints("axes")] or list(range(rank))


def _read_factors(call: NodeCall, old: bool) -> list[float]:
    """The scales that the file says, one for each axis that it names; none where it says sizes."""
    if "scales" in call.attributes:
        return call.floats("scales")
    scales = call.array(1 if old or len(call.operands) < 3 else 2)
    return [] if scales is None else [float(scale) for scale in scales.reshape(-1)]


def _resize_shape(call: NodeCall, x: FileValue, old: bool) -> tuple[int, ...]:
    """The extents of the result; along an axis that is not named they stay."""
    rank = len(x.shape)
    axes = _read_axes(call, rank)
    factors = _read_factors(call, old)
    sizes = call.given("sizes", 3) or []
    shape = list(x.shape)
    if len(sizes) == len(axes):
        for axis, size in zip(axes, _keep_ratio(call, [x.shape[axis] for axis in axes], sizes), strict=True):
            shape[axis] = size
    elif len(factors) == len(axes) and all(0 < factor < 1 << 20 for factor in factors):
        for axis, factor in zip(axes, factors, strict=True):
            shape[axis] = int(shape[axis] * factor + 1e-4)  # a third is not exact, and three of them are one
    else:
        call.fail(f"should have a size or a scale for each of {len(axes)} axes")
    return call.check_shape(shape)


def _keep_ratio(call: NodeCall, old: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
    """The sizes that the file says, or those that keep the ratio of these and are not larger, or not smaller."""
    policy = call.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return sizes
    choose = min if policy == "not_larger" else max
    scale = choose(np.float32(size) / np.float32(now) for size, now in zip(sizes, old, strict=True))
    return [int(np.floor(scale * np.float32(now) + np.float32(0.5))) for now in old]


def _resample(call: NodeCall, x: FileValue, shape: Sequence[int], mode: str, where: str, rounding: str) -> FileValue:
    pairs, antialias = list(zip(shape[2:], x.shape[2:], strict=True)), call.attribute("antialias", 0)
    steps = [Fraction(now, new) for new, now in pairs]
    offsets = [Fraction(0)] * len(steps)
    if where == "align_corners":
        steps = [Fraction(now - 1, max(1, new - 1)) for new, now in pairs]
    elif where in HALF:
        alone = where == "pytorch_half_pixel"
        offsets = [
            Fraction(0) if alone and new == 1 else (step - 1) / 2 for step, (new, _) in zip(steps, pairs, strict=True)
        ]
    fields: dict[str, Any] = {
        "steps": tuple(steps),
        "offsets": tuple(offsets),
        "taps": TAPS[mode],
        "spreads": tuple(max(Fraction(1), Fraction(now, new)) for new, now in pairs) if antialias else (),
        "rounding": rounding,
        "details": call.tell("antialias", "cubic_coeff_a", "exclude_outside", "extrapolation_value"),
    }
    return call.foreign(Resample, [x], shape, function=mode, **fields)


def depth_to_space(call: NodeCall) -> Operand:
    """Make each position a block of positions, out of its channels."""
    x, block = call.straighten(call.value()), call.attribute("blocksize", 1)
    if len(x.shape) != 4 or block < 1 or x.shape[1] % (block * block):
        call.fail(f"blocks of {block} do not fit {write_shape(x.shape)}")
    call.keep_samples(x)
    if call.attribute("mode", "DCR") == "CRD" and call.is_map(x):
        return call.add(build(call, DepthToSpace, block=block), x)
    n, c, h, w = x.shape
    shape, details = (n, c // block**2, h * block, w * block), call.tell("mode")
    return call.foreign(DepthBeforeSpace, [x], shape, block=block, details=details)


RULES: Mapping[str, NodeRule] = {"Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space}
