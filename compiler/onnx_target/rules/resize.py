"""Resampling: maps at other positions."""

from __future__ import annotations

import numpy as np

from archspec.ops import Resize, Upsample
from archspec.ops.fields import along
from archspec.ops.resize import Resampling
from archspec.ops.sampling import SHARPNESS
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule


@rule(Upsample)
def upsample(op: Upsample, emit: Emitter, x: OnnxValue) -> OnnxValue:
    scales = emit.constant("scales", [1, 1, *along(op.scale, emit.before, "scale")], np.float32)
    return emit.op("Resize", [x, None, scales], **_say_positions(op))


@rule(Resize)
def resize(op: Resize, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
    """Lower a resize. The extents are those of another value, so that they hold at every size."""
    own, space = emit.op("Shape", [x], start=0, end=2), emit.op("Shape", [like], **emit.space(1))
    sizes = emit.op("Concat", [own, space], axis=0)
    return emit.op("Resize", [x, None, None, sizes], **_say_positions(op))


def _say_positions(op: Resampling) -> dict[str, str | float]:
    """The attributes that say where positions lie. With ONNX's own for the nearest it leaves the blocked layout."""
    if op.mode == "nearest":
        return {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    where = "align_corners" if op.corners == "aligned" else "half_pixel"
    return {"mode": op.mode, "coordinate_transformation_mode": where} | (
        {"cubic_coeff_a": SHARPNESS} if op.mode == "cubic" else {}
    )
