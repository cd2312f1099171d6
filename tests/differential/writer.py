"""Writes layers and expressions at random; what a node gives is asked of the interpreter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from tests.differential import layers
from tests.differential.around import Around, Handed
from tests.differential.interpreter import Interpreter
from tests.differential.layers import RefusedError, Shape
from tests.differential.network import Operation
from tests.differential.reading import Body, Document

T = TypeVar("T")

CHANNELS = (1, 2, 3, 4, 4, 6, 8, 8, 12, 16)
MOST_CHANNELS = 48
MOST_ELEMENTS = 4096
MOST_DEPTH = 3


@dataclass(frozen=True)
class Scope:
    """What the writer of a body may refer to; taps are those set so far, with their shapes."""

    names: Mapping[str, Any]
    taps: dict[str, Shape] = field(default_factory=dict)
    bodies: Mapping[str, tuple[Body, Scope]] = field(default_factory=dict)
    depth: int = 0
    closed: bool = False
    """Within a block, where no output is written: it might be called twice."""

    def inside(self, **names: Any) -> Scope:
        """For a body of a node. What it taps is known behind it only once the node has been tried."""
        return replace(self, names={**self.names, **names}, taps=dict(self.taps), depth=self.depth + 1)


class Writer:
    """Writes nodes for values of known shapes."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.document: Document = {"archspec": 1}
        self.files: dict[str, Document] = {}
        self.serial = 0

    # Chance

    def one(self, *choices: T) -> T:
        return self.random.choice(choices)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def fresh(self, stem: str) -> str:
        self.serial += 1
        return f"{stem}{self.serial}"

    # The oracle

    def attempt(self, body: Body, shape: Shape, scope: Scope) -> Shape | None:
        """The shape behind a body; None where it is refused or grows too large. Taps that it sets are noted."""
        trial = Interpreter({**self.document, "inputs": {"in": []}}, {}, self.files)
        handed = {name: Handed(inner, self._around(trial, seen)) for name, (inner, seen) in scope.bodies.items()}
        around = replace(self._around(trial, scope), bodies=handed, path="trial")
        trial.network.operations["in"] = Operation("in", "input", {}, (), shape)
        try:
            result = trial.shape(trial.run_body(body, "in", around))
        except RefusedError:
            return None
        shapes = [operation.shape for operation in trial.network.operations.values()]
        deepest = max((shape[0] for shape in shapes if len(shape) > 1), default=0)
        if max(map(math.prod, shapes)) > MOST_ELEMENTS or deepest > MOST_CHANNELS:
            return None
        scope.taps.update({name: trial.shape(value) for name, value in around.taps.items()})
        return result

    def _around(self, trial: Interpreter, scope: Scope) -> Around:
        taps = {}
        for name, shape in scope.taps.items():
            taps[name] = f"tap:{len(trial.network.operations)}"
            trial.network.operations[taps[name]] = Operation(taps[name], "input", {}, (), shape)
        return Around(dict(scope.names), taps)

    # Expressions

    def whole(self, number: int, scope: Scope, channels: int | None = None) -> Any:
        """A whole number, or an expression of this value."""
        if self.chance(50):
            return number
        forms: list[Any] = [float(number), f"{2 * number} / 2", f"{3 * number + 1} // 3", f"max({number}, 0)"]
        forms += [f"round({number} + 0.25)", f"min({number}, {number + 3})"]
        forms += [f"{number} if 1 < 2 <= 2 else 0", f"-(-{number})", f"{number + 7} % {number + 8} - 7"]
        forms += [f"{number} if {self.boolean(True, scope)} else 1 / 0"]
        known = {**scope.names, **({} if channels is None else {"in_channels": channels})}
        for name, value in known.items():
            if isinstance(value, list):
                forms += [f"{name}[{i}]" for i, item in enumerate(value) if item == number and type(item) is int]
                forms += [f"{name}[-1]"] if value and value[-1] == number and type(value[-1]) is int else []
                forms += [f"len({name}) + {number - len(value)}"] if number >= len(value) else []
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                continue
            forms += [name, name, f"{name} if {name} >= 1 else {number}"] if value == number else []
            forms += [f"{name} + {number - value}", f"{name} + {number - value}"] if value < number else []
            parts = value // number if 0 < number < value else 0
            forms += [f"{name} // {parts}"] if parts and value // parts == number else []
            forms += [f"{number // value} * {name}"] if value > 0 and number > value and number % value == 0 else []
        return self.one(*forms)

    def real(self, value: float, scope: Scope) -> Any:
        if self.chance(60):
            return value
        known = [name for name, there in scope.names.items() if type(there) is float and there == value]
        return self.one(f"{value}", f"{2 * value} / 2", f"{value} if not false else 9", *known, *known)

    def boolean(self, value: bool, scope: Scope) -> Any:
        """Text of an expression that is true or false."""
        names = [name for name, there in scope.names.items() if there is value]
        others = [name for name, there in scope.names.items() if there is (not value)]
        forms = ["2 > 1", "1 <= 1 < 3", "not 2 == 3", "true or 1 / 0", "0.5 != 1 and true"]
        refuted = ["2 < 1", "1 >= 2", "not true", "false and 1 / 0", "1 == 2 or false"]
        forms, refuted = (forms, refuted) if value else (refuted, forms)
        return self.one(*forms, *names, *names, *(f"not {name}" for name in others), f"not ({self.one(*refuted)})")

    def flag(self, value: bool, scope: Scope) -> Any:
        return self.boolean(value, scope) if self.chance(30) else value

    # Layers

    def field_value(self, kind: str, name: str, shape: Shape, scope: Scope) -> Any:
        """A value for a layer's field, or an expression of one."""
        channels = shape[0]
        if (kind, name) in FROM_EITHER_END:
            number = self.one(*FROM_EITHER_END[kind, name])
            return f"{number} + 1 - 1" if number is not None and self.chance(30) else number
        if kind == "learned" and name == "shape":
            return [self.whole(self.one(*CHANNELS), scope, channels), *shape[1:]]
        if name == "over":
            return self.one(*(("sample", "channels") if kind == "layer_norm" else ("channels", "positions")))
        if name in AXES and kind in WINDOWED and len(shape) > 1 and self.chance(10):
            return [self.field_value(kind, name, shape[:1], scope) or 1 for _ in shape[1:]]
        if name == "mode" and kind == "pad":
            return self.one("zeros", "reflect", "edge")
        if (kind, name) in (("local_response_norm", "size"), ("channel_conv", "kernel")):
            return self.one(1, 3, 5)
        if name in WORDS:
            return self.one(*("channel", "network") if kind == "prelu" else WORDS[name])
        if name in FLAGS:
            return self.flag(self.chance(50), scope)
        if name in REALS:
            return self.real(self.one(*REALS[name]), scope)
        if name == "stride" and kind.endswith("pool") and self.chance(15):
            return None
        if name == "padding" and kind == "conv" and self.chance(50):
            return self.one("same", "same", "same", "same_end", "causal")
        if name == "scale" and kind == "upsample" and self.chance(30):
            return self.one("3 / 2", 0.5, "4 / 3", 0.75)
        choices = {
            "out": tuple(channels + more for more in (0, 0, 1, 4, 5)) if kind == "pad_channels" else CHANNELS,
            "groups": tuple(n for n in range(1, channels + 1) if channels % n == 0),
            "scale": (1, 2, 2, 3),
            "kernel": (1, 2, 3, 3, 4, 5) if kind == "conv" else (1, 2, 2, 3, 4),
        }
        number = self.one(*choices.get(name, WHOLES.get(name, (1,))))
        return self.whole(number, scope, channels)

    def layer(self, kind: str, shape: Shape, scope: Scope, often: int = 35, **given: Any) -> Any:
        """A node of a layer; each field that is not given is written with this probability, needed ones always."""
        fields = dict(given)
        defaults = self.document.get("defaults", {}).get(kind, {})
        for name, declared in layers.FIELDS[kind].items():
            needed = declared.needed and name not in defaults
            if name not in fields and (needed or self.chance(often)):
                fields[name] = self.field_value(kind, name, shape, scope)
        if self.chance(6):
            fields["name"] = self.fresh("part")
        main = layers.MAIN.get(kind)
        if main and list(fields) == [main] and fields[main] is not None and self.chance(60):
            return {kind: fields[main]}
        return {kind: fields} if fields else self.one(kind, kind, {kind: {}})

    def keeping_layer(self, shape: Shape, scope: Scope) -> Any:
        """A layer whose result mostly has the shape of its input."""
        kind = self.one(*KEEPING, "norm", "norm", "activation", "mixing", "mixing", "mixing")
        if kind == "norm":
            return self.norm(shape, scope)
        if kind == "activation":
            chosen = self.one("relu", "silu", "gelu", "none", "tanh")
            return self.one("activation", {"activation": chosen}, {"activation": {"kind": "elu", "alpha": 0.5}})
        if kind != "mixing":
            return self.layer(kind, shape, scope, often=25)
        out = self.whole(shape[0], scope, shape[0])
        if len(shape) == 1:
            return self.layer("linear", shape, scope, out=out)
        size, dilation = self.one((1, 1), (3, 1), (3, 2), (5, 1))
        fields = {"out": out, "kernel": size, "dilation": dilation, "stride": 1}
        padding = self.one("same", dilation * (size // 2))
        return self.layer("conv", shape, scope, often=25, padding=padding, **fields)

    def norm(self, shape: Shape, scope: Scope) -> Any:
        if self.chance(50):
            return "norm"
        kind = self.one(*KINDS_OF_NORM)
        usual = self.document.get("defaults", {}).get("norm", {}).get("kind")
        if kind == "weight" and usual != "weight":
            kind = "none"
        known = layers.FIELDS[KINDS_OF_NORM[kind] or "instance_norm"]
        fields: dict[str, Any] = {"kind": kind}
        for name in known:
            if self.chance(25) or (name == "groups"):
                fields[name] = self.field_value(str(KINDS_OF_NORM[kind]), name, shape, scope)
        return {"norm": kind} if list(fields) == ["kind"] and self.chance(70) else {"norm": fields}

    def any_layer(self, shape: Shape, scope: Scope) -> Any:
        if len(shape) == 2 and self.chance(20):
            return self.layer(self.one("lstm", "gru"), shape, scope, often=60)
        kind = self.one(*ANYWHERE, *(ON_MAPS if len(shape) > 1 else ON_ROWS))
        rare = kind == "upsample" or len(layers.FIELDS[kind]) == 1
        return self.layer(kind, shape, scope, often=70 if rare else 35)


KINDS_OF_NORM: dict[str, str | None] = {
    "batch": "batch_norm",
    "ghost_batch": "ghost_batch_norm",
    "batch_renorm": "batch_renorm",
    "layer": "layer_norm",
    "group": "group_norm",
    "instance": "instance_norm",
    "rms": "rms_norm",
    "none": None,
    "weight": None,
}

WORDS = {
    "init": ("he", "he_fan_out", "glorot", "torch", "zeros"),
    "mode": ("nearest", "linear", "linear", "cubic"),
    "corners": ("half", "half", "aligned"),
    "per": ("value", "channel", "position"),
    "by": ("mean", "max", "sum", "norm"),
    "draw": ("sample", "batch"),
    "approximate": ("none", "tanh"),
    "count": ("all", "inside", "inside"),
}
FLAGS = ("both", "bias", "affine", "trainable", "weight_norm", "standardize", "ceil", "rescale")
AXES = ("kernel", "stride", "padding", "dilation")
WINDOWED = ("conv", "conv_transpose", "max_pool", "avg_pool")
REALS = {
    "gain": (0.5, 1.0, 1.5),
    "eps": (1e-3, 0.01, 0.1),
    "momentum": (0.1, 0.5, 1.0),
    "start": (0.5, 1.0, -0.25),
    "r_max": (1.0, 2.0),
    "d_max": (0.0, 1.0),
    "slope": (0.2, -0.5, 0.0),
    "alpha": (0.5, 2.0),
    "value": (0.5, -1.0, 1.5),
    "std": (0.0, 0.5),
    "rate": (0.0, 0.25, 0.5),
    "survival": (0.25, 0.5, 1.0),
    "low": (-1.0, 0.0, 0.25),
    "high": (0.5, 1.0, 6.0),
}
WHOLES = {
    "stride": (1, 1, 2, 2, 3),
    "padding": (0, 0, 1, 1, 2),
    "dilation": (1, 1, 1, 2, 3),
    "output_padding": (0, 0, 1),
    "size": (1, 2, 32),
    "step": (1, 1, 2, 3),
    "block": (1, 2, 2, 3),
    "branches": (1, 2, 2, 3),
    "before": (0, 1, 1, 2),
    "after": (0, 1, 1, 3),
}
FROM_EITHER_END: dict[tuple[str, str], tuple[int | None, ...]] = {
    ("slice", "axis"): (0, 0, 1, 1, 2, -1),
    ("roll", "shift"): (0, 1, 2, -1, -3),
    ("slice", "start"): (0, 0, 1, 2, -2, -3),
    ("slice", "stop"): (2, 4, 5, -1, -1, -2, None),
}

GROWING = ("exp",)
"""Layers whose results may pass what single precision holds, where several follow each other."""
KEEPING = (
    *(kind for kind in layers.ACTIVATIONS if kind not in ("glu", *GROWING)),
    *(*layers.NORMS, "rms_norm", "l2_norm", "local_response_norm"),
    *("scale", "shift", "dropout", "stochastic_depth", "shake_drop"),
)
"""Layers that keep every shape they take."""
REARRANGING = ("shuffle_channels", "reduce", "reduce", "learned", "learned", "slice", "slice", "slice")
ANYWHERE = (*KEEPING, *GROWING, *REARRANGING, "glu", "glu", "flatten", "pad_channels", "pad_channels")
ON_ROWS = (*("linear",) * 12, *("channel_conv",) * 2)
ON_MAPS = (
    *("conv",) * 12,
    *("conv_transpose",) * 4,
    *("max_pool", "avg_pool") * 3,
    *("adaptive_avg_pool", "adaptive_max_pool") * 2,
    *("global_avg_pool", "global_max_pool", *("upsample",) * 4, "roll", "pad", "pad"),
    *("tokens", "transpose", *("space_to_depth", "depth_to_space") * 2),
)
