"""The layers' shapes, weights and multiply-accumulates by docs/ops.md alone, with nothing of the program."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from tests.differential.layers import (
    KERNELS,
    LARGEST,
    NORMS,
    RECURRENT,
    RUNNING,
    Fields,
    Shape,
    at,
    require,
)


def infer(kind: str, f: Fields, shape: Shape) -> Shape:
    """The shape of a layer's result, without the batch."""
    channels, *space = shape
    if kind in RECURRENT:
        require(len(space) == 1, f"{kind} takes a sequence")
        return (f["out"] * (1 + f["both"]), *space)
    if kind == "linear":
        require(not space, "linear takes no map")
        return (f["out"],)
    if kind == "flatten":
        return (math.prod(shape),)
    if kind == "pad_channels":
        require(f["out"] >= channels, "fewer channels than there are")
        return (f["out"], *space)
    if kind == "slice":
        return _slice(f, shape)
    if kind in _REARRANGED:
        return _REARRANGED[kind](f, shape)
    if kind == "roll":
        require(bool(space) and abs(f["shift"]) <= min(space), f"cannot roll {shape}")
        return shape
    if kind == "pad":
        added = f["before"], f["after"]
        require(bool(space) and (f["mode"] != "reflect" or max(added) < min(space)), f"cannot pad {shape}")
        return (channels, *(extent + sum(added) for extent in space))
    if kind == "channel_conv":
        require(all(extent == 1 for extent in space) and f["kernel"] % 2 == 1, "channel_conv takes one position")
        return shape
    if kind == "glu":
        require(channels % 2 == 0, "glu takes an even number of channels")
        return (channels // 2, *space)
    if kind == "clip":
        low, high = f["low"], f["high"]
        require(not (low is None and high is None), "clip has no bound")
        require(low is None or high is None or low <= high, "clip has its bounds the wrong way round")
    if kind == "local_response_norm":
        require(bool(space) and f["size"] % 2 == 1, "no channels around each of a map")
    if kind == "softmax":
        require(f["branches"] is None or f["over"] == "channels", "branches are of channels")
        require(f["over"] == "channels" or bool(space), "a vector has no positions")
        require(channels % (f["branches"] or 1) == 0, "branches do not divide the channels")
    if kind == "group_norm":
        require(channels % f["groups"] == 0, "groups do not divide the channels")
    if kind in (
        "conv",
        "conv_transpose",
        "max_pool",
        "avg_pool",
        "global_avg_pool",
        "global_max_pool",
        "upsample",
    ) or kind.startswith("adaptive"):
        require(bool(space), f"{kind} needs a map")
        if kind == "upsample":
            check_places(f, shape)
        out = f.get("out", channels)
        require("groups" not in f or channels % f["groups"] == out % f["groups"] == 0, "groups do not divide")
        lists = [value for value in f.values() if isinstance(value, tuple)]
        require(all(len(value) == len(space) for value in lists), f"not one for each axis of {shape}")
        along = [at(f, axis) for axis in range(len(space))]
        terms = channels // f.get("groups", 1) * math.prod(own.get("kernel", 1) for own in along)
        require(not f.get("standardize") or terms > 1, "single weights have no variance")
        require(kind != "conv" or f["standardize"] or f["eps"] == 1e-6, "nothing takes the eps")
        for own in along:
            amounts = max(own.get("stride") or 1, own.get("dilation", 1))
            require(own.get("output_padding", 0) < amounts, "more output padding than torch takes")
        found = (out, *(_EXTENTS[kind](own, extent) for own, extent in zip(along, space, strict=True)))
        require(all(1 <= extent <= LARGEST for extent in found), f"{kind} leaves nothing of {shape}")
        return found
    if kind == "instance_norm":
        require(bool(space), "instance_norm needs a map")
    return shape


def _slice(f: Fields, shape: Shape) -> Shape:
    require(-len(shape) <= f["axis"] < len(shape), f"{shape} has no axis {f['axis']}")
    extents = list(shape)
    extent = extents[f["axis"]]
    stop = extent if f["stop"] is None else f["stop"]
    require(all(-extent <= end <= extent for end in (f["start"], stop)), f"outside {shape}")
    extents[f["axis"]] = len(range(extent)[f["start"] : stop : f["step"]])
    require(min(extents) > 0, f"nothing of {shape}")
    return tuple(extents)


def check_places(f: Fields, shape: Shape) -> None:
    """Refuse values of an upsampling or a resizing that belong to other maps."""
    require(f["mode"] != "cubic" or len(shape) == 3, "cubic means are for images")
    require(f["mode"] != "nearest" or f["corners"] == "half", "nearest positions have no aligned corners")


def concat_along(axis: int, shapes: list[Shape]) -> Shape:
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    require(len(rest) == 1 and axis < len(shapes[0]), f"cannot join {shapes}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _to_depth(f: Fields, shape: Shape) -> Shape:
    channels, *space = shape
    require(bool(space) and not any(extent % f["block"] for extent in space), f"no blocks in {shape}")
    return (channels * f["block"] ** len(space), *(extent // f["block"] for extent in space))


def _to_space(f: Fields, shape: Shape) -> Shape:
    channels, *space = shape
    require(bool(space) and channels % f["block"] ** len(space) == 0, f"no blocks in {shape}")
    return (channels // f["block"] ** len(space), *(extent * f["block"] for extent in space))


def _to_tokens(f: Fields, shape: Shape) -> Shape:
    require(len(shape) > 1, "a vector has no positions")
    return (shape[0], math.prod(shape[1:]))


def _transposed(f: Fields, shape: Shape) -> Shape:
    require(len(shape) == 2, "no row of tokens")
    return shape[::-1]


def _reduced(f: Fields, shape: Shape) -> Shape:
    require(f["over"] == "channels" or len(shape) > 1, "a vector has no positions")
    return (1, *shape[1:]) if f["over"] == "channels" else (shape[0], *(1,) * (len(shape) - 1))


def _shuffled(f: Fields, shape: Shape) -> Shape:
    require(shape[0] % f["groups"] == 0, "groups do not divide the channels")
    return shape


def _looked_up(f: Fields, shape: Shape) -> Shape:
    require(shape[0] == 1, "embedding looks up one number")
    return (f["out"], *shape[1:])


_REARRANGED: dict[str, Callable[[Fields, Shape], Shape]] = {
    "tokens": _to_tokens,
    "transpose": _transposed,
    "space_to_depth": _to_depth,
    "depth_to_space": _to_space,
    "shuffle_channels": _shuffled,
    "reduce": _reduced,
    "learned": lambda f, shape: tuple(f["shape"]),
    "embedding": _looked_up,
}


def conv_padding(f: Fields, extent: int) -> tuple[int, int]:
    """What a convolution pads before and after an axis."""
    reach = f["dilation"] * (f["kernel"] - 1)
    if f["padding"] == "causal":
        return reach, 0
    if f["padding"] == "same_end":
        missing = max(0, (math.ceil(extent / f["stride"]) - 1) * f["stride"] + reach + 1 - extent)
        return missing // 2, missing - missing // 2
    if f["padding"] != "same":
        return f["padding"], f["padding"]
    require(reach % 2 == 0, "the same padding on both sides is no whole number")
    return reach // 2, reach // 2


def _conv_extent(f: Fields, extent: int) -> int:
    padded = extent + sum(conv_padding(f, extent))
    return int((padded - f["dilation"] * (f["kernel"] - 1) - 1) // f["stride"] + 1)


def _transposed_extent(f: Fields, extent: int) -> int:
    grown = (extent - 1) * f["stride"] - 2 * f["padding"] + f["dilation"] * (f["kernel"] - 1)
    return int(grown + f["output_padding"] + 1)


def windows(f: Fields, extent: int) -> list[tuple[int, int]]:
    """The start and end of each window of a pool, in positions of the unpadded axis, not cut at its ends."""
    kernel, padding = f["kernel"], f["padding"]
    stride = f["stride"] or kernel
    require(2 * padding <= kernel, "a padding of more than half the kernel")
    room = extent + 2 * padding - kernel
    count = (-(-room // stride) if f["ceil"] else room // stride) + 1
    starts = [start for start in range(-padding, count * stride - padding, stride) if not f["ceil"] or start < extent]
    return [(start, start + kernel) for start in starts]


def _upsampled_extent(f: Fields, extent: int) -> int:
    scale = Fraction(f["scale"]).limit_denominator(16)
    found = int(extent * scale)
    require(scale <= 1 or found > extent or f["corners"] == "aligned", "enlarged by less than one position")
    return found


_EXTENTS: dict[str, Callable[[Fields, int], int]] = {
    "conv": _conv_extent,
    "conv_transpose": _transposed_extent,
    "max_pool": lambda f, extent: len(windows(f, extent)),
    "avg_pool": lambda f, extent: len(windows(f, extent)),
    "adaptive_avg_pool": lambda f, extent: int(f["size"]),
    "adaptive_max_pool": lambda f, extent: int(f["size"]),
    "global_avg_pool": lambda f, extent: 1,
    "global_max_pool": lambda f, extent: 1,
    "upsample": _upsampled_extent,
}


# Weights and costs


def weights(kind: str, f: Fields, shape: Shape) -> dict[str, tuple[Shape, bool]]:
    """Each stored tensor's shape by its short name, and whether it is trained."""
    channels, *space = shape
    if kind in RECURRENT:
        rows = RECURRENT[kind] * f["out"]
        stored = {"weight_ih": (rows, channels), "weight_hh": (rows, f["out"]), "bias_ih": (rows,), "bias_hh": (rows,)}
        ways = ("_l0", "_l0_reverse") if f["both"] else ("_l0",)
        return {f"{name}{way}": (shape, True) for way in ways for name, shape in stored.items()}
    if kind in (*KERNELS, "deform_conv"):
        out, size, groups = (
            f["out"],
            tuple(at(f, axis).get("kernel", 1) for axis in range(len(space))),
            f.get("groups", 1),
        )
        pair = (channels, out // groups) if kind == "conv_transpose" else (out, channels // groups)
        named: dict[str, tuple[Shape, bool]] = {"weight": ((*pair, *size), True)}
        named |= {"length": ((out,), True)} if f["weight_norm"] else {}
        return named | ({"bias": ((out,), True)} if f["bias"] else {})
    if kind in NORMS:
        learned: dict[str, tuple[Shape, bool]] = dict.fromkeys(("weight", "bias"), ((channels,), True))
        running: dict[str, tuple[Shape, bool]] = dict.fromkeys(("running_mean", "running_var"), ((channels,), False))
        return (learned if f["affine"] else {}) | (running if kind in RUNNING else {})
    if kind == "channel_conv":
        return {"weight": ((1, 1, f["kernel"]), True)}
    if kind == "rms_norm":
        return {"weight": ((channels,), True)} if f["affine"] else {}
    if kind == "prelu":
        return {"weight": ((channels if f["per"] == "channel" else 1,), True)}
    if kind in ("scale", "shift") and f["trainable"]:
        own: dict[str, Shape] = {"value": (), "channel": (channels,), "position": shape}
        return {"factor" if kind == "scale" else "term": (own[f["per"]], True)}
    if kind == "embedding":
        return {"weight": ((f["rows"], f["out"]), f["trainable"])}
    if kind == "learned":
        return {"value": (tuple(f["shape"]), True)}
    if kind == "attention":
        factor: dict[str, tuple[Shape, bool]] = {"logit_scale": ((f["heads"],), True)}
        distances = math.prod(2 * extent - 1 for extent in space)
        table: dict[str, tuple[Shape, bool]] = {"table": ((distances, f["heads"]), True)}
        return (factor if f["similarity"] == "cosine" else {}) | (table if f["bias"] == "relative" else {})
    return {}


def macs(kind: str, f: Fields, shape: Shape) -> int:
    """Multiply-accumulates with weights of convolutions and linear layers for one sample, without the bias."""
    if kind in RECURRENT:
        return int(math.prod(infer(kind, f, shape)) * RECURRENT[kind] * (shape[0] + f["out"]))
    if kind == "linear":
        return int(shape[0] * f["out"])
    if kind == "channel_conv":
        return int(shape[0] * f["kernel"])
    if kind in ("conv", "deform_conv"):
        plain = {"standardize": False, "eps": 1e-6, **{name: f[name] for name in f if name != "offset_groups"}}
        positions = math.prod(infer("conv", plain, shape))
        return int(
            positions * (shape[0] // f["groups"]) * math.prod(at(f, axis)["kernel"] for axis in range(len(shape) - 1))
        )
    if kind == "conv_transpose":
        return int(
            math.prod(shape)
            * (f["out"] // f["groups"])
            * math.prod(at(f, axis)["kernel"] for axis in range(len(shape) - 1))
        )
    return 0


# Merges


ARITHMETIC = ("sub", "div", "max", "min")


def merge(kind: str, shapes: list[Shape], *, repeat: bool = False) -> Shape:
    """The shape of the result of an operation on several values; with `repeat`, extents of 1 are repeated."""
    require(not repeat or kind in ("add", "mul", *ARITHMETIC), f"{kind} repeats nothing")
    if kind in ("add", "shake", *ARITHMETIC) and not repeat:
        require(len(set(shapes)) == 1, f"{kind} takes equal shapes, not {shapes}")
        return shapes[0]
    if kind == "concat":
        require(len({shape[1:] for shape in shapes}) == 1, f"concat takes equal maps, not {shapes}")
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    require(len({len(shape) for shape in shapes}) == 1, f"{kind} takes values of one rank")
    if kind == "resize":
        return (shapes[0][0], *shapes[1][1:])
    if kind == "mul" or repeat:
        require(all(len(set(axis) - {1}) <= 1 for axis in zip(*shapes, strict=True)), f"{kind} cannot repeat {shapes}")
        return tuple(map(max, zip(*shapes, strict=True)))
    if kind == "repeat_space":
        spaces = [*zip(*(shape[1:] for shape in shapes), strict=True)]
        require(all(len({*axis} - {1}) <= 1 for axis in spaces), f"cannot repeat {shapes} to one map")
        return (shapes[0][0], *map(max, spaces))
    choose = min if kind == "crop" else max
    extents = tuple(choose(axis) for axis in zip(*(shape[1:] for shape in shapes), strict=True))
    odd = any((mine - other) % 2 for mine, other in zip(shapes[0][1:], extents, strict=True))
    require(kind == "pad_space" or not odd, "the centre is not exact")
    return (shapes[0][0], *extents)
