"""Writes bodies and structure nodes at random."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from tests.differential.block_writer import BlockWriter
from tests.differential.layers import Shape
from tests.differential.reading import Body
from tests.differential.writer import CHANNELS, MOST_DEPTH, Scope

MOST_POSITIONS = 100
"""The largest number of positions that attend to each other."""

Step = Callable[[Shape, Scope], Body]

SCALINGS = ("none", "sqrt_half", "skip_init", "stable", "fixup", "fixup")


class BodyWriter(BlockWriter):
    """Writes bodies; each node has been tried where it stands."""

    def body(self, shape: Shape, scope: Scope, most: int = 3, least: int = 0) -> tuple[Body, Shape]:
        nodes: Body = []
        for _ in range(self.number(least, most)):
            more, shape = self.step(shape, scope)
            nodes += more
        return nodes, shape

    def step(self, shape: Shape, scope: Scope) -> tuple[Body, Shape]:
        """A node, or a few that belong together, and the shape behind them."""
        known = [dict(home.get("blocks", {})) for home in self.homes()]
        for _ in range(4):
            nodes = self.propose(shape, scope)
            found = self.attempt(nodes, shape, scope)
            if found is not None:
                return nodes, found
            self.take_back_blocks(known)
        return ["relu"], shape

    def propose(self, shape: Shape, scope: Scope) -> Body:
        if scope.depth >= MOST_DEPTH or self.chance(45):
            return [self.any_layer(shape, scope)] if self.chance(60) else [self.keeping_layer(shape, scope)]
        kinds: list[Step] = [self.residual, self.residual, self.residual, self.dense, self.branches, self.branches]
        kinds += [
            self.gate,
            self.repeat,
            self.repeat,
            self.each,
            self.when,
            self.detour,
            self.labels,
            self.parts,
            self.call,
        ]
        kinds += [self.call, self.encoder_decoder, self.fitted, self.fitted] if len(shape) > 1 else [self.call]
        kinds += [self.parts]
        kinds += [self.attention] if len(shape) > 1 and math.prod(shape[1:]) <= MOST_POSITIONS else []
        kinds += [self.deformed] if len(shape) == 3 else []
        kinds += [self.handed] if scope.bodies else []
        return self.one(*kinds)(shape, scope)

    def keeping(self, shape: Shape, scope: Scope, most: int = 2) -> Body:
        """A body whose result has the shape of its input."""
        nodes: Body = []
        for _ in range(self.number(0, most)):
            for _ in range(4):
                simple = scope.depth >= MOST_DEPTH or self.chance(75)
                more = [self.keeping_layer(shape, scope)] if simple else self.propose(shape, scope)
                trial = Scope(scope.names, dict(scope.taps), scope.bodies, scope.depth, scope.closed)
                if self.attempt(more, shape, trial) == shape:
                    scope.taps.update(trial.taps)
                    nodes += more
                    break
        return nodes

    def reach(self, shape: Shape, target: Shape, scope: Scope) -> Body | None:
        """A body from one shape to another."""
        if shape == target:
            return self.keeping(shape, scope)
        ways: list[Body] = [[self.layer("linear", target, scope, out=target[0])]] if len(target) == 1 else []
        ways += [["flatten", *ways[0]]] if len(target) == 1 < len(shape) else []
        if len(shape) == len(target) > 1:
            out = self.whole(target[0], scope, shape[0])
            ways += [[{"pad_channels": out}], [{"conv": {"out": out, "kernel": 1}}], [{"conv": out}]]
            for stride in (2, 3):
                ways += [[{"conv": {"out": out, "kernel": size, "stride": stride}}] for size in (1, 3)]
                ways += [[{"max_pool": stride}, {"conv": {"out": out, "kernel": 1}}]]
                ways += [[{"upsample": stride}, {"conv": {"out": out, "kernel": 1}}]]
                ways += [[{"conv_transpose": {"out": out, "kernel": stride, "stride": stride}}]]
            ways += [[{"conv": {"out": out, "padding": 0}}], ["global_avg_pool", {"conv": {"out": out, "kernel": 1}}]]
        self.random.shuffle(ways)
        return next((way for way in ways if self.attempt(way, shape, scope) == target), None)

    # Residuals and merges

    def residual(self, shape: Shape, scope: Scope) -> Body:
        inner = scope.inside()
        keep = self.chance(60)
        body = self.keeping(shape, inner, 3) if keep else self.body(shape, inner, 3, 1)[0]
        result = self.attempt(body, shape, inner) or shape
        fields: dict[str, Any] = {"body": body}
        fields |= {"scale": self.real(self.one(0.5, 1.0, 0.25), scope)} if self.chance(20) else {}
        fields |= {"survival": self.real(self.one(0.5, 0.9, 1.0), scope)} if self.chance(30) else {}
        fields |= {"decay": self.one("constant", "linear")} if self.chance(30) else {}
        fields |= {"drop": self.one("sample", "batch", "shake")} if self.chance(30) else {}
        fields |= {"scaling": self.one(*SCALINGS)} if self.chance(40) else {}
        if result != shape or self.chance(30):
            outer = scope.inside(out_channels=result[0])
            way = self.reach(shape, result, outer)
            fields |= {} if way is None else {self.one("project", "shortcut"): way}
        return [{"residual": fields}]

    def dense(self, shape: Shape, scope: Scope) -> Body:
        loop, names = self.loop(scope)
        growth = self.whole(self.number(1, 4), scope)
        last = {"linear": growth} if len(shape) == 1 else {"conv": {"out": growth, "kernel": self.one(1, 3)}}
        return [{"dense": {**loop, "body": [*self.keeping(shape, scope.inside(**names), 1), last]}}]

    def branches(self, shape: Shape, scope: Scope) -> Body:
        word = self.one("add", "sub", "concat", "mul", "max", "min", "shake")
        extra = {"draw": self.one("sample", "batch")} if word == "shake" and self.chance(40) else {}
        if self.chance(30):
            loop, names = self.loop(scope, least=1)
            body = self.body(shape, scope.inside(**names), 2)[0]
            return [{word: {**loop, **extra, "body": body}}]
        inner = scope.inside()
        first, target = self.body(shape, inner, 2)
        ways = [first]
        for _ in range(self.number(0, 2)):
            wanted = (self.one(*CHANNELS), *target[1:]) if word == "concat" and len(target) > 1 else target
            other = self.from_tap(wanted, inner) or self.reach(shape, wanted, inner)
            ways += [copy.deepcopy(first)] if other is None else [other]
        self.random.shuffle(ways)
        extra |= {"fit": self.one("error", "crop", "pad", "resize")} if self.chance(20) else {}
        return [{word: {"branches": ways, **extra}}] if extra or self.chance(20) else [{word: ways}]

    def from_tap(self, wanted: Shape, scope: Scope) -> Body | None:
        known = [name for name, there in scope.taps.items() if there == wanted]
        return [{"from": self.one(*known)}] if known and self.chance(50) else None

    def gate(self, shape: Shape, scope: Scope) -> Body:
        """A factor that is repeated along an axis."""
        squeeze: Body = [self.one("sigmoid", "hard_sigmoid", "tanh")]
        if len(shape) > 1:
            out = self.one("in_channels", 1)
            mixed = {"conv": {"out": out, "kernel": 1}}
            squeeze = ["global_avg_pool", mixed, *squeeze] if self.chance(70) else [{"conv": 1}, *squeeze]
        ways: list[Body] = [[], squeeze]
        if self.chance(30):
            return [{self.one("add", "sub", "max", "min"): {"branches": ways, "fit": "repeat"}}]
        if self.chance(10) and len(shape) > 1:
            joined = [[], [*squeeze, *([{"conv": shape[0]}] if self.chance(50) else [])]]
            return [{"concat": {"branches": joined, "fit": "repeat"}}, {"conv": {"out": shape[0], "kernel": 1}}]
        if squeeze[-1] != "tanh" and self.chance(20):  # which may be near zero
            return [{"div": {"branches": [[], [*squeeze, {"shift": 0.5}]], "fit": "repeat"}}]
        return [{"mul": ways if self.chance(80) else ways[::-1]}]

    def fitted(self, shape: Shape, scope: Scope) -> Body:
        """Maps of unequal extents, cut or padded to one."""
        word, inner = self.one("add", "concat", "mul", "shake", "max"), scope.inside()
        out = shape[0] if word != "concat" else self.one(*CHANNELS)
        kernel = self.one(1, 2, 3, 3, 5)
        other: Body = [{"conv": {"out": out, "kernel": kernel, "padding": self.one(0, 0, 1, 3)}}]
        ways: list[Body] = [self.keeping(shape, inner, 1), other]
        ways += [[{"conv": {"out": out, "kernel": self.one(3, 5), "padding": 0}}]] if self.chance(30) else []
        self.random.shuffle(ways)
        return [{word: {"branches": ways, "fit": self.one("crop", "pad", "resize")}}]

    # Loops and conditions

    def loop(self, scope: Scope, least: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of a loop, and its names with their values in the first turn."""
        label = self.one("i", "i", self.fresh("turn"))
        naming = {} if label == "i" else {"as": label}
        if self.chance(60):
            return {"n": self.whole(self.number(least, 3), scope), **naming}, {label: 0}
        count = self.number(max(least, 1), 3)
        columns = {self.fresh("k"): [self.one(1, 2, 3, 4, 8) for _ in range(count)] for _ in range(self.number(1, 2))}
        names = {key: column[0] for key, column in columns.items()}
        written = {key: self.listed(column, scope) for key, column in columns.items()}
        return {"each": written, **naming}, {label: 0, **names}

    def repeat(self, shape: Shape, scope: Scope) -> Body:
        loop, names = self.loop(scope)
        inner = scope.inside(**names)
        body = self.keeping(shape, inner) if self.chance(60) else self.body(shape, inner, 2, 1)[0]
        if scope.depth < 1 and not scope.closed and self.chance(15):
            body.append({"output": f"{self.fresh('side')}_{{{next(iter(names))}}}"})
        if self.chance(15):
            body.append({"tap": f"{self.fresh('turn')}_{{{next(iter(names))}}}"})
        return [{"repeat": {**loop, "body": body}}]

    def each(self, shape: Shape, scope: Scope) -> Body:
        """A loop over lists, whose body uses what they give."""
        known = [there for there in scope.names.values() if isinstance(there, list) and len(there) < 4]
        widths = [self.one(*CHANNELS) for _ in range(self.number(1, 3))]
        if known and self.chance(50):
            widths = self.one(*known)
        key = self.fresh("width")
        if not all(type(width) is int for width in widths):
            widths = [4, 2]
        out = self.one(key, key, f"{key} + i", f"max({key}, in_channels)")
        last = {"linear": {"out": out}} if len(shape) == 1 else {"conv": {"out": out, "kernel": self.one(1, 3)}}
        body = [*self.keeping(shape, scope.inside(i=0, **{key: widths[0]}), 1), last]
        return [{"repeat": {"each": {key: self.listed(list(widths), scope)}, "body": body}}]

    def when(self, shape: Shape, scope: Scope) -> Body:
        value = self.chance(60)
        test: Any = self.one(value, self.boolean(value, scope), int(value))
        taken = self.body(shape, scope.inside(), 2)[0]
        fields = {"test": test, "then": taken if value else self.body(shape, scope.inside(), 1)[0]}
        other = self.body(shape, scope.inside(), 1)[0] if value else taken
        return [{"when": fields | ({"else": other} if other or not value else {})}]

    # Taps

    def detour(self, shape: Shape, scope: Scope) -> Body:
        name = self.fresh("tap")
        inner = scope.inside()
        inner.taps[name] = shape
        away = self.body(shape, inner, 2)[0]
        back = self.one(*inner.taps) if self.chance(30) else name
        written = back.replace("1", "{3 - 2}", 1) if self.chance(20) else back
        if self.chance(15) and len(shape) > 1 and min(shape[1:]) > 1:
            pooled = (shape[0], *(extent // 2 for extent in shape[1:]))
            inner.taps[name] = pooled
            return [{"max_pool": 2}, {"tap": name}, *self.keeping(pooled, inner, 2), {"max_unpool": name}]
        if self.chance(25):
            mode, corners = self.one(("nearest", "half"), ("linear", "half"), ("linear", "aligned"), ("cubic", "half"))
            how = {} if self.chance(30) else {"mode": mode, "corners": corners}
            if self.chance(30) and len(shape) > 1:
                return [
                    {"tap": name},
                    "tokens",
                    *self.keeping((shape[0], math.prod(shape[1:])), inner, 1),
                    {"map": name},
                ]
            return [{"tap": name}, *away, {"resize": {"like": written, **how}}]
        return [{"tap": name}, *away, {"from": written}]

    def attention(self, shape: Shape, scope: Scope) -> Body:
        """Query, key and value by bodies that keep the extents, perhaps with keys of a coarser map."""
        heads = self.one(1, 1, 2, 3)
        out = heads * self.one(1, 2, 4)
        fields: dict[str, Any] = {"heads": self.whole(heads, scope)} if heads > 1 or self.chance(20) else {}
        fields |= {word: [{"conv": {"out": out, "kernel": 1}}] for word in ("query", "key", "value")}
        if self.chance(20):
            fields |= {word: ["max_pool", *fields[word]] for word in ("key", "value")}
        fields |= {"causal": self.boolean(True, scope)} if self.chance(30) else {}
        fields |= {"similarity": "cosine"} if self.chance(20) else {}
        fields |= {"scale": self.real(self.one(0.25, 0.5), scope)} if self.chance(20) else {}
        fields |= {"bias": "relative"} if self.chance(30) and not self.document.get("sizes") else {}
        fields |= {"bias": "none"} if self.chance(10) else {}
        return [{"attend": fields}]

    def deformed(self, shape: Shape, scope: Scope) -> Body:
        """A convolution whose taps are moved, and perhaps weighed, by what convolutions with its windows give."""
        channels, size = shape[0], self.one(1, 2, 3)
        parts = self.one(*(n for n in range(1, channels + 1) if channels % n == 0))
        window: dict[str, Any] = {"kernel": size, "stride": self.one(1, 1, 2), "padding": self.one(0, 1, "causal")}
        fields: dict[str, Any] = {"out": channels, **window}
        fields |= {"offset_groups": self.whole(parts, scope, channels)} if parts > 1 or self.chance(20) else {}
        fields |= {"groups": channels} if self.chance(20) else {}
        fields |= {"dilation": 1} if self.chance(20) else {}
        for name in ("bias", "weight_norm", "init", "gain"):
            fields |= {name: self.field_value("conv", name, shape, scope)} if self.chance(20) else {}
        fields["offset"] = [{"conv": {"out": 2 * parts * size**2, **window, "bias": True}}]
        fields |= {"mask": [{"conv": {"out": parts * size**2, **window}}, "sigmoid"]} if self.chance(60) else {}
        return [{"deform_conv": fields}]

    def parts(self, shape: Shape, scope: Scope) -> Body:
        """A split, and a concatenation of its parts along that axis, or another body behind it."""
        if self.document.get("sizes") and len(shape) == 1:  # what follows a size is not split
            return ["relu"]
        axis = 0 if self.document.get("sizes") else self.number(0, len(shape) - 1)
        count = self.number(1, min(3, shape[axis]))
        labels = [self.fresh("part") for _ in range(count)]
        fields: dict[str, Any] = {"taps": labels}
        if shape[axis] % count or self.chance(40):
            rest = shape[axis] - count + 1
            fields["sizes"] = [self.whole(size, scope, shape[0]) for size in [1] * (count - 1) + [rest]]
        if axis or self.chance(20):
            fields["axis"] = self.one(axis, axis - len(shape))
        ways: list[Body] = [[{"from": label}] for label in labels]
        self.random.shuffle(ways)
        joined = {"branches": ways, "axis": self.one(axis, axis - len(shape))} if axis else ways
        return [{"split": fields if len(fields) > 1 else labels}, *([{"concat": joined}] if self.chance(70) else [])]

    def labels(self, shape: Shape, scope: Scope) -> Body:
        if scope.depth == 0 and not scope.closed and self.chance(40):
            return [{"output": self.fresh("side")}]
        label = self.one(self.fresh("tap"), *(name for name in scope.taps if "." not in name))
        if label in self.document.get("inputs", {}):
            label = self.fresh("tap")
        return [{"tap": {"label": label} if self.chance(20) else label}]

    # Encoder and decoder

    def encoder_decoder(self, shape: Shape, scope: Scope) -> Body:
        merge = self.one("concat", "concat", "concat", "add", "mul", "sub", "max")
        levels = self.number(0, 2)
        fields: dict[str, Any] = {"n": self.whole(levels, scope)} | ({"merge": merge} if self.chance(90) else {})
        width: Any = shape[0]
        names: dict[str, Any] = {"i": 0}
        if self.chance(50) and levels:
            widths = [shape[0] if merge != "concat" else self.one(*CHANNELS) for _ in range(levels)]
            fields = {"each": {"width": widths}, "merge": merge}
            names, width = {"i": 0, "width": widths[0]}, "width"
        inner = scope.inside(**names)
        fields |= {"encoder": self.keeping(shape, inner, 1)} if self.chance(50) else {}
        fields |= {"skip": self.keeping(shape, inner, 1)} if self.chance(40) else {}
        size = self.one(2, 2, 3)
        fields["down"] = [self.one({"max_pool": size}, {"avg_pool": {"kernel": size, "ceil": True}})]
        fields |= {"bottom": self.keeping(shape, scope.inside(), 1)} if self.chance(60) else {}
        transposed = {"conv_transpose": {"out": width, "kernel": size, "stride": size}}
        fields["up"] = [transposed] if merge == "concat" or self.chance(40) else [{"upsample": size}]
        fields |= {"decoder": [{"conv": {"out": width, "kernel": 1}}]} if self.chance(60) else {}
        fields |= {"fit": self.one("error", "crop", "pad")} if self.chance(50) else {}
        fields |= {"order": self.one("skip_first", "up_first")} if self.chance(40) else {}
        if "skip" not in fields and self.chance(30):
            fields["skip"] = [
                {"mul": [[], [{"from": "up"}, "global_avg_pool", {"conv": {"out": 1, "kernel": 1}}, "sigmoid"]]}
            ]
        return [{"encoder_decoder": fields}]
