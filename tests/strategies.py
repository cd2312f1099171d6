"""Documents at random, as plain data: `specs()` are valid, `broken()` are valid ones with something done to them.

Networks are small (at most 16 channels, extents of at most 32), so that torch and ONNX Runtime run them in no time;
between them they use every layer and every structure node.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archspec.ops import LAYERS, Shape
from archspec.spec.text import to_yaml

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
class _Scope:
    """What the writer of a body may refer to."""

    numbers: Mapping[str, int]
    """Names of whole numbers with their values."""
    taps: dict[str, Shape] = field(default_factory=dict)
    blocks: bool = True
    depth: int = 0

    def inside(self) -> _Scope:
        return replace(self, depth=self.depth + 1)

    def aside(self) -> _Scope:
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


class _Writer:
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

    def value(self, number: int, scope: _Scope) -> Any:
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

    def layer(self, kind: str, shape: Shape, scope: _Scope, **fields: Any) -> tuple[Any, Shape]:
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

    def body(self, shape: Shape, scope: _Scope, most: int = 4) -> tuple[Body, Shape]:
        """Up to `most` nodes of any kind."""
        nodes: Body = []
        for _ in range(self.number(0, most)):
            more, shape = self.step(shape, scope)
            nodes += more
        return nodes, shape

    def step(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        """One node, or a few that belong together."""
        kinds: list[Callable[[Shape, _Scope], tuple[Body, Shape]]] = [self.keeping_step, self.changing_layer]
        if scope.depth < 2:
            kinds += [self.widening_residual, self.dense, self.concat, self.loop_over_widths, self.condition]
            kinds += [self.crop, self.encoder_decoder] if shape.rank else []
            kinds += [self.call] if scope.blocks else []
        return self.one(*kinds)(shape, scope)

    def keeping(self, shape: Shape, scope: _Scope, most: int = 3) -> Body:
        """A body whose result has the shape of its input."""
        return [node for _ in range(self.number(0, most)) for node in self.keeping_step(shape, scope)[0]]

    def keeping_step(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        kinds: list[Callable[[Shape, _Scope], Body]] = [self.activation, self.normalization, self.mixing_layer]
        if scope.depth < 2:
            kinds += [self.residual, self.repeat, self.add, self.gate, self.detour]
        return self.one(*kinds)(shape, scope), shape

    # Layers

    def activation(self, shape: Shape, scope: _Scope) -> Body:
        return [self.one(*ACTIVATIONS)]

    def normalization(self, shape: Shape, scope: _Scope) -> Body:
        groups = self.one(*(n for n in range(1, shape.channels + 1) if shape.channels % n == 0))
        kinds: list[tuple[str, dict[str, Any]]] = [("batch_norm", {}), ("batch_norm", {"eps": 0.001, "momentum": 0.2})]
        kinds += [("ghost_batch_norm", {"size": 2}), ("batch_renorm", {"r_max": 2, "start": 0.5})]
        if shape.elements > groups:  # torch refuses to normalize a single value
            kinds += [("layer_norm", {}), ("layer_norm", {"over": "channels"}), ("group_norm", {"groups": groups})]
        if min(shape.space, default=1) > 1:
            kinds += [("instance_norm", {}), ("instance_norm", {"affine": True})]
        kind, fields = self.one(*kinds)
        return [self.layer(kind, shape, scope, **fields)[0]]

    def mixing_layer(self, shape: Shape, scope: _Scope) -> Body:
        return [self.mixing(shape, scope, shape.channels)[0]]

    def mixing(self, shape: Shape, scope: _Scope, out: int) -> tuple[Any, Shape]:
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

    def changing_layer(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        node, result = self.one(*self.changing_layers(shape))(shape, scope)
        return [node], result

    def changing_layers(self, shape: Shape) -> list[Callable[[Shape, _Scope], tuple[Any, Shape]]]:
        layers: list[Callable[[Shape, _Scope], tuple[Any, Shape]]] = [
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

    def strided_conv(self, shape: Shape, scope: _Scope) -> tuple[Any, Shape]:
        kernel, stride = self.one(1, 2, 3, 4), self.one(1, 2, 3)
        padding = self.number(0, kernel // 2)
        return self.layer("conv", shape, scope, out=self.channels(), kernel=kernel, stride=stride, padding=padding)

    def pool(self, shape: Shape, scope: _Scope) -> tuple[Any, Shape]:
        kernel = self.one(1, 2, 3, 4)
        fields: dict[str, Any] = {"kernel": kernel}
        fields |= {"stride": self.one(1, 2, 3)} if self.chance(50) else {}
        fields |= {"padding": self.number(0, kernel // 2)} if self.chance(40) else {}
        fields |= {"ceil": True} if self.chance(30) else {}
        return self.layer(self.one("max_pool", "avg_pool"), shape, scope, **fields)

    def upsample(self, shape: Shape, scope: _Scope) -> tuple[Any, Shape]:
        return self.layer("upsample", shape, scope, scale=2, **self.one({}, {"mode": "nearest"}, {"mode": "linear"}))

    def conv_transpose(self, shape: Shape, scope: _Scope) -> tuple[Any, Shape]:
        kernel, padding, more = self.one((2, 0, 0), (3, 1, 1), (4, 1, 0))
        out = self.channels()
        groups = {"groups": self.common_divisor(shape.channels, out)} if self.chance(30) else {}
        options = {"padding": padding, "output_padding": more} if padding else {}
        return self.layer("conv_transpose", shape, scope, out=out, kernel=kernel, stride=2, **options, **groups)

    # Structure that keeps the shape

    def residual(self, shape: Shape, scope: _Scope) -> Body:
        fields: dict[str, Any] = {"body": self.keeping(shape, scope.inside())}
        fields |= {"scale": self.one(0.5, 1, "1 / 4")} if self.chance(20) else {}
        fields |= {"survival": self.one(0.5, 1, "9 / 10")} if self.chance(20) else {}
        fields |= {"decay": "linear", "drop": self.one("sample", "batch", "shake")} if self.chance(20) else {}
        fields |= {"scaling": self.one("sqrt_half", "skip_init", "stable", "fixup")} if self.chance(30) else {}
        fields |= {"shortcut": self.keeping(shape, scope.inside(), 1)} if self.chance(25) else {}
        fields |= {"project": ["relu"]} if "shortcut" not in fields and self.chance(25) else {}
        return [{"residual": fields}]

    def repeat(self, shape: Shape, scope: _Scope) -> Body:
        index = self.one("i", "turn")
        loop = {"n": self.value(self.number(0, 3), scope)} if self.chance(70) else {"each": {"k": [3, 1]}}
        naming = {"as": index} if index != "i" else {}
        return [{"repeat": {**loop, **naming, "body": self.keeping(shape, scope.aside(), 2)}}]

    def add(self, shape: Shape, scope: _Scope) -> Body:
        word = self.one("add", "shake")
        if self.chance(30):
            return [{word: {"n": self.number(1, 3), "as": "branch", "body": self.keeping(shape, scope.aside(), 2)}}]
        branches = [self.keeping(shape, scope.inside(), 2) for _ in range(self.number(1, 3))]
        return [{word: branches} if self.chance(80) else {word: {"branches": branches, "fit": "crop"}}]

    def gate(self, shape: Shape, scope: _Scope) -> Body:
        squeeze = ["global_avg_pool", {"conv": {"out": "in_channels", "kernel": 1}}] if shape.rank else []
        return [{"mul": [[], [*squeeze, self.one("sigmoid", "hard_sigmoid", "tanh")]]}]

    def detour(self, shape: Shape, scope: _Scope) -> Body:
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

    def widening_residual(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
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

    def dense(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        turns, growth = self.number(0, 3), self.number(1, 3)
        layer: Any = {"conv": growth} if shape.rank else {"linear": {"out": growth}}
        node = {"dense": {"n": self.value(turns, scope), "body": [self.one(*ACTIVATIONS), layer]}}
        return [node], Shape(shape.channels + turns * growth, *shape.space)

    def concat(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        first, result = self.mixing(shape, scope, self.channels())
        branches: Body = [[first, *self.keeping(result, scope.inside(), 1)], []]
        channels = result.channels + shape.channels
        for tap, there in scope.taps.items():
            if there.space == shape.space and self.chance(50):
                branches.append([{"from": tap}])
                channels += there.channels
        return [{"concat": branches}], Shape(channels, *shape.space)

    def crop(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        if min(shape.space) < 3:
            return [], shape
        node, result = self.layer("conv", shape, scope, out=shape.channels, kernel=3, padding=0)
        word = self.one("add", "concat", "mul")
        channels = 2 * shape.channels if word == "concat" else shape.channels
        fit = self.one("crop", "pad")
        space = result.space if fit == "crop" else shape.space
        return [{word: {"branches": [[], [node]], "fit": fit}}], Shape(channels, *space)

    def loop_over_widths(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        widths = [self.channels() for _ in range(self.number(1, 3))]
        body: Body = [{"conv": {"out": "width", "kernel": 1}}] if shape.rank else [{"linear": "width"}]
        return [{"repeat": {"each": {"width": widths}, "body": body}}], Shape(widths[-1], *shape.space)

    def condition(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
        name, known = self.one(*scope.numbers.items())
        limit = self.number(0, 12)
        then, after_then = self.body(shape, scope.inside() if known <= limit else scope.aside(), 2)
        other, after_other = self.body(shape, scope.aside() if known <= limit else scope.inside(), 2)
        fields = {"test": f"{name} <= {limit}", "then": then} | ({"else": other} if other else {})
        return [{"when": fields}], after_then if known <= limit else after_other

    def encoder_decoder(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
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

    def call(self, shape: Shape, scope: _Scope) -> tuple[Body, Shape]:
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


@st.composite
def specs(draw: DrawFn) -> Document:
    """A valid document."""
    writer = _Writer(draw)
    document: Document = {"archspec": 1}
    if writer.chance(30):
        document |= {"name": "sample", "description": draw(descriptions())}
    numbers = {name: writer.number(0, 12) for name in ("a", "width", "on")[: writer.number(1, 3)]}
    document["params"] = {**numbers, "table": [1, 2.5, [True, 3]]}
    dimensions, sizes, shape = draw(_inputs())
    document["inputs"] = {"x": dimensions}
    taps = {"x": shape}
    if writer.chance(25):
        channels = writer.channels()
        document["inputs"]["other"] = [channels, *dimensions[1:]]
        taps["other"] = Shape(channels, *shape.space)
    if sizes:
        document["sizes"] = sizes
    if writer.chance(40):
        document["defaults"] = writer.one(
            {"conv": {"bias": False}},
            {"conv": {"init": "glorot"}, "linear": {"bias": "2 < 1"}},
            {"batch_norm": {"eps": "1 / 1000"}, "residual": {"survival": 0.75}},
            {"add": {"fit": "crop"}, "encoder_decoder": {"fit": "crop"}, "scale": {"trainable": True}},
            {"norm": {"kind": writer.one("ghost_batch", "batch_renorm")}},
            {"norm": {"kind": "none"}, "residual": {"survival": 0.5, "decay": "linear"}},
            {"norm": {"kind": "batch", "eps": 0.01}, "residual": {"scaling": "fixup"}},
        )
    blocks = writer.chance(50)
    if blocks:
        document["blocks"] = json.loads(json.dumps(BLOCKS))
    document["network"] = _network(writer, shape, _Scope(numbers, taps, blocks))
    return document


def _network(writer: _Writer, shape: Shape, scope: _Scope) -> Body:
    network: Body = []
    for _ in range(writer.number(1, 6)):
        more, shape = writer.step(shape, scope)
        network += more
        if writer.chance(10):
            network.append({"output": f"side{writer.outputs}"})
            writer.outputs += 1
        if shape.channels > 4 * CHANNELS:
            node, shape = writer.mixing(shape, scope, CHANNELS)
            network.append(node)
    if "other" in scope.taps and writer.chance(60):
        network += [{"tap": "last"}, {"from": "other"}, *writer.keeping(scope.taps["other"], scope, 1)]
    head = writer.one([], ["flatten", {"linear": 3}], ["global_avg_pool", "flatten", {"linear": 3}])
    network += head if shape.rank and shape.elements <= 2048 and "last" not in str(network) else []
    if writer.outputs:
        network.append({"output": "main"})
    return network


@st.composite
def _inputs(draw: DrawFn) -> tuple[list[Any], dict[str, int], Shape]:
    """An input's entries, the values of its dynamic sizes, and its shape."""
    rank = draw(st.sampled_from([0, 1, 2, 2, 2, 3]))
    channels = draw(st.integers(1, CHANNELS))
    sizes: dict[str, int] = {}
    entries: list[Any] = []
    extents: list[int] = []
    for letter in "DHW"[:rank] if rank > 1 else "L"[:rank]:
        extent = draw(st.integers(1, EXTENT[rank]) | st.sampled_from([4, 8, EXTENT[rank]]))
        dynamic = draw(st.booleans())
        entries.append(letter if dynamic else extent)
        extents.append(extent)
        sizes |= {letter: extent} if dynamic else {}
    return [draw(st.sampled_from([channels, f"2 * {channels} / 2"])), *entries], sizes, Shape(channels, *extents)


