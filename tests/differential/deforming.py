"""Deformable convolution in random specs: how it is read, and what it computes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tests.differential import shapes
from tests.differential.expressions import evaluate_field
from tests.differential.layers import FIELDS as LAYERS
from tests.differential.layers import at, require, whole

if TYPE_CHECKING:
    from tests.differential.around import Around
    from tests.differential.interpreter import Interpreter

OF_CONV = {name: field for name, field in LAYERS["conv"].items() if name not in ("standardize", "eps")}
TAKEN = {**OF_CONV, "offset_groups": whole(1, 1)}
FIELDS: dict[str, Any] = {name: field.default for name, field in TAKEN.items()}


def run_deform_conv(walk: Interpreter, given: Mapping[str, Any], value: str, name: str, around: Around) -> str:
    inner, names = around.inside(name), walk.names(around, value)
    settings = {**walk.settings("deform_conv", around), **given}
    require("offset" in settings, "deform_conv needs offsets")
    bodies = {word: settings.pop(word) for word in ("offset", "mask") if settings.get(word) is not None}
    apart = replace(inner, fixup=None)
    moved = [walk.run_body(body, value, apart.inside(word)) for word, body in bodies.items()]
    written = {key: item for key, item in settings.items() if key not in ("mask", "name")}
    require(written.get("out") is not None, "deform_conv needs its channels")
    given = {key: TAKEN[key].take(evaluate_field(key, item, names)) for key, item in written.items()}
    fields, path = {**FIELDS, **given}, f"{inner.path}.deform_conv"
    if around.fixup is not None:
        value = walk.put_layer("shift", {"trainable": True}, value, f"{path}_bias")
        around.fixup.append(path)
    shape = walk.shape(value)
    require(len(shape) == 3 and shape[0] % fields["offset_groups"] == 0, "no map, or groups do not divide")
    stride = max(at(fields, axis)["stride"] for axis in (0, 1))
    require(fields["padding"] != "same_end" or stride == 1, "a padding that depends on the extents")
    plain = {name: item for name, item in fields.items() if name != "offset_groups"}
    found = shapes.infer("conv", {**plain, "standardize": False, "eps": 1e-6}, shape)
    places = fields["offset_groups"] * at(fields, 0)["kernel"] * at(fields, 1)["kernel"]
    for operand, count in zip(moved, (2 * places, places), strict=False):
        require(walk.shape(operand) == (count, *found[1:]), "offsets or factors do not fit")
    return walk.put(path, "deform_conv", fields, [value, *moved], found)


def deform_conv(operands: list[Tensor], f: Mapping[str, Any], w: Mapping[str, Tensor]) -> Tensor:
    """Each tap by itself: the four numbers around its place, and a product with its matrix."""
    x, offset, *mask = operands
    parts, (rows, columns), weight = f["offset_groups"], (at(f, 0), at(f, 1)), w["weight"]
    if f["weight_norm"]:
        weight = weight * (w["length"] / weight.flatten(1).norm(dim=1))[:, None, None, None]
    moved = offset.unflatten(1, (parts, -1, 2))
    factors = mask[0].unflatten(1, (parts, -1)) if mask else torch.ones_like(moved[:, :, :, 0])
    split = x.unflatten(1, (parts, -1))
    total = torch.zeros(())
    for tap, (i, j) in enumerate(itertools.product(range(rows["kernel"]), range(columns["kernel"]))):
        down = moved[:, :, tap, 0] + _start(rows, x.shape[2], offset.shape[2], i)[:, None]
        right = moved[:, :, tap, 1] + _start(columns, x.shape[3], offset.shape[3], j)
        taken = _look_up(split, down, right) * factors[:, :, tap, None]
        groups = zip(taken.flatten(1, 2).chunk(f["groups"], 1), weight[..., i, j].chunk(f["groups"]), strict=True)
        total = total + torch.cat([torch.einsum("nchw,oc->nohw", part, matrix) for part, matrix in groups], 1)
    return total + w["bias"][:, None, None] if "bias" in w else total


def _start(f: Mapping[str, Any], extent: int, count: int, tap: int) -> Tensor:
    return torch.arange(count) * f["stride"] + tap * f["dilation"] - shapes.conv_padding(f, extent)[0]


def _look_up(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """The numbers of (N, G, C, H, W) at the places (N, G, H', W'), zero beyond the ends."""
    total = torch.zeros(())
    for more_down, more_right in itertools.product((0, 1), repeat=2):
        i, j = down.floor() + more_down, right.floor() + more_right
        share = (1 - (down - i).abs()) * (1 - (right - j).abs())
        inside = (i >= 0) & (i < x.shape[3]) & (j >= 0) & (j < x.shape[4])
        places = (i.clamp(0, x.shape[3] - 1) * x.shape[4] + j.clamp(0, x.shape[4] - 1)).long()
        found = x.flatten(3).gather(3, places.flatten(2)[:, :, None].expand(-1, -1, x.shape[2], -1))
        total = total + found.unflatten(3, places.shape[2:]) * (share * inside)[:, :, None]
    return total
