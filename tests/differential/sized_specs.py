"""Small specs at random whose extents meet: merges that crop or pad, pools, transposed convolutions, several sizes, and
vectors as long as their maps."""

from __future__ import annotations

import random
from typing import Any

LARGEST = 40
"""Of an input's extents."""


class Maker:
    """One random spec."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.inputs: dict[str, list[Any]] = {}

    def make(self) -> dict[str, Any]:
        axes = self.one(1, 1, 2)
        self.inputs["x"] = [2, *"HW"[:axes]]
        if self.chance.random() < 0.4:
            self.inputs["y"] = [2, *(self.one("H", "W", "V", self.chance.randint(1, LARGEST)) for _ in range(axes))]
        network: list[Any] = []
        for _ in range(self.one(1, 2, 3, 4)):
            network += [self.make_node(0), *([{"conv": {"out": 2, "kernel": 1}}] if self.chance.random() < 0.6 else [])]
        letters = sorted({entry for entries in self.inputs.values() for entry in entries if isinstance(entry, str)})
        sizes = {letter: self.chance.randint(1, LARGEST) for letter in letters}
        return {"archspec": 1, "inputs": self.inputs, "sizes": sizes, "network": network + self.make_head()}

    def one(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def make_head(self) -> list[Any]:
        none: list[Any] = []
        return self.one(
            *[none] * 8,
            ["flatten", {"linear": 3}],
            ["flatten", {"pad_channels": self.chance.randint(10, 100)}],
            ["flatten", {"group_norm": {"groups": self.one(2, 3, 4), "affine": False}}],
            ["flatten", {"concat": [[], ["relu"]]}],
        )

    def make_node(self, depth: int) -> Any:
        layers = [self.make_conv, self.make_pool, self.make_pool, self.make_up]
        plain: list[Any] = [lambda: "relu", lambda: "global_avg_pool"]
        inner = [lambda: {"residual": {"body": self.make_body(depth + 1)}}, *[lambda: self.make_merge(depth)] * 5]
        return self.one(*layers, *plain, *(inner if depth < 2 else []))()

    def make_body(self, depth: int) -> list[Any]:
        return [self.make_node(depth) for _ in range(self.one(0, 1, 1, 2))]

    def make_conv(self) -> Any:
        edges = {"kernel": self.one(1, 2, 3, 4, 5), "stride": self.one(1, 1, 2, 3), "dilation": self.one(1, 1, 2)}
        return {"conv": {"out": 2, **edges, "padding": self.one(0, 0, 1, 2, 9)}}

    def make_pool(self) -> Any:
        edges = {"kernel": self.one(2, 3, 4), "stride": self.one(1, 2, 3, 4), "padding": self.one(0, 0, 1)}
        return {self.one("max_pool", "avg_pool"): {**edges, "ceil": self.one(True, False)}}

    def make_up(self) -> Any:
        edges = {"kernel": self.one(1, 2, 3), "stride": self.one(1, 2, 3), "padding": self.one(0, 0, 1)}
        return self.one({"upsample": self.one(1, 2, 3, "3 / 2", "1 / 2")}, {"conv_transpose": {"out": 2, **edges}})

    def make_merge(self, depth: int) -> Any:
        branches = [self.make_body(depth + 1) for _ in range(self.one(2, 2, 3))]
        if self.chance.random() < 0.3:
            branches[-1] = [{"from": self.one(*self.inputs)}, *branches[-1]]
        fit = self.one("error", "crop", "crop", "pad", "resize")
        return {self.one("add", "concat", "mul"): {"branches": branches, "fit": fit}}