def descriptions() -> SearchStrategy[str]:
    """Any text that YAML and JSON can hold, in one line or several."""
    return st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs"]) | st.sampled_from("\n\t\"'\\:#-{}"),
        max_size=20,
    )


def as_json(document: Any, *, indent: int | str | None = None, ascii_only: bool = True) -> str:
    return json.dumps(document, indent=indent, ensure_ascii=ascii_only)


# What is broken

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 2.5, 7, 1e-5, 1e30, 10**9, 2**31, 2**63, 10**40, -(10**40)),
    *("", " ", "x", "nope", "relu", "conv", "none", "same", "1 +", "1 // 0", "2 ** 9", "in_channels", "out_channels"),
    *("9" * 100, "a" * 300, "{i}", "{x", "on", "true", "\x1b[2J", "x\ny", "é", "../x", "/", "\0", "block", "int = 1"),
    *([], {}, [[]], [{}], [None], [1, 2], ["relu"], {"relu": None}, {"body": []}, {"n": 3}, [["relu"], []]),
    *({"tap": "t"}, {"from": "t"}, {"output": "output"}, {"output": "x"}, {"conv": {"out": 3, "kernel": 2}}),
    *({"repeat": {"n": 10**9, "body": []}}, {"ext": "thing"}, {"ext": {"use": "thing", "a": "1 +"}}),
)


