"""What a flat network computes, in plain torch, from weights by their names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.differential import layers, shapes
from tests.differential.attending import attend
from tests.differential.deforming import deform_conv
from tests.differential.layers import Fields
from tests.differential.network import Network, Operation
from tests.differential.recurring import gru_step, lstm_step, recur
from tests.differential.resampling import pool_evenly, resize, upsample
from tests.differential.unpooling import unpool

Weights = Mapping[str, Tensor]


def execute(
    network: Network, weights: Weights, inputs: Mapping[str, Tensor], kind: torch.dtype | None = None
) -> dict[str, Tensor]:
    """The result of every operation, at inference; with a `kind`, weights, inputs and results are rounded to it."""

    def round_to_kind(value: Tensor) -> Tensor:
        return value if kind is None else value.to(kind).to(value.dtype)

    values: dict[str, Tensor] = {}
    weights = {name: round_to_kind(value) for name, value in weights.items()}
    for operation in network.operations.values():
        if operation.kind == "input":
            values[operation.name] = round_to_kind(inputs[operation.name])
            continue
        operands = [values[name] for name in operation.inputs]
        compute = (
            compute_merge if operation.kind in (*MERGES, "resize", "max_unpool", "concat_positions") else compute_layer
        )
        compute = compute_by_roles if operation.kind in BY_ROLES else compute
        values[operation.name] = round_to_kind(compute(operation, operands, weights))
    return values


def compute_merge(operation: Operation, operands: list[Tensor], weights: Weights) -> Tensor:
    if operation.kind == "resize":
        return resize(operands, operation.fields)
    if operation.kind == "max_unpool":
        return unpool(operands[0], operands[1], operation.fields)
    if operation.kind == "concat_positions":
        return torch.cat(operands, operation.fields["axis"] + 1)
    return MERGES[operation.kind](operands)


BY_ROLES: dict[str, Callable[[list[Tensor], Fields, Weights], Tensor]] = {
    "attention": attend,
    "deform_conv": deform_conv,
}
"""The operations whose operands have parts of their own."""


def compute_by_roles(operation: Operation, operands: list[Tensor], weights: Weights) -> Tensor:
    return BY_ROLES[operation.kind](operands, operation.fields, find_own(operation, weights))


def compute_layer(operation: Operation, operands: list[Tensor], weights: Weights) -> Tensor:
    return LAYERS[operation.kind](operands[0], operation.fields, find_own(operation, weights))


def find_own(operation: Operation, weights: Weights) -> dict[str, Tensor]:
    prefix = f"{operation.name}."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def crop(operands: list[Tensor]) -> Tensor:
    value = operands[0]
    for axis in range(2, value.dim()):
        extent = min(operand.shape[axis] for operand in operands)
        value = value.narrow(axis, (value.shape[axis] - extent) // 2, extent)
    return value


def pad_space(operands: list[Tensor]) -> Tensor:
    value, amounts = operands[0], []
    for axis in reversed(range(2, value.dim())):
        more = max(operand.shape[axis] for operand in operands) - value.shape[axis]
        amounts += [more // 2, more - more // 2]
    return F.pad(value, amounts)


def repeat_space(operands: list[Tensor]) -> Tensor:
    zeros = [torch.zeros(1, 1, *operand.shape[2:]) for operand in operands]
    return operands[0] + sum_up(zeros)


def sum_up(operands: list[Tensor]) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*operands)).sum(0)


MERGES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "map": lambda operands: operands[0].reshape(*operands[0].shape[:2], *operands[1].shape[2:]),
    "add": sum_up,
    "sub": lambda operands: operands[0] - sum_up(operands[1:]),
    "div": lambda operands: operands[0] / math.prod(operands[2:], start=operands[1]),
    "max": lambda operands: torch.stack(torch.broadcast_tensors(*operands)).amax(0),
    "min": lambda operands: torch.stack(torch.broadcast_tensors(*operands)).amin(0),
    "shake": lambda operands: torch.stack(operands).mean(0),
    "concat": lambda operands: torch.cat(operands, 1),
    "mul": lambda operands: math.prod(operands[1:], start=operands[0]),
    "crop": crop,
    "pad_space": pad_space,
    "repeat_space": repeat_space,
}


def along_channels(value: Tensor, rank: int) -> Tensor:
    """One number for each channel, a single one, or one for each position, to be combined with a batch of this rank."""
    return value.reshape(1, -1, *(1,) * (rank - 2)) if value.dim() == 1 else value


def conv(x: Tensor, f: Fields, w: Weights) -> Tensor:
    weight = w["weight"]
    if f["standardize"]:
        weight = weight - weight.flatten(1).mean(1).reshape(-1, *(1,) * (weight.dim() - 1))
        norms = (weight.flatten(1).square().mean(1) + f["eps"]).sqrt()
        size = w["length"] / weight[0].numel() ** 0.5 if f["weight_norm"] else 1.0
        weight = weight * (size / norms).reshape(-1, *(1,) * (weight.dim() - 1))
    elif f["weight_norm"]:
        norms = weight.flatten(1).norm(dim=1)
        weight = weight * (w["length"] / norms).reshape(-1, *(1,) * (weight.dim() - 1))
    function = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
    along = [layers.at(f, axis) for axis in range(x.dim() - 2)]
    sides = [shapes.conv_padding(own, extent) for own, extent in zip(along, x.shape[2:], strict=True)]
    padded = F.pad(x, [end for side in reversed(sides) for end in side])
    strides, dilations = ([own[name] for own in along] for name in ("stride", "dilation"))
    return function(padded, weight, w.get("bias"), strides, 0, dilations, f["groups"])


def conv_transpose(x: Tensor, f: Fields, w: Weights) -> Tensor:
    weight, groups = w["weight"], f["groups"]
    if f["weight_norm"]:
        parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])  # group, input, output, kernel
        lengths = w["length"].reshape(groups, 1, weight.shape[1], *(1,) * (weight.dim() - 2))
        norms = parts.square().sum(dim=(1, *range(3, parts.dim())), keepdim=True).sqrt()
        weight = (parts * (lengths / norms)).reshape(weight.shape)
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[x.dim() - 3]
    amounts = f["stride"], f["padding"], f["output_padding"], groups, f["dilation"]
    return function(x, weight, w.get("bias"), *amounts)


def linear(x: Tensor, f: Fields, w: Weights) -> Tensor:
    weight = w["weight"]
    if f["weight_norm"]:
        weight = weight * (w["length"] / weight.norm(dim=1))[:, None]
    return F.linear(x, weight, w.get("bias"))


def scale_and_shift(x: Tensor, w: Weights) -> Tensor:
    if "weight" not in w:
        return x
    return x * along_channels(w["weight"], x.dim()) + along_channels(w["bias"], x.dim())


def running_norm(x: Tensor, f: Fields, w: Weights) -> Tensor:
    mean, deviation = w["running_mean"], (w["running_var"] + f["eps"]).sqrt()
    return scale_and_shift((x - along_channels(mean, x.dim())) / along_channels(deviation, x.dim()), w)


def sample_norm(x: Tensor, f: Fields, w: Weights, parts: tuple[int, ...]) -> Tensor:
    """Each row of the last axis of `x` in this shape gets mean 0 and variance 1."""
    rows = x.reshape(parts)
    centred = rows - rows.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return scale_and_shift((centred / (variance + f["eps"]).sqrt()).reshape(x.shape), w)


def layer_norm(x: Tensor, f: Fields, w: Weights) -> Tensor:
    if f["over"] == "sample":
        return sample_norm(x, f, w, (x.shape[0], -1))
    centred = x - x.mean(1, keepdim=True)
    variance = centred.square().mean(1, keepdim=True)
    return scale_and_shift(centred / (variance + f["eps"]).sqrt(), w)


def rms_norm(x: Tensor, f: Fields, w: Weights) -> Tensor:
    x = x / (x.square().mean(1, keepdim=True) + f["eps"]).sqrt()
    return x * along_channels(w["weight"], x.dim()) if f["affine"] else x


def pool(x: Tensor, f: Fields, reduce: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    """Windows along one axis after the other: the largest of the largest, the mean of the means."""
    for axis in range(2, x.dim()):
        extent = x.shape[axis]
        slices = []
        own = layers.at(f, axis - 2)
        for start, end in shapes.windows(own, extent):
            inside = x.narrow(axis, max(start, 0), min(end, extent) - max(start, 0))
            counted = min(end, extent + own["padding"]) - start
            counted = inside.shape[axis] if f.get("count") == "inside" else counted
            slices.append(reduce(inside, axis, counted))
        x = torch.stack(slices, axis)
    return x


def pad(x: Tensor, f: Fields) -> Tensor:
    """One axis after the other, by the positions that stand at each place."""
    for axis in range(2, x.dim()):
        extent = x.shape[axis]
        places = torch.arange(-f["before"], extent + f["after"])
        inside = places.clamp(0, extent - 1)
        mirrored = inside - (places - inside)
        padded = x.index_select(axis, mirrored if f["mode"] == "reflect" else inside)
        lies = (places == inside).view([-1 if i == axis else 1 for i in range(x.dim())])
        x = padded * lies if f["mode"] == "zeros" else padded
    return x


def largest(inside: Tensor, axis: int, counted: int) -> Tensor:
    return inside.amax(axis)


def average(inside: Tensor, axis: int, counted: int) -> Tensor:
    return inside.sum(axis) / counted


def pad_channels(x: Tensor, f: Fields, w: Weights) -> Tensor:
    zeros = x.new_zeros(x.shape[0], f["out"] - x.shape[1], *x.shape[2:])
    return torch.cat([x, zeros], 1)


def spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


def gelu(x: Tensor, f: Fields, w: Weights) -> Tensor:
    if f["approximate"] == "tanh":
        return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    return x * torch.special.ndtr(x)


def hard_sigmoid(x: Tensor) -> Tensor:
    return (x + 3).clamp(0, 6) / 6


def to_depth(x: Tensor, block: int) -> Tensor:
    """Every block-th position along each axis, from each start: a channel for each, beside those of its own."""
    starts = itertools.product(range(block), repeat=x.dim() - 2)
    parts = [x[(slice(None), slice(None), *(slice(start, None, block) for start in each))] for each in starts]
    return torch.stack(parts, 2).flatten(1, 2)


def to_space(x: Tensor, block: int) -> Tensor:
    count = block ** (x.dim() - 2)
    whole = x.new_zeros(x.shape[0], x.shape[1] // count, *(extent * block for extent in x.shape[2:]))
    for place, each in enumerate(itertools.product(range(block), repeat=x.dim() - 2)):
        whole[(slice(None), slice(None), *(slice(start, None, block) for start in each))] = x[:, place::count]
    return whole


def around_channels(x: Tensor, size: int) -> Tensor:
    """The means over channels around each, with zeros beyond both ends."""
    reach, count = size // 2, x.shape[1]
    padded = torch.cat(
        [x.new_zeros(x.shape[0], reach, *x.shape[2:]), x, x.new_zeros(x.shape[0], reach, *x.shape[2:])], 1
    )
    return sum((padded[:, start : start + count] for start in range(size)), torch.zeros(())) / size


def shares(x: Tensor, f: Fields) -> Tensor:
    branches = f["branches"] or x.shape[1]
    parts = (
        torch.stack(x.chunk(branches, 1)) if f["over"] == "channels" else x.movedim(1, 0).flatten(2).permute(2, 0, 1)
    )
    weights = (parts - parts.amax(0)).exp()
    weights = weights / weights.sum(0)
    if f["over"] == "channels":
        return torch.cat([*weights], 1)
    return weights.permute(1, 2, 0).reshape(x.movedim(1, 0).shape).movedim(0, 1)


def reduced(x: Tensor, f: Fields) -> Tensor:
    dims = [1] if f["over"] == "channels" else list(spatial(x))
    if f["by"] == "max":
        return x.amax(dims, keepdim=True)
    if f["by"] == "norm":
        return x.square().sum(dims, keepdim=True).sqrt()
    total = x.sum(dims, keepdim=True)
    return total / math.prod(x.shape[dim] for dim in dims) if f["by"] == "mean" else total


def _dim(f: Fields) -> int:
    """The axis of a batch, of one that is counted from 0 for the channels or from the last."""
    return int(f["axis"]) + (f["axis"] >= 0)


Compute = Callable[[Tensor, Fields, Weights], Tensor]

LAYERS: dict[str, Compute] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "linear": linear,
    **dict.fromkeys(layers.RUNNING, running_norm),
    "layer_norm": layer_norm,
    "channel_conv": lambda x, f, w: F.conv1d(x.flatten(1)[:, None], w["weight"], padding="same").reshape(x.shape),
    "rms_norm": rms_norm,
    "local_response_norm": lambda x, f, w: (
        x / (f["k"] + f["alpha"] * around_channels(x.square(), f["size"])) ** f["beta"]
    ),
    "l2_norm": lambda x, f, w: x / x.square().sum(1, keepdim=True).sqrt().clamp(min=f["eps"]),
    "group_norm": lambda x, f, w: sample_norm(x, f, w, (x.shape[0], f["groups"], -1)),
    "instance_norm": lambda x, f, w: sample_norm(x, f, w, (*x.shape[:2], -1)),
    "relu": lambda x, f, w: x.clamp(min=0),
    "relu6": lambda x, f, w: x.clamp(0, 6),
    "leaky_relu": lambda x, f, w: torch.where(x > 0, x, f["slope"] * x),
    "prelu": lambda x, f, w: torch.where(x > 0, x, along_channels(w["weight"], x.dim()) * x),
    "elu": lambda x, f, w: torch.where(x > 0, x, f["alpha"] * torch.expm1(x.clamp(max=0))),
    "gelu": gelu,
    "silu": lambda x, f, w: x * torch.sigmoid(x),
    "sigmoid": lambda x, f, w: torch.sigmoid(x),
    "hard_sigmoid": lambda x, f, w: hard_sigmoid(x),
    "hard_swish": lambda x, f, w: x * hard_sigmoid(x),
    "tanh": lambda x, f, w: torch.tanh(x),
    "softplus": lambda x, f, w: F.softplus(x),  # torch's: above 20, where float32 sees no difference, it is x
    "softmax": lambda x, f, w: shares(x, f),
    "mish": lambda x, f, w: x * torch.tanh(F.softplus(x)),
    "selu": lambda x, f, w: torch.where(
        x > 0, 1.0507009873554805 * x, 1.7580993408473766 * torch.expm1(x.clamp(max=0))
    ),
    "hard_tanh": lambda x, f, w: x.clamp(-1, 1),
    "clip": lambda x, f, w: x.clamp(f["low"], f["high"]),
    "exp": lambda x, f, w: torch.exp(x),
    "sqrt": lambda x, f, w: torch.where(x > f["eps"], x, f["eps"]) ** 0.5,
    "log": lambda x, f, w: torch.log(torch.where(x > f["eps"], x, f["eps"])),
    "abs": lambda x, f, w: torch.where(x > 0, x, -x),
    "glu": lambda x, f, w: x[:, : x.shape[1] // 2] * torch.sigmoid(x[:, x.shape[1] // 2 :]),
    "max_pool": lambda x, f, w: pool(x, f, largest),
    "avg_pool": lambda x, f, w: pool(x, f, average),
    "lstm": lambda x, f, w: recur(x, f, w, lstm_step),
    "gru": lambda x, f, w: recur(x, f, w, gru_step),
    "adaptive_avg_pool": lambda x, f, w: pool_evenly(x, f["size"], torch.mean),
    "adaptive_max_pool": lambda x, f, w: pool_evenly(x, f["size"], torch.amax),
    "global_avg_pool": lambda x, f, w: x.mean(spatial(x), keepdim=True),
    "global_max_pool": lambda x, f, w: x.amax(spatial(x), keepdim=True),
    "upsample": upsample,
    "flatten": lambda x, f, w: x.flatten(1),
    "pad_channels": pad_channels,
    "slice": lambda x, f, w: x.movedim(_dim(f), 0)[f["start"] : f["stop"] : f["step"]].movedim(0, _dim(f)),
    "tokens": lambda x, f, w: x.flatten(2),
    "transpose": lambda x, f, w: x.movedim(1, 2),
    "space_to_depth": lambda x, f, w: to_depth(x, f["block"]),
    "depth_to_space": lambda x, f, w: to_space(x, f["block"]),
    "shuffle_channels": lambda x, f, w: torch.stack(x.chunk(f["groups"], 1), 2).flatten(1, 2),
    "reduce": lambda x, f, w: reduced(x, f),
    "embedding": lambda x, f, w: torch.stack([w["weight"][:, i][x[:, 0].long()] for i in range(f["out"])], 1),
    "learned": lambda x, f, w: w["value"].expand(x.shape[0], *w["value"].shape),
    "roll": lambda x, f, w: torch.roll(x, [f["shift"]] * (x.dim() - 2), spatial(x)),
    "pad": lambda x, f, w: pad(x, f),
    "scale": lambda x, f, w: x * along_channels(w["factor"], x.dim()) if f["trainable"] else x * f["value"],
    "shift": lambda x, f, w: x + along_channels(w["term"], x.dim()) if f["trainable"] else x + f["value"],
    "dropout": lambda x, f, w: x,
    "stochastic_depth": lambda x, f, w: x if f["rescale"] else x * f["survival"],
    "shake_drop": lambda x, f, w: x * f["survival"],
}
