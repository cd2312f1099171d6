"""Bodies of networks at random: each node fits the shape of the value that it meets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from archspec.ops import LAYERS, Shape

T = TypeVar("T")
Document = dict[str, Any]
Body = list[Any]

CHANNELS = 16
EXTENT = {1: 32, 2: 32, 3: 8}
"""The largest extent of a spatial axis, by the number of such axes."""

MODERATE = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
"""The settings of tests that use these strategies, to be completed: `@settings(MODERATE, max_examples=100)`."""

ACTIVATIONS: tuple[Any, ...] = (
    *("relu", "relu6", "silu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus", "softmax", "gelu"),
    *({"gelu": {"approximate": "tanh"}}, {"leaky_relu": 0.2}, {"leaky_relu": "1 / 8"}, {"elu": 0.5}, "elu"),
    *("prelu", {"prelu": 0.1}, {"dropout": 0.3}, {"scale": 0.5}, {"scale": {"value": 2, "trainable": True}}),
    *({"stochastic_depth": 0.75}, {"stochastic_depth": {"survival": 0.5, "rescale": True}}, {"shake_drop": 0.25}),
    *({"shift": 0.5}, {"shift": {"value": -1, "trainable": True, "per": "channel"}}, "norm"),
    *({"scale": {"value": 0.1, "trainable": True, "per": "channel"}}, {"norm": {"start": 0.5}}),
)


@dataclass(frozen=True)
class Scope:
    """What the writer of a body may refer to."""

    numbers: Mapping[str, int]
    """Names of whole numbers with their values."""
    taps: dict[str, Shape] = field(default_factory=dict)
    blocks: bool = True
    depth: int = 0

    def inside(self) -> Scope:
        return replace(self, depth=self.depth + 1)

    def aside(self) -> Scope:
        """For a body that may not run: what it taps is not known later."""
        return replace(self, taps=dict(self.taps), depth=self.depth + 1)


BLOCKS: Document = {
    "plain": {
        "args": {"width": "int", "act": "block = none", "rate": "float = 0.25", "drop": "bool = true"},
        "let": {"half": "max(1, width // 2)"},
        "body": [
            {"conv": {"out": "half", "kernel": 1}},
            "act",
            {"conv": {"out": "width", "kernel": 3, "name": "last"}},
            {"when": {"test": "drop and rate > 0", "then": [{"dropout": "rate"}]}},
        ],
    },
    "wide": {
        "args": {"width": "int"},
        "let": {"channels": "in_channels"},
        "body": [{"linear": "width"}, "relu", {"linear": {"out": "channels", "bias": False}}],
    },
    "around": {
        "args": {"inner": "block", "n": "int = 1"},
        "body": [{"repeat": {"n": "n", "as": "turn", "body": [{"residual": {"body": ["inner"]}}]}}],
    },
    "chain": {
        "args": {"widths": "list"},
        "body": [
            {"tap": "start"},
            {"repeat": {"each": {"width": "widths"}, "body": [{"plain": {"width": "width"}}]}},
            {"concat": [[], [{"from": "start"}]]},
        ],
    },
}
"""The blocks of every document with blocks; each calls another or is handed a body."""


class Writer:
    """Writes bodies; it follows the shape of the value, so that what it writes is valid."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.outputs = 0
        self.names = 0

    def one(self, *choices: T) -> T:
        return self.draw(st.sampled_from(choices))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def value(self, number: int, scope: Scope) -> Any:
        """A whole number, or an expression of this value."""
        forms: list[Any] = [
            number,
            number,
            f"{2 * number} / 2",
            f"{3 * number + 1} // 3",
            f"max({number}, 0)",
            float(number),
        ]
        for name, known in scope.numbers.items():
            if known == number:
                forms += [name, f"{name} if {name} > 1 else {number}"]
            elif known < number:
                forms.append(f"{name} + {number - known}")
        return self.one(*forms)

    def layer(self, kind: str, shape: Shape, scope: Scope, **fields: Any) -> tuple[Any, Shape]:
        """A layer with these fields, a number of them as an expression, and the shape of its result."""
        op = LAYERS[kind](**fields)
        written = {
            key: self.value(field, scope) if type(field) is int and self.chance(30) else field
            for key, field in fields.items()
        }
        if self.chance(10):
            self.names += 1
            written["name"] = f"part{self.names}"
        alone = list(written) == [op.main] and self.chance(70)
        return {kind: written[op.main or ""] if alone else written} if written else kind, op.infer(shape)

    def channels(self) -> int:
        return self.one(1, 2, 3, 4, 6, 8, 12, CHANNELS)

    # Bodies

    def body(self, shape: Shape, scope: Scope, most: int = 4) -> tuple[Body, Shape]:
        """Up to `most` nodes of any kind."""
        nodes: Body = []
        for _ in range(self.number(0, most)):
            more, shape = self.step(shape, scope)
            nodes += more
        return nodes, shape

    def step(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        """One node, or a few that belong together."""
        kinds: list[Callable[[Shape, Scope], tuple[Body, Shape]]] = [self.keeping_step, self.changing_layer]
        if scope.depth < 2:
            kinds += [self.widening_residual, self.dense, self.concat, self.loop_over_widths, self.condition]
            kinds += [self.crop, self.encoder_decoder] if shape.rank else []
            kinds += [self.call] if scope.blocks else []
        return self.one(*kinds)(shape, scope)

    def keeping(self, shape: Shape, scope: Scope, most: int = 3) -> Body:
        """A body whose result has the shape of its input."""
        return [node for _ in range(self.number(0, most)) for node in self.keeping_step(shape, scope)[0]]

    def keeping_step(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        kinds: list[Callable[[Shape, Scope], Body]] = [self.activation, self.normalization, self.mixing_layer]
        if scope.depth < 2:
            kinds += [self.residual, self.repeat, self.add, self.gate, self.detour]
        return self.one(*kinds)(shape, scope), shape

    # Layers

    def activation(self, shape: Shape, scope: Scope) -> Body:
        return [self.one(*ACTIVATIONS)]

    def normalization(self, shape: Shape, scope: Scope) -> Body:
        groups = self.one(*(n for n in range(1, shape.channels + 1) if shape.channels % n == 0))
        kinds: list[tuple[str, dict[str, Any]]] = [("batch_norm", {}), ("batch_norm", {"eps": 0.001, "momentum": 0.2})]
        kinds += [("ghost_batch_norm", {"size": 2}), ("batch_renorm", {"r_max": 2, "start": 0.5})]
        if shape.elements > groups:  # torch refuses to normalize a single value
            kinds += [("layer_norm", {}), ("layer_norm", {"over": "channels"}), ("group_norm", {"groups": groups})]
        if min(shape.space, default=1) > 1:
            kinds += [("instance_norm", {}), ("instance_norm", {"affine": True})]
        kind, fields = self.one(*kinds)
        return [self.layer(kind, shape, scope, **fields)[0]]

    def mixing_layer(self, shape: Shape, scope: Scope) -> Body:
        return [self.mixing(shape, scope, shape.channels)[0]]

    def mixing(self, shape: Shape, scope: Scope, out: int) -> tuple[Any, Shape]:
        """A convolution that keeps the spatial extents, or a fully connected layer."""
        options: dict[str, Any] = {"bias": False} if self.chance(30) else {}
        options |= {"init": self.one("he", "he_fan_out", "glorot", "torch"), "gain": 0.5} if self.chance(20) else {}
        options |= {"weight_norm": True} if self.chance(20) else {}
        if not shape.rank:
            return self.layer("linear", shape, scope, out=out, **options)
        kernel, dilation = self.one(1, 3, 5), self.one(1, 1, 2)
        options |= {"groups": self.common_divisor(shape.channels, out)} if self.chance(30) else {}
        options |= {"dilation": dilation} if dilation > 1 else {}
        options |= {"padding": self.one("same", dilation * (kernel // 2))} if self.chance(30) else {}
        return self.layer("conv", shape, scope, out=out, kernel=kernel, **options)

    def common_divisor(self, a: int, b: int) -> int:
        return self.one(*(n for n in range(1, min(a, b) + 1) if a % n == b % n == 0))

    def changing_layer(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        node, result = self.one(*self.changing_layers(shape))(shape, scope)
        return [node], result

    def changing_layers(self, shape: Shape) -> list[Callable[[Shape, Scope], tuple[Any, Shape]]]:
        layers: list[Callable[[Shape, Scope], tuple[Any, Shape]]] = [
            lambda shape, scope: self.mixing(shape, scope, self.channels()),
            lambda shape, scope: self.layer("pad_channels", shape, scope, out=max(shape.channels, CHANNELS)),
        ]
        if not shape.rank:
            return layers
        if shape.elements <= 2048:
            layers.append(lambda shape, scope: self.layer("flatten", shape, scope))
        layers.append(lambda shape, scope: self.layer(self.one("global_avg_pool", "global_max_pool"), shape, scope))
        if 2 * max(shape.space) <= EXTENT[shape.rank]:
            layers += [self.upsample, self.conv_transpose]
        if min(shape.space) >= 4:
            layers += [self.strided_conv, self.pool]
        return layers

    def strided_conv(self, shape: Shape, scope: Scope) -> tuple[Any, Shape]:
        kernel, stride = self.one(1, 2, 3, 4), self.one(1, 2, 3)
        padding = self.number(0, kernel // 2)
        return self.layer("conv", shape, scope, out=self.channels(), kernel=kernel, stride=stride, padding=padding)

    def pool(self, shape: Shape, scope: Scope) -> tuple[Any, Shape]:
        kernel = self.one(1, 2, 3, 4)
        fields: dict[str, Any] = {"kernel": kernel}
        fields |= {"stride": self.one(1, 2, 3)} if self.chance(50) else {}
        fields |= {"padding": self.number(0, kernel // 2)} if self.chance(40) else {}
        fields |= {"ceil": True} if self.chance(30) else {}
        return self.layer(self.one("max_pool", "avg_pool"), shape, scope, **fields)

    def upsample(self, shape: Shape, scope: Scope) -> tuple[Any, Shape]:
        return self.layer("upsample", shape, scope, scale=2, **self.one({}, {"mode": "nearest"}, {"mode": "linear"}))

    def conv_transpose(self, shape: Shape, scope: Scope) -> tuple[Any, Shape]:
        kernel, padding, more = self.one((2, 0, 0), (3, 1, 1), (4, 1, 0))
        out = self.channels()
        groups = {"groups": self.common_divisor(shape.channels, out)} if self.chance(30) else {}
        options = {"padding": padding, "output_padding": more} if padding else {}
        return self.layer("conv_transpose", shape, scope, out=out, kernel=kernel, stride=2, **options, **groups)

    # Structure that keeps the shape

    def residual(self, shape: Shape, scope: Scope) -> Body:
        fields: dict[str, Any] = {"body": self.keeping(shape, scope.inside())}
        fields |= {"scale": self.one(0.5, 1, "1 / 4")} if self.chance(20) else {}
        fields |= {"survival": self.one(0.5, 1, "9 / 10")} if self.chance(20) else {}
        fields |= {"decay": "linear", "drop": self.one("sample", "batch", "shake")} if self.chance(20) else {}
        fields |= {"scaling": self.one("sqrt_half", "skip_init", "stable", "fixup")} if self.chance(30) else {}
        fields |= {"shortcut": self.keeping(shape, scope.inside(), 1)} if self.chance(25) else {}
        fields |= {"project": ["relu"]} if "shortcut" not in fields and self.chance(25) else {}
        return [{"residual": fields}]

    def repeat(self, shape: Shape, scope: Scope) -> Body:
        index = self.one("i", "turn")
        loop = {"n": self.value(self.number(0, 3), scope)} if self.chance(70) else {"each": {"k": [3, 1]}}
        naming = {"as": index} if index != "i" else {}
        return [{"repeat": {**loop, **naming, "body": self.keeping(shape, scope.aside(), 2)}}]

    def add(self, shape: Shape, scope: Scope) -> Body:
        word = self.one("add", "shake")
        if self.chance(30):
            return [{word: {"n": self.number(1, 3), "as": "branch", "body": self.keeping(shape, scope.aside(), 2)}}]
        branches = [self.keeping(shape, scope.inside(), 2) for _ in range(self.number(1, 3))]
        return [{word: branches} if self.chance(80) else {word: {"branches": branches, "fit": "crop"}}]

    def gate(self, shape: Shape, scope: Scope) -> Body:
        squeeze = ["global_avg_pool", {"conv": {"out": "in_channels", "kernel": 1}}] if shape.rank else []
        return [{"mul": [[], [*squeeze, self.one("sigmoid", "hard_sigmoid", "tanh")]]}]

    def detour(self, shape: Shape, scope: Scope) -> Body:
        """A tap, something else, and the way back."""
        name = f"tap{len(scope.taps)}"
        scope.taps[name] = shape
        detour, _ = self.body(shape, scope.inside(), 2)
        known = [tap for tap, there in scope.taps.items() if there == shape]
        back = self.one(*known)
        if back.endswith("0") and self.chance(30):
            back = f"{back[:-1]}{{3 - 3}}"
        return [{"tap": name}, *detour, {"from": back}]

    # Structure that changes it

    def widening_residual(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        out = self.channels()
        if not shape.rank:
            body, result = self.mixing(shape, scope, out)
            return [{"residual": {"body": [body, "relu"], "project": [{"linear": "out_channels"}]}}], result
        stride = self.one(1, 2)
        body, result = self.layer("conv", shape, scope, out=out, kernel=3, stride=stride)
        project: Body = [{"conv": {"out": "out_channels", "kernel": 1, "stride": stride}}]
        if stride == 1 and out >= shape.channels and self.chance(40):
            project = [{"pad_channels": "out_channels"}]
        return [{"residual": {"body": [body, "batch_norm"], self.one("project", "shortcut"): project}}], result

    def dense(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        turns, growth = self.number(0, 3), self.number(1, 3)
        layer: Any = {"conv": growth} if shape.rank else {"linear": {"out": growth}}
        node = {"dense": {"n": self.value(turns, scope), "body": [self.one(*ACTIVATIONS), layer]}}
        return [node], Shape(shape.channels + turns * growth, *shape.space)

    def concat(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        first, result = self.mixing(shape, scope, self.channels())
        branches: Body = [[first, *self.keeping(result, scope.inside(), 1)], []]
        channels = result.channels + shape.channels
        for tap, there in scope.taps.items():
            if there.space == shape.space and self.chance(50):
                branches.append([{"from": tap}])
                channels += there.channels
        return [{"concat": branches}], Shape(channels, *shape.space)

    def crop(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        if min(shape.space) < 3:
            return [], shape
        node, result = self.layer("conv", shape, scope, out=shape.channels, kernel=3, padding=0)
        word = self.one("add", "concat", "mul")
        channels = 2 * shape.channels if word == "concat" else shape.channels
        fit = self.one("crop", "pad")
        space = result.space if fit == "crop" else shape.space
        return [{word: {"branches": [[], [node]], "fit": fit}}], Shape(channels, *space)

    def loop_over_widths(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        widths = [self.channels() for _ in range(self.number(1, 3))]
        body: Body = [{"conv": {"out": "width", "kernel": 1}}] if shape.rank else [{"linear": "width"}]
        return [{"repeat": {"each": {"width": widths}, "body": body}}], Shape(widths[-1], *shape.space)

    def condition(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        name, known = self.one(*scope.numbers.items())
        limit = self.number(0, 12)
        then, after_then = self.body(shape, scope.inside() if known <= limit else scope.aside(), 2)
        other, after_other = self.body(shape, scope.aside() if known <= limit else scope.inside(), 2)
        fields = {"test": f"{name} <= {limit}", "then": then} | ({"else": other} if other else {})
        return [{"when": fields}], after_then if known <= limit else after_other

    def encoder_decoder(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        levels = self.number(0, 2)
        if any(size % 2**levels for size in shape.space):
            return [], shape
        if self.chance(50):
            fields: dict[str, Any] = {"n": levels, "merge": self.one("add", "mul", "concat")}
            fields |= {"encoder": self.keeping(shape, scope.aside(), 1)} if self.chance(50) else {}
            fields |= {"skip": self.keeping(shape, scope.aside(), 1)} if self.chance(50) else {}
            fields |= {"down": [{"max_pool": 2}], "up": [{"upsample": 2}]}
            fields |= {"bottom": ["relu"]} if self.chance(50) else {}
            channels = shape.channels * (levels + 1 if fields["merge"] == "concat" else 1)
            return [{"encoder_decoder": fields}], Shape(channels, *shape.space)
        widths = [self.channels() for _ in range(levels)]
        fields = {
            "each": {"width": widths},
            "encoder": [{"conv": "width"}, "relu"],
            "down": [
                self.one({"avg_pool": 2}, {"conv": {"out": "in_channels", "kernel": 2, "stride": 2, "padding": 0}})
            ],
            "bottom": [{"conv": 4}],
            "up": [{"conv_transpose": "width"}],
            "decoder": [{"conv": {"out": "width", "kernel": 1}}],
            "fit": self.one("error", "crop", "pad"),
        }
        return [{"encoder_decoder": fields}], Shape(widths[0] if widths else 4, *shape.space)

    def call(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        if self.chance(40):
            inner = self.keeping(shape, scope.aside(), 2)
            turns = {"n": self.value(self.number(0, 2), scope)} if self.chance(50) else {}
            return [{"around": {"inner": inner, **turns}}], shape
        if not shape.rank:
            return [{"wide": {"width": self.value(self.channels(), scope)}}], shape
        if self.chance(50):
            widths = [self.channels() for _ in range(self.number(1, 2))]
            return [{"chain": {"widths": widths}}], Shape(widths[-1] + shape.channels, *shape.space)
        width = self.channels()
        more: dict[str, Any] = self.one(
            {}, {"act": ["relu"]}, {"drop": False}, {"rate": 0}, {"rate": 0.5, "act": "none"}
        )
        name = {"name": f"stage{self.number(0, 10**6)}"} if self.chance(20) else {}
        return [{"plain": {"width": self.value(width, scope), **more, **name}}], Shape(width, *shape.space)