@st.composite
def broken(draw: DrawFn, documents: SearchStrategy[Document] | None = None) -> tuple[str, bytes]:
    """A file's name and bytes: a valid document to which one to three things were done."""
    data: Any = json.loads(json.dumps(draw(documents or specs())))
    for _ in range(draw(st.integers(1, 3))):
        data = _damage(draw, data)
    as_text, name = draw(st.sampled_from([(to_yaml, "spec.yaml"), (as_json, "spec.json")]))
    raw = as_text(data).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        raw = _damage_bytes(draw, raw)
    return name, raw


def _damage(draw: DrawFn, data: Any) -> Any:
    parts = [data.get("network"), data.get("network"), data.get("blocks")] if isinstance(data, dict) else []
    places = list(_places(draw(st.sampled_from([*(part for part in parts if part), data]))))
    if not places:
        return _junk(draw)
    container, key = places[draw(st.integers(0, len(places) - 1))]
    junk = _junk(draw)
    deed = draw(st.sampled_from(["drop", "replace", "replace", "rename", "insert", "swap"]))
    if deed == "drop":
        del container[key]
    elif deed == "replace":
        container[key] = junk
    elif deed == "swap":
        other, place = places[draw(st.integers(0, len(places) - 1))]
        if not _holds(container[key], other) and not _holds(other[place], container):
            container[key], other[place] = other[place], container[key]
    elif isinstance(container, list):
        container.insert(key, junk)
    elif deed == "rename":
        container[draw(st.sampled_from([key + "s", key[:-1], key.upper(), key[::-1], "name", "body", "out"]))] = (
            container.pop(key)
        )
    else:
        container[
            draw(st.sampled_from(["name", "out", "bias", "n", "each", "as", "fit", "x", "extends", "import", "let"]))
        ] = junk
    return data


def _junk(draw: DrawFn) -> Any:
    return deepcopy(draw(st.sampled_from(JUNK)))


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield data, key
        yield from _places(value)


def _holds(data: Any, part: Any) -> bool:
    return data is part or any(container is part for container, _ in _places(data))


def _damage_bytes(draw: DrawFn, raw: bytes) -> bytes:
    start = draw(st.integers(0, len(raw)))
    stop = draw(st.integers(start, min(len(raw), start + 10)))
    pieces = [
        b"",
        b"\xff",
        b"\0",
        b"[",
        b"}",
        b": ",
        b"\n",
        b"\t",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!python/name:os ",
        b"%",
        b"'",
        b'"',
        b"- ",
    ]
    return raw[:start] + draw(st.sampled_from(pieces) | st.binary(max_size=4)) + raw[stop:]
