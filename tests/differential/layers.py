"""The layers' fields by docs/ops.md alone, with nothing of the program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

Shape: TypeAlias = tuple[int, ...]
Fields: TypeAlias = Mapping[str, Any]
Take: TypeAlias = Callable[[Any], Any]

LARGEST = 2_147_483_647


class RefusedError(Exception):
    """What is written is no network by the documentation."""


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise RefusedError(reason)


@dataclass(frozen=True)
class Field:
    take: Take
    default: Any = None
    needed: bool = False


def whole(low: int, default: int | None = None, *, empty: bool = False) -> Field:
    def take(value: Any) -> Any:
        if empty and value is None:
            return None
        require(is_number(value) and value == value // 1 and low <= value <= LARGEST, f"{value} is no whole number")
        return int(value)

    return Field(take, default, needed=default is None and not empty)


def number(default: float, low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> Field:
    def take(value: Any) -> float:
        require(is_number(value) and low <= value <= high and value > above, f"{value} is out of bounds")
        return float(value)

    return Field(take, default)


def optional_number() -> Field:
    """Any number, or none."""
    return Field(lambda value: None if value is None else number(0).take(value), None)


def flag(default: bool) -> Field:
    def take(value: Any) -> bool:
        require(isinstance(value, bool), f"{value} is not true or false")
        return bool(value)

    return Field(take, default)


def word(*words: str) -> Field:
    """One of these words; the first unless given."""

    def take(value: Any) -> str:
        require(value in words, f"{value} is none of {words}")
        return str(value)

    return Field(take, words[0])


def rule_or_whole(value: Any) -> Any:
    return value if value in ("same", "same_end", "causal") else whole(0, 0).take(value)


def per_axis(field: Field) -> Field:
    """A value, or a list with one for each axis of space."""

    def take(value: Any) -> Any:
        if not isinstance(value, list):
            return field.take(value)
        require(1 <= len(value) <= 3, f"{value} is no list of axes")
        return tuple(field.take(item) for item in value)

    return Field(take, field.default)


def at(f: Fields, axis: int) -> Fields:
    """The fields of a window along one axis of space."""
    return {name: value[axis] if isinstance(value, tuple) else value for name, value in f.items()}


def whole_or_fraction(value: Any) -> Any:
    require(is_number(value) and value > 0, f"{value} is no scale")
    part = Fraction(value).limit_denominator(16)
    small = part.denominator in (2, 3, 4, 5, 6, 8, 16) and part.numerator <= 6
    require(abs(part - value) < 1e-9 and (small or part.denominator == 1), f"{value} is no small fraction")
    return int(value) if value == value // 1 else float(part)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def extents(value: Any) -> Shape:
    require(isinstance(value, list) and 1 <= len(value) <= 4, f"{value} is no shape")
    return tuple(whole(1, 1).take(entry) for entry in value)


def from_either_end(default: int | None) -> Field:
    """A whole number, negative where it counts from the end."""

    def take(value: Any) -> int | None:
        if value is None and default is None:
            return None
        require(is_number(value) and value == value // 1 and abs(value) <= LARGEST, f"{value} is no whole number")
        return int(value)

    return Field(take, default)


_NORM = {"affine": flag(True), "start": number(1.0), "eps": number(1e-5, above=0)}
_RUNNING = {**_NORM, "momentum": number(0.1, 0, 1)}
_START = {
    "bias": flag(True),
    "init": word("he", "he_fan_out", "glorot", "torch", "zeros"),
    "gain": number(1.0, 0),
    "weight_norm": flag(False),
}
_POOL = {
    "kernel": per_axis(whole(1, 2)),
    "stride": per_axis(whole(1, empty=True)),
    "padding": per_axis(whole(0, 0)),
    "ceil": flag(False),
}
_KERNEL = {"dilation": per_axis(whole(1, 1)), "groups": whole(1, 1), **_START}
_LEARNED = {"trainable": flag(False), "per": word("value", "channel", "position")}

_PLACES = {"mode": word("nearest", "linear", "cubic"), "corners": word("half", "aligned")}

RECURRENT = {"lstm": 4, "gru": 3}
"""The recurrent layers, with the number of rows for each hidden number."""

FIELDS: dict[str, dict[str, Field]] = {
    "conv": {
        "out": whole(1),
        "standardize": flag(False),
        "eps": number(1e-6, above=0),
        "kernel": per_axis(whole(1, 3)),
        "stride": per_axis(whole(1, 1)),
        "padding": per_axis(Field(rule_or_whole, "same")),
        **_KERNEL,
    },
    "conv_transpose": {
        "out": whole(1),
        "kernel": per_axis(whole(1, 2)),
        "stride": per_axis(whole(1, 2)),
        "padding": per_axis(whole(0, 0)),
        "output_padding": per_axis(whole(0, 0)),
        **_KERNEL,
    },
    "linear": {"out": whole(1), **_START},
    "batch_norm": _RUNNING,
    "ghost_batch_norm": {**_RUNNING, "size": whole(1, 32)},
    "batch_renorm": {**_RUNNING, "momentum": number(0.01, 0, 1), "r_max": number(3.0, 1), "d_max": number(5.0, 0)},
    "layer_norm": {**_NORM, "over": word("sample", "channels")},
    "channel_conv": {"kernel": whole(1, 3)},
    "rms_norm": {**_NORM, "eps": number(1e-6, above=0)},
    "local_response_norm": {
        "size": whole(1, 5),
        "alpha": number(1e-4, 0),
        "beta": number(0.75, 0),
        "k": number(1.0, above=0),
    },
    "l2_norm": {"eps": number(1e-12, above=0)},
    "group_norm": {**_NORM, "groups": whole(1, 32)},
    "instance_norm": {**_NORM, "affine": flag(False)},
    **{name: {} for name in ("relu", "relu6", "silu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus")},
    "softmax": {"over": word("channels", "positions"), "branches": whole(1, empty=True)},
    "leaky_relu": {"slope": number(0.01)},
    "prelu": {"start": number(0.25), "per": word("channel", "network")},
    **{name: {} for name in ("mish", "selu", "hard_tanh", "exp", "abs", "glu")},
    **{name: {"eps": number(1e-6, above=0)} for name in ("sqrt", "log")},
    "clip": {"low": optional_number(), "high": optional_number()},
    "elu": {"alpha": number(1.0)},
    "gelu": {"approximate": word("none", "tanh")},
    "max_pool": _POOL,
    "avg_pool": {**_POOL, "count": word("all", "inside")},
    **{name: {"out": whole(1), "both": flag(False)} for name in RECURRENT},
    "adaptive_avg_pool": {"size": whole(1)},
    "adaptive_max_pool": {"size": whole(1)},
    "global_avg_pool": {},
    "global_max_pool": {},
    "upsample": {"scale": Field(whole_or_fraction, 2), **_PLACES},
    "flatten": {},
    "pad_channels": {"out": whole(1)},
    "slice": {
        "axis": from_either_end(0),
        "start": from_either_end(0),
        "stop": from_either_end(None),
        "step": whole(1, 1),
    },
    "roll": {"shift": Field(from_either_end(1).take, needed=True)},
    "tokens": {},
    "transpose": {},
    "depth_to_space": {"block": whole(1, 2)},
    "space_to_depth": {"block": whole(1, 2)},
    "shuffle_channels": {"groups": whole(1)},
    "reduce": {"over": word("channels", "positions"), "by": word("mean", "max", "sum", "norm")},
    "learned": {"shape": Field(extents, needed=True), "start": number(0.0), "std": number(0.02, 0)},
    "embedding": {"rows": whole(1), "out": whole(1), "std": number(1.0, 0), "trainable": flag(True)},
    "pad": {"before": whole(0, 0), "after": whole(0, 0), "mode": word("zeros", "reflect", "edge")},
    "scale": {"value": number(1.0), **_LEARNED},
    "shift": {"value": number(0.0), **_LEARNED},
    "dropout": {"rate": number(0.5, 0, 1)},
    "stochastic_depth": {"survival": number(0.8, 0, 1), "draw": word("sample", "batch"), "rescale": flag(False)},
    "shake_drop": {"survival": number(0.5, 0, 1), "draw": word("sample", "batch")},
}

MAIN = {
    **dict.fromkeys(("conv", "conv_transpose", "linear", "pad_channels", *RECURRENT), "out"),
    **dict.fromkeys(("max_pool", "avg_pool"), "kernel"),
    **dict.fromkeys(("scale", "shift"), "value"),
    **dict.fromkeys(("stochastic_depth", "shake_drop"), "survival"),
    **dict.fromkeys(("ghost_batch_norm", "adaptive_avg_pool", "adaptive_max_pool"), "size"),
    "group_norm": "groups",
    "leaky_relu": "slope",
    "prelu": "start",
    "elu": "alpha",
    "upsample": "scale",
    "roll": "shift",
    **dict.fromkeys(("depth_to_space", "space_to_depth"), "block"),
    "shuffle_channels": "groups",
    "learned": "shape",
    "dropout": "rate",
}

KERNELS = ("conv", "conv_transpose", "linear")
ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "sigmoid", "hard_sigmoid", "hard_swish"),
    *("tanh", "softplus", "softmax", "mish", "selu", "hard_tanh", "clip", "exp", "abs", "glu"),
    *("sqrt", "log"),
)
BIASED_BY_FIXUP = (*KERNELS, "channel_conv", *RECURRENT, *ACTIVATIONS)
"""The layers before which FixUp puts a learned number that is added."""
RUNNING = ("batch_norm", "ghost_batch_norm", "batch_renorm")
NORMS = (*RUNNING, "layer_norm", "group_norm", "instance_norm")


def complete(kind: str, given: Fields) -> dict[str, Any]:
    """All fields of a layer with their values."""
    known = FIELDS[kind]
    require(set(given) <= set(known), f"{kind} has no {set(given) - set(known)}")
    for name, field in known.items():
        require(not field.needed or name in given, f"{kind} needs {name}")
    return {name: field.take(given[name]) if name in given else field.default for name, field in known.items()}


# Shapes
