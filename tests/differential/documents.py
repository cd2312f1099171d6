"""Whole documents at random: a main one and those that it imports or extends."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.differential.expressions import name_values
from tests.differential.interpreter import interpret
from tests.differential.layers import RefusedError, Shape
from tests.differential.network import Network
from tests.differential.reading import Document, resolve
from tests.differential.structure import SCALINGS, BodyWriter
from tests.differential.writer import CHANNELS, MOST_CHANNELS, Scope

EXTENT = {1: 24, 2: 12, 3: 5}
"""The largest extent of a spatial axis, by the number of such axes."""
MOST_OPERATIONS = 90
CHARACTERS = "abc 019\n\t\"'\\:#-{}[],&*!|>%@`~=é×漢😀\u00a0"
"""Of a description: what YAML, JSON or a careless writer of either might trip over."""


@dataclass
class Spec:
    """A document with the files beside it, by the names with which it imports or extends them."""

    document: Document
    files: dict[str, Document] = field(default_factory=dict)

    def interpret(self, sizes: dict[str, int] | None = None) -> Network:
        return interpret(self.document, sizes, self.files)


def write_spec(random: Random) -> Spec:
    """A spec that the interpreter takes."""
    return DocumentWriter(random).spec()


def write_document(random: Random) -> Document:
    """A document that needs no other file."""
    return DocumentWriter(random).write().document


class DocumentWriter(BodyWriter):
    """Writes one document."""

    def spec(self) -> Spec:
        """With libraries, and as a variant, where chance says so."""
        return self.vary(self.write(libraries=self.chance(25), integers=True))

    def write(self, *, libraries: bool = False, integers: bool = False) -> Spec:
        self.parameters()
        shape, inputs = self.inputs()
        if self.chance(50):
            self.document["defaults"] = self.defaults()
        if libraries:
            self.libraries()
        scope = Scope(name_values(self.document), inputs)
        network: list[Any] = []
        self.document["network"] = network
        for _ in range(self.number(1, 6)):
            known = [dict(home.get("blocks", {})) for home in self.homes()]
            more, found = self.step(shape, scope)
            network += more
            if self.fits():
                shape = found
                continue
            del network[len(network) - len(more) :]
            self.take_back_blocks(known)
        self.head(shape, network)
        if integers and self.chance(15):
            self.look_up(network, scope)
        return Spec(self.document, self.files)

    def look_up(self, network: list[Any], scope: Scope) -> None:
        """Rows that another input names, of the extents of the first, and what a layer makes of them."""
        first = next(iter(self.document["inputs"].values()))
        self.document["inputs"]["ids"] = {"shape": [1, *first[1:]], "type": "int"}
        out = self.one(*CHANNELS)
        fields: dict[str, Any] = {"rows": self.whole(self.number(1, 9), scope), "out": self.whole(out, scope)}
        fields |= {"std": self.real(self.one(0.5, 1.0), scope)} if self.chance(40) else {}
        fields |= {"trainable": self.flag(self.chance(50), scope)} if self.chance(40) else {}
        network += [{"output": "whole"}, {"from": "ids"}, {"embedding": fields}, self.keeping_layer((out,), scope)]
        network += [{"output": "rows"}]
        if not self.fits():
            del network[-2]

    def fits(self) -> bool:
        try:
            return len(Spec(self.document, self.files).interpret().operations) <= MOST_OPERATIONS
        except RefusedError:
            return False

    def head(self, shape: Shape, network: list[Any]) -> None:
        heads: tuple[list[Any], ...] = (
            [],
            [],
            ["flatten", {"linear": 3}],
            ["global_avg_pool", "flatten", {"linear": 3}],
            [{"output": "main"}],
        )
        more = self.one(*heads)
        network += more
        if more and not self.fits():
            del network[len(network) - len(more) :]

    def parameters(self) -> None:
        params: dict[str, Any] = {"a": self.one(*CHANNELS)}
        params |= {"width": self.one(*CHANNELS)} if self.chance(60) else {}
        params |= {"on": self.chance(50)} if self.chance(50) else {}
        params |= {"rate": self.one(0.25, 0.5, 0.9)} if self.chance(40) else {}
        params |= {"widths": [self.one(*CHANNELS) for _ in range(self.number(1, 3))]} if self.chance(50) else {}
        params |= {"table": [[1, 2], [3, True]]} if self.chance(20) else {}
        params |= {"twice": "2 * a", "pair": ["a", "twice // 2"]} if self.chance(30) else {}
        self.document["params"] = params
        if self.chance(30):
            self.document["let"] = {
                "more": self.one("a + 1", "[a, 2][0]", "sum([a, 2])", "2 ** 2"),
                "few": ["a", "more"][:],
            }
        if self.chance(20):
            text = "".join(self.random.choices(CHARACTERS, k=self.number(0, 20)))
            self.document |= {"name": "sample", "description": text, "source": "nobody"}

    def inputs(self) -> tuple[Shape, dict[str, Shape]]:
        rank = self.one(0, 1, 1, 2, 2, 2, 3)
        letters = self.random.sample("HWDLN", rank)
        sizes: dict[str, int] = {}
        found: dict[str, Shape] = {}
        entries: dict[str, list[Any]] = {}
        scope = Scope(name_values(self.document))
        extents = [self.number(1, EXTENT[rank]) if self.chance(30) else self.one(4, 8, EXTENT[rank]) for _ in letters]
        extents = [min(extent, EXTENT[rank]) for extent in extents]
        axes: list[Any] = []
        for letter, extent in zip(letters, extents, strict=True):
            dynamic = self.chance(50)
            sizes |= {letter: extent} if dynamic else {}
            axes.append(letter if dynamic else self.whole(extent, scope))
        if rank > 1 and self.chance(20) and axes[0] in sizes and extents[0] == extents[1]:
            sizes.pop(axes[1], None)
            axes[1] = axes[0]  # one letter for two axes
        for name in ("x", "y", "mask")[: self.one(1, 1, 1, 2, 3)]:
            channels = self.one(*CHANNELS)
            entries[name] = [self.whole(channels, scope), *axes]
            found[name] = (channels, *extents)
        self.document["inputs"] = entries
        used = {axis for axis in axes if axis in sizes}
        if used:
            self.document["sizes"] = {letter: size for letter, size in sizes.items() if letter in used}
        return next(iter(found.values())), found

    def defaults(self) -> dict[str, Any]:
        choices: list[dict[str, Any]] = [
            {"conv": {"bias": False}},
            {"conv": {"init": "glorot", "kernel": self.one(1, 3)}, "linear": {"bias": "2 < 1"}},
            {"conv": {"out": self.one("a", 4)}, "linear": {"out": "in_channels"}},
            {"batch_norm": {"eps": "1 / 1000"}, "max_pool": {"ceil": True}},
            {"residual": {"survival": 0.75, "decay": self.one("linear", "constant")}},
            {"residual": {"scaling": self.one(*SCALINGS), "scale": self.one(0.5, "1 / in_channels")}},
            {"residual": {"drop": self.one("batch", "shake", "sample"), "survival": 0.5}},
            {"add": {"fit": "crop"}, "encoder_decoder": {"fit": "crop", "merge": "add"}},
            {"concat": {"fit": "pad"}, "mul": {"fit": "pad"}, "shake": {"fit": "pad", "draw": "batch"}},
            {"scale": {"trainable": True, "per": "channel"}, "shift": {"trainable": True}},
            {"stochastic_depth": {"rescale": True, "draw": "batch"}, "shake_drop": {"draw": "batch"}},
            {"norm": {"kind": self.one("ghost_batch", "batch_renorm", "layer", "none", "weight", "instance")}},
            {"norm": {"kind": "group", "groups": self.one("in_channels", 1)}},
            {"activation": {"kind": self.one("mish", "hard_swish", "none")}},
            {"norm": {"eps": 0.01, "start": 0.5}, "group_norm": {"groups": 1}},
            {
                "prelu": {"start": 0.1},
                "leaky_relu": {"slope": 0.3},
                "elu": {"alpha": 0.5},
                "gelu": {"approximate": "tanh"},
            },
        ]
        first, second = self.random.sample(choices, 2)
        return {**first, **second} if self.chance(40) else first

    def libraries(self) -> None:
        """Files that the blocks to come may be written to; one may pass on another."""
        self.document["import"] = ["blocks/mine"]
        self.files["blocks/mine"] = {"archspec": 1, "blocks": {}}
        if self.chance(40):
            self.files["blocks/inner"] = {"archspec": 1, "blocks": {}}
            self.files["blocks/mine"]["import"] = ["inner"]  # beside it
        for library in self.files.values():
            library |= {"defaults": self.block_defaults()} if self.chance(40) else {}

    def vary(self, spec: Spec) -> Spec:
        """A variant of the document, where chance says so and the interpreter takes it; perhaps one of that in turn."""
        if not self.chance(12):
            return spec
        base = self.fresh("base")
        variant: Document = {"archspec": 1, "extends": base}
        known = resolve(spec.document, spec.files)
        plain = {key: value for key, value in known["params"].items() if key not in ("twice", "pair")}
        params = {key: value for key, value in plain.items() if self.chance(50)}
        variant |= {"params": {key: self.other(value) for key, value in params.items()}} if params else {}
        if "sizes" in known and self.chance(50):
            variant["sizes"] = {key: value + self.one(0, 1, 2) for key, value in known["sizes"].items()}
        if self.chance(50):
            variant["defaults"] = self.defaults()
        found = Spec(variant, {**spec.files, base: spec.document})
        try:
            network = found.interpret()
        except RefusedError:
            return spec
        sizes = [max(operation.shape) for operation in network.operations.values()]
        small = max(sizes) <= 64 * MOST_CHANNELS and len(network.operations) <= MOST_OPERATIONS
        return self.vary(found) if small else spec

    def other(self, value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, list):
            return [4, 2] if self.chance(50) else value
        return self.one(*CHANNELS) if isinstance(value, int) else 0.75
