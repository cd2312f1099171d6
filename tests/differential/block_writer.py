"""Writes blocks and their calls at random."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.differential.expressions import name_values
from tests.differential.layers import Shape
from tests.differential.reading import Body, Document
from tests.differential.writer import CHANNELS, Scope, Writer


class BlockWriter(Writer):
    """Writes blocks with arguments of every type, and what calls them."""

    @abstractmethod
    def body(self, shape: Shape, scope: Scope, most: int = 3, least: int = 0) -> tuple[Body, Shape]:
        """A body, and the shape behind it."""

    @abstractmethod
    def keeping(self, shape: Shape, scope: Scope, most: int = 2) -> Body:
        """A body whose result has the shape of its input."""

    def handed(self, shape: Shape, scope: Scope) -> Body:
        """A body that was handed in."""
        name = self.one(*scope.bodies)
        return [{name: {"name": self.fresh("given")}} if self.chance(20) else name]

    def call(self, shape: Shape, scope: Scope) -> Body:
        """A block: one that there is already, or a new one."""
        known = self.known_blocks()
        if known and (self.chance(50) or len(known) > 5):
            name = self.one(*known)
            return [self.call_of(name, known[name], shape, scope)]
        return self.new_block(shape, scope)

    def known_blocks(self) -> dict[str, Any]:
        return {name: block for home in self.homes() for name, block in home.get("blocks", {}).items()}

    def new_block(self, shape: Shape, scope: Scope) -> Body:
        name = self.fresh("block")
        params = name_values(self.document)
        args: dict[str, str] = {}
        names: dict[str, Any] = dict(params)
        bodies: dict[str, tuple[Body, Scope]] = {}
        for _ in range(self.number(0, 3)):
            kind = self.one("int", "int", "float", "bool", "list", "block")
            key = self.fresh({"int": "width", "float": "rate", "bool": "on", "list": "many", "block": "inner"}[kind])
            args[key] = self.argument(kind, names)
            names[key] = {"int": self.one(*CHANNELS), "float": 0.5, "bool": True, "list": [2, 4]}.get(kind, 0)
            if kind == "block":
                del names[key]
                bodies[key] = (self.keeping(shape, scope.inside(), 2), scope)
        block: dict[str, Any] = {"args": args} if args or self.chance(30) else {}
        written = self.arguments(args, names, bodies, scope)
        names = self.with_defaults(args, written, names, shape)
        if self.chance(40):
            local = self.fresh("local")
            block["let"] = {local: self.whole(self.one(*CHANNELS), Scope(names), shape[0])}
            names[local] = self.value_of(block["let"][local], names, shape)
        if self.chance(20):
            block["defaults"] = self.block_defaults()
        inner = Scope(names, {}, bodies, scope.depth + 1, closed=True)
        block["body"] = self.body(shape, inner, 3, 1)[0]
        if self.chance(25) and scope.taps:
            self.join_values(block, written, shape, scope)
        self.place_block(name, block)
        if block.get("gives"):
            call = self.fresh("stage")
            return [{name: {**written, "name": call}}, {"from": f"{call}.{self.one(*block['gives'])}"}]
        return [{name: written} if written or self.chance(30) else name]

    def join_values(self, block: dict[str, Any], written: dict[str, Any], shape: Shape, scope: Scope) -> None:
        """Let a block take a value of its caller's, and give some of its own."""
        argument, tap = self.fresh("other"), self.fresh("tap")
        block["args"] = {**block.get("args", {}), argument: "value"}
        written[argument] = self.one(*scope.taps)
        block["body"] = [{"tap": tap}, *block["body"], {"from": argument}, {"tap": f"{tap}_end"}]
        block["gives"] = [tap, f"{tap}_end"] if self.chance(50) else {"low": tap, "high": f"{tap}_end"}

    def value_of(self, written: Any, names: dict[str, Any], shape: Shape) -> Any:
        from tests.differential.expressions import evaluate

        return evaluate(written, {**names, "in_channels": shape[0]})

    def with_defaults(self, args: dict[str, str], written: dict[str, Any], names: dict[str, Any], shape: Shape) -> Any:
        """The names of a block at its first call, with the defaults of what that call does not give."""
        seen = dict(names)
        for key, declared in args.items():
            kind, _, default = (part.strip() for part in declared.partition("="))
            if kind != "block" and key not in written:
                value = self.value_of(default, seen, shape)
                seen[key] = float(value) if kind == "float" else value
        return seen

    def argument(self, kind: str, names: dict[str, Any]) -> str:
        lists = [name for name, value in names.items() if isinstance(value, list)]
        defaults = {
            "int": (None, "4", "in_channels", "2 * 3", *(n for n, v in names.items() if type(v) is int and 0 < v < 17)),
            "float": (None, "0.5", "1 / 4"),
            "bool": (None, "true", "not true", "2 > 1"),
            "list": (None, *lists),
            "block": (None, "none"),
        }
        chosen = self.one(*defaults[kind])
        return kind if chosen is None else f"{kind} = {chosen}"

    def arguments(
        self, args: dict[str, str], names: dict[str, Any], bodies: dict[str, tuple[Body, Scope]], scope: Scope
    ) -> dict[str, Any]:
        """What the call of a block gives: expressions of these values in the caller's scope."""
        written: dict[str, Any] = {}
        for key, declared in args.items():
            kind = declared.split("=")[0].strip()
            if "=" in declared and self.chance(50):
                if kind == "block":
                    bodies[key] = ([], scope)
                continue
            if kind == "block":
                written[key] = bodies[key][0] or self.one([], "none")
                continue
            if kind == "value":
                written[key] = self.one(*scope.taps) if scope.taps else "nothing"
                continue
            value = names[key]
            plain: dict[str, Callable[[], Any]] = {
                "int": partial(self.whole, value, scope),
                "float": partial(self.real, value, scope),
                "bool": partial(self.flag, value, scope),
                "list": partial(self.listed, value, scope),
            }
            written[key] = plain[kind]()
        return written

    def call_of(self, name: str, block: dict[str, Any], shape: Shape, scope: Scope) -> Any:
        """Another call of a block, with other arguments."""
        args = block.get("args", {})
        names: dict[str, Any] = {}
        bodies: dict[str, tuple[Body, Scope]] = {}
        for key, declared in args.items():
            kind = declared.split("=")[0].strip()
            values = {"int": CHANNELS, "float": (0.25, 0.5), "bool": (True, False), "list": ([2, 4], [3], [1, 2, 3])}
            if kind == "block":
                bodies[key] = (self.keeping(shape, scope.inside(), 1), scope)
            elif kind != "value":
                names[key] = self.one(*values[kind])
        written = self.arguments(args, names, bodies, scope)
        written |= {"name": self.fresh("stage")} if self.chance(15) else {}
        return {name: written} if written else name

    def block_defaults(self) -> dict[str, Any]:
        return self.one(
            {"conv": {"bias": False}},
            {"norm": {"kind": "group", "groups": 1}},
            {"norm": {"eps": 0.01}, "residual": {"scaling": "sqrt_half"}},
            {"conv": {"kernel": 1}, "linear": {"gain": 0.5}},
            {"scale": {"per": "channel"}, "stochastic_depth": {"rescale": True}},
        )

    def place_block(self, name: str, block: dict[str, Any]) -> None:
        """Into the document, or into a library that it imports."""
        home, text = self.one(*self.homes()), json.dumps(block)
        inner = self.files.get("blocks/inner", {}) if home is self.files.get("blocks/mine") else {}
        known = {**home.get("blocks", {}), **inner.get("blocks", {})}
        if any(f'"{other}"' in text for other in self.known_blocks() if other not in known):
            home = self.document  # a library knows no blocks but its own and those that it imports
        home.setdefault("blocks", {})[name] = block

    def homes(self) -> list[Document]:
        """Where blocks stand."""
        return [self.document, *(document for document in self.files.values() if "blocks" in document)]

    def take_back_blocks(self, known: list[dict[str, Any]]) -> None:
        """Leave out the blocks that were written since."""
        for home, blocks in zip(self.homes(), known, strict=True):
            home["blocks"] = dict(blocks)
            if not blocks and home is self.document:
                del home["blocks"]

    def listed(self, column: list[Any], scope: Scope) -> Any:
        known = [name for name, there in scope.names.items() if isinstance(there, list) and there == column]
        if known and self.chance(70):
            return self.one(*known)
        return [self.whole(entry, scope) for entry in column]
