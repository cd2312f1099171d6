"""An interpreter of docs/language.md, with nothing of the program: from a document as data to a flat network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from tests.differential import layers, shapes
from tests.differential.adding import run_residual
from tests.differential.around import Around
from tests.differential.attending import run_attend
from tests.differential.calls import call_block
from tests.differential.deforming import run_deform_conv
from tests.differential.expressions import evaluate, evaluate_field, expand, name_values
from tests.differential.layers import RefusedError, Shape, require
from tests.differential.network import Network, Operation
from tests.differential.reading import (
    MERGES,
    NORM_KINDS,
    STRUCTURE,
    STRUCTURE_FIELDS,
    Body,
    Document,
    check_literals,
    is_letter,
    lay_over,
    overlay,
    read_node,
    reads,
    resolve,
)
from tests.differential.splitting import run_split
from tests.differential.unpooling import run_max_unpool

MANY_RESIDUALS = 10**6
"""In a walk that counts them."""
OTHER_SIZES = range(1, 65)
"""Of which one shows that a body changes the shape, if any does."""
LARGEST_NETWORK = 400
"""Operations; a generator that asks for more is told so."""


def interpret(
    document: Document,
    sizes: Mapping[str, int] | None = None,
    files: Mapping[str, Document] | None = None,
) -> Network:
    """The network of a document. Raises RefusedError where it is none."""
    files = files or {}
    for written in (document, *files.values()):
        check_literals(written)
    whole, sizes = resolve(document, files), sizes or {}
    projected: frozenset[str] = frozenset()
    while True:
        walk = Interpreter(whole, sizes, files, projected=projected).run()
        undecided = walk.equal - projected
        more = find_changing(whole, files, projected) & undecided if undecided else set()
        if not more:
            break
        projected |= more
    if not walk.met:
        return walk.network
    return Interpreter(whole, sizes, files, residuals=walk.met, projected=projected).run().network


def find_changing(document: Document, files: Mapping[str, Document], projected: frozenset[str]) -> set[str]:
    """The residuals whose bodies change the shape at some value of a dynamic size at which what is before them fits."""
    changing: set[str] = set()
    for letter in document.get("sizes", {}):
        for size in OTHER_SIZES:
            walk = Interpreter(document, {letter: size}, files, projected=projected)
            with suppress(RefusedError):  # what comes before counts
                walk.run()
            changing |= walk.changing
    return changing


class Interpreter:
    """One walk through a document."""

    def __init__(
        self,
        document: Document,
        sizes: Mapping[str, int],
        files: Mapping[str, Document],
        *,
        residuals: int = MANY_RESIDUALS,
        projected: frozenset[str] = frozenset(),
    ) -> None:
        self.document = document
        self.sizes = {**document.get("sizes", {}), **sizes}
        self.defaults: Mapping[str, Any] = document.get("defaults", {})
        if self.defaults.get("norm", {}).get("kind") == "weight":
            usual = {kind: {"weight_norm": True} for kind in layers.KERNELS}
            self.defaults = lay_over({"defaults": usual}, document)
        self.params: Mapping[str, Any] = name_values(document)
        self.residuals = residuals
        self.projected = projected
        """Residuals that are known to need their projection at other sizes."""
        self.equal: set[str] = set()
        self.changing: set[str] = set()
        """Those that were met with a projection, whose bodies keep the shape at these sizes, or change it."""
        self.met = 0
        self.network = Network()
        self.blocks: dict[str, tuple[Document, Mapping[str, Any]]] = {
            name: (block, block.get("defaults", {})) for name, block in document.get("blocks", {}).items()
        }
        for name in document.get("import", []):
            self.take_blocks(name, files)

    def take_blocks(self, path: str, files: Mapping[str, Document]) -> None:
        """The blocks of a library with its defaults, which hold where theirs say nothing."""
        library = files[path]
        for name in library.get("import", []):
            self.take_blocks(str(PurePosixPath(path).parent / name), files)
        for name, block in library.get("blocks", {}).items():
            self.blocks[name] = (block, lay_over(library, block))

    def run(self) -> Interpreter:
        for name, entries in self.document["inputs"].items():
            if isinstance(entries, dict):
                self.network.integers |= {name} if entries["type"] == "int" else set()
                entries = entries["shape"]
            extents = [self.extent(entry) for entry in entries]
            self.network.letters[name] = tuple(
                entry if is_letter(entry) else extent for entry, extent in zip(entries, extents, strict=True)
            )
            self.network.operations[name] = Operation(name, "input", {}, (), tuple(extents))
        first, *_ = self.document["inputs"]
        last = self.run_body(self.document["network"], first, self.outermost())
        if not self.network.outputs:
            self.network.outputs["output"] = last
        require(self.network.integers.isdisjoint(self.network.outputs.values()), "whole numbers are no output")
        return self

    def outermost(self) -> Around:
        return Around(dict(self.params), {name: name for name in self.document["inputs"]})

    def extent(self, entry: Any) -> int:
        value = self.sizes[entry] if is_letter(entry) else evaluate(entry, self.params)
        return int(layers.whole(1, 1).take(value))

    # Bodies

    def run_body(self, body: Body, value: str, around: Around) -> str:
        ordinals: Counter[str] = Counter()
        taken: set[str] = set() if around.path else set(self.document["inputs"])
        for node in body:
            word, fields = read_node(node, around.bodies, self.blocks)
            given = fields.pop("name", None)
            name = given or f"{word}_{ordinals[word]}"
            ordinals[word] += given is None
            require(name not in taken, f"two nodes are called {name}")
            taken.add(name)
            value = self.run_node(word, fields, value, name, around)
            if given is None:  # what an unnamed call gives is read by nobody
                for label in [label for label in around.taps if label.startswith(f"{name}.")]:
                    del around.taps[label]
        return value

    def run_node(self, word: str, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        if word in layers.FIELDS:
            return self.layer(word, fields, value, name, around)
        if word in MERGES:
            return self.branches(word, fields, value, around.inside(name))
        if word in STRUCTURE or word in ("norm", "activation"):
            return str(getattr(self, f"run_{word}")(fields, value, name, around))
        return call_block(self, word, fields, value, name, around)

    def shape(self, value: str) -> Shape:
        return self.network.operations[value].shape

    def names(self, around: Around, value: str) -> dict[str, Any]:
        return {**around.names, "in_channels": self.shape(value)[0]}

    def settings(self, word: str, around: Around) -> dict[str, Any]:
        return overlay(around.defaults.get(word, {}), self.defaults.get(word, {}))

    # Operations

    def put(self, name: str, kind: str, fields: Mapping[str, Any], inputs: list[str], shape: Shape) -> str:
        require(name not in self.network.operations, f"two operations are called {name}")
        require(len(self.network.operations) < LARGEST_NETWORK, "too many operations")
        operation = Operation(name, kind, dict(fields), tuple(inputs), shape)
        whole = [operand in self.network.integers for operand in operation.data_inputs]
        require(all(whole) if kind == "embedding" else not any(whole), "whole numbers name rows and nothing else")
        self.network.operations[name] = operation
        return name

    def put_layer(self, kind: str, given: Mapping[str, Any], value: str, name: str) -> str:
        fields = layers.complete(kind, given)
        result = shapes.infer(kind, fields, self.shape(value))
        if kind == "slice":
            fields["axis"] %= len(result)  # counted from 0, whichever way it is written
        return self.put(name, kind, fields, [value], result)

    def layer(self, kind: str, given: Mapping[str, Any], value: str, name: str, around: Around) -> str:
        """A layer that is written as a node, with the biases that FixUp puts before it."""
        path = around.inside(name).path
        if around.fixup is not None and kind in layers.BIASED_BY_FIXUP:
            value = self.put_layer("shift", {"trainable": True}, value, f"{path}_bias")
            around.fixup.extend([path] if kind in layers.KERNELS else [])
        return self.put_written(kind, given, value, path, around)

    def put_written(self, kind: str, given: Mapping[str, Any], value: str, path: str, around: Around) -> str:
        """A layer with the defaults of its kind and the values of its expressions."""
        merged = {**self.settings(kind, around), **given}
        fields = {key: evaluate_field(key, written, self.names(around, value)) for key, written in merged.items()}
        return self.put_layer(kind, fields, value, path)

    def run_norm(self, given: dict[str, Any], value: str, name: str, around: Around) -> str:
        fields = overlay({"kind": "batch", **self.settings("norm", around)}, given)
        kind = fields.pop("kind", "batch")
        if kind not in NORM_KINDS:
            require(set(fields) <= {"affine", "start", "eps"}, f"norm of kind {kind} has other fields")
            require(kind == "none" or self.defaults.get("norm", {}).get("kind") == "weight", "weight is for all")
            return value
        return self.layer(NORM_KINDS[kind], fields, value, name, around)

    def run_activation(self, given: dict[str, Any], value: str, name: str, around: Around) -> str:
        fields = overlay({"kind": "relu", **self.settings("activation", around)}, given)
        kind = fields.pop("kind")
        if kind == "none":
            require(not fields, "none has fields")
            return value
        require(set(fields) <= set(layers.FIELDS[kind]), f"activation of kind {kind} has other fields")
        return self.layer(kind, fields, value, name, around)

    def merge(self, word: str, values: list[str], fit: str, draw: str | None, path: str) -> str:
        if len(values) == 1:
            return values[0]
        if fit == "resize" and len({len(self.shape(value)) for value in values}) == 1:
            first, how = values[0], {**STRUCTURE_FIELDS["resize"], "mode": "linear"}
            others = [
                self.resize(value, first, how, f"{path}.resize{i}") for i, value in enumerate(values[1:], start=1)
            ]
            values = [first, *others]
        repeats = fit == "repeat" and word not in ("concat", "shake")
        fits = fit in ("crop", "pad", "repeat") and not repeats
        if fits and len({self.shape(value)[1:] for value in values}) > 1:
            kind = {"crop": "crop", "pad": "pad_space", "repeat": "repeat_space"}[fit]
            fitted = []
            for i, value in enumerate(values):
                operands = [value, *(other for j, other in enumerate(values) if j != i)]
                shape = shapes.merge(kind, [self.shape(operand) for operand in operands])
                changed = shape != self.shape(value)
                fitted.append(self.put(f"{path}.{fit}{i}", kind, {}, operands, shape) if changed else value)
            values = fitted
        fields: dict[str, Any] = {} if draw is None else {"draw": draw}
        shape = shapes.merge(word, list(map(self.shape, values)), repeat=repeats)
        return self.put(f"{path}.{word}", word, fields, values, shape)

    def branches(self, word: str, fields: dict[str, Any], value: str, inside: Around) -> str:
        settings = {**STRUCTURE_FIELDS[word], **self.settings(word, inside), **fields}
        if "branches" in fields:
            ways = [(inside.inside(f"branch{i}"), body) for i, body in enumerate(fields["branches"])]
        else:
            ways = [(turn, fields["body"]) for turn in self.turns(fields, value, inside)]
        require(bool(ways), f"{word} needs a branch")
        if word in ("mul", "div"):  # its further factors are gates, no part of FixUp
            ways[1:] = [(replace(turn, fixup=None), body) for turn, body in ways[1:]]
        values = [self.run_body(body, value, turn) for turn, body in ways]
        axis = self.axis(settings, value, inside) if word == "concat" else 0
        if axis:
            require(settings["fit"] == "error", "only channels are fitted")
            if len(values) == 1:
                return values[0]
            shape = shapes.concat_along(axis, list(map(self.shape, values)))
            return self.put(f"{inside.path}.concat", "concat_positions", {"axis": axis}, values, shape)
        return self.merge(word, values, settings["fit"], settings.get("draw"), inside.path)

    def axis(self, fields: Mapping[str, Any], value: str, around: Around) -> int:
        """The axis of a structure node, counted from 0."""
        written = layers.from_either_end(0).take(evaluate(fields["axis"], self.names(around, value))) or 0
        rank = len(self.shape(value))
        require(-rank <= written < rank, "no such axis")
        return int(written % rank)

    def turns(self, fields: dict[str, Any], value: str, inside: Around) -> Iterator[Around]:
        label, names = fields.get("as", "i"), self.names(inside, value)
        if "each" in fields:
            columns = {key: evaluate(written, names) for key, written in fields["each"].items()}
            require(all(isinstance(column, list) for column in columns.values()), "`each` takes lists")
            require(len(set(map(len, columns.values()))) == 1, "the lists of `each` differ in length")
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        else:
            rows = [{}] * int(layers.whole(0, 0).take(evaluate(fields["n"], names)))
        for i, row in enumerate(rows):
            yield inside.inside(f"{label}{i}", **{label: i, **row})

    # Structure

    def run_repeat(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        for turn in self.turns(fields, value, around.inside(name)):
            value = self.run_body(fields["body"], value, turn)
        return value

    def run_dense(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        for turn in self.turns(fields, value, around.inside(name)):
            more = self.run_body(fields["body"], value, turn.inside("body"))
            value = self.merge("concat", [value, more], "error", None, turn.path)
        return value

    def run_encoder_decoder(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        inside = around.inside(name)
        settings = {**STRUCTURE_FIELDS["encoder_decoder"], **self.settings("encoder_decoder", around), **fields}
        levels, gated = [], reads(fields.get("skip", []), "up")
        for turn in list(self.turns(fields, value, inside)):
            value = self.run_body(fields.get("encoder", []), value, turn.inside("encoder"))
            skip = value if gated else self.run_body(fields.get("skip", []), value, turn.inside("skip"))
            value = self.run_body(fields.get("down", []), value, turn.inside("down"))
            levels.append((turn, skip))
        value = self.run_body(fields.get("bottom", []), value, inside.inside("bottom"))
        for turn, skip in reversed(levels):
            value = self.run_body(fields.get("up", []), value, turn.inside("up"))
            if gated:
                seen = {**turn.taps, "up": value}
                skip = self.run_body(fields["skip"], skip, replace(turn.inside("skip"), taps=seen))
            path = turn.inside("merge").path
            ways = [skip, value] if settings["order"] == "skip_first" else [value, skip]
            value = self.merge(settings["merge"], ways, settings["fit"], None, path)
            value = self.run_body(fields.get("decoder", []), value, turn.inside("decoder"))
        return value

    def run_when(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        test = evaluate(fields["test"], self.names(around, value))
        require(not isinstance(test, list), "the test is a list")
        return self.run_body(fields["then"] if test else fields.get("else", []), value, around.inside(name))

    def run_tap(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        around.taps[expand(fields["label"], self.names(around, value))] = value
        return value

    def run_from(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        label = expand(fields["label"], self.names(around, value))
        require(label in around.taps, f"unknown tap {label}")
        return around.taps[label]

    def run_resize(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        how = {**STRUCTURE_FIELDS["resize"], **self.settings("resize", around), **fields}
        label = expand(how.pop("like"), self.names(around, value))
        require(label in around.taps, f"unknown tap {label}")
        how.pop("name", None)
        return self.resize(value, around.taps[label], how, around.inside(name).path)

    def resize(self, value: str, like: str, how: dict[str, Any], path: str) -> str:
        shape = shapes.merge("resize", [self.shape(value), self.shape(like)])
        require(len(shape) > 1, "resize needs a map")
        shapes.check_places(how, shape)
        return value if shape == self.shape(value) else self.put(path, "resize", how, [value, like], shape)

    def run_attend(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        return run_attend(self, fields, value, name, around)

    def run_deform_conv(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        return run_deform_conv(self, fields, value, name, around)

    def run_map(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        label = expand(fields["like"], self.names(around, value))
        require(label in around.taps, f"unknown tap {label}")
        row, like = self.shape(value), self.shape(around.taps[label])
        require(len(row) == 2 and len(like) > 1 and row[1] == math.prod(like[1:]), "no row of so many tokens")
        path = around.inside(name).path
        return self.put(path, "map", {}, [value, around.taps[label]], (row[0], *like[1:]))

    def run_max_unpool(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        return run_max_unpool(self, fields, value, name, around)

    def run_split(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        return run_split(self, fields, value, name, around)

    def run_output(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        label = expand(fields["label"], self.names(around, value))
        require(label not in self.network.outputs and label not in self.document["inputs"], f"two outputs {label}")
        self.network.outputs[label] = value
        return value

    def run_residual(self, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
        return run_residual(self, fields, value, name, around)
