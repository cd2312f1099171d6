"""The values that are known, and the texts that are written, on the boxes of a picture."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from archspec.spec.body import CallNode
from archspec.spec.defaults import merge_defaults
from archspec.spec.expressions import Expression, ExpressionError
from archspec.spec.layers import LayerNode, SpecNode, overlay
from archspec.spec.nodes.flow import Turns
from archspec.spec.spec import Spec
from archspec.wording import write_shape
from compiler.draw.labels import SILENT, is_told
from compiler.draw.theme import KINDS

MAX_LINE = 34
"""The largest number of letters in a label's line that can be broken."""


@dataclass(frozen=True)
class Subject:
    """The subject of one drawing: a block of a spec by name, or its network.

    `values` are arguments to assume, numbers or the bodies that are handed in; calls of the blocks in `open` are drawn
    as what they are made of.
    """

    spec: Spec
    block: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    open: tuple[str, ...] = ()


class KnownValues:
    """The values that are known while a picture is drawn; those of arguments and turns mostly are not. The names in
    `booleans` are known to be booleans."""

    def __init__(self, values: Mapping[str, Any], booleans: Iterable[str] = ()) -> None:
        self.values = dict(values)
        self.booleans = frozenset(booleans)

    def of(self, expression: Any) -> Any:
        """Give the value of a number, list or expression, or None where it is not known."""
        if isinstance(expression, list):
            items = [self.of(item) for item in expression]
            return None if None in items else items
        if not isinstance(expression, Expression):
            return expression
        used = {node.id for node in ast.walk(expression.tree) if isinstance(node, ast.Name)}
        open_ = sorted(self.booleans & used)
        results = [
            self._try(expression, {**self.values, **dict(zip(open_, choice, strict=True))})
            for choice in product((False, True), repeat=len(open_))
        ]
        return results[0] if all(result == results[0] for result in results) else None

    def _try(self, expression: Expression, values: Mapping[str, Any]) -> Any:
        try:
            return expression(values.__getitem__)
        except ExpressionError:
            return None

    def within(self, lets: Mapping[str, Any], unknown: Sequence[str]) -> KnownValues:
        hidden = {*unknown, *lets}
        known = {name: value for name, value in self.values.items() if name not in hidden}
        inner = KnownValues(known, self.booleans - hidden)
        for name, expression in lets.items():
            value = inner.of(expression)
            if value is not None:
                inner.values[name] = value
            elif isinstance(expression, Expression) and isinstance(expression.tree, ast.Compare | ast.BoolOp):
                inner.booleans |= {name}
        return inner


def lookup_of(subject: Subject) -> KnownValues:
    scope = KnownValues(subject.spec.names)
    if subject.block is None:
        return scope
    block = subject.spec.blocks[subject.block]
    inner = scope.within({}, tuple(block.args))
    inner.values |= subject.values
    return inner.within(block.let, ())


class BoxLabels:
    """A writer of the words on boxes."""

    def __init__(self, subject: Subject) -> None:
        spec = subject.spec
        self.scope = lookup_of(subject)
        block = spec.blocks[subject.block] if subject.block else None
        self.defaults = merge_defaults(block.defaults if block else {}, spec.defaults)
        self.rank = len(next(iter(spec.inputs.values()))) - 1
        self.spec = spec

    def settings(self, node: SpecNode) -> dict[str, Any]:
        return overlay(self.defaults.get(node.word, {}), node.given)

    def layer(self, node: LayerNode) -> str:
        """Write a layer: `conv 3×3, 4 * width, /stride`."""
        given = self.settings(node)
        fields = {name: given.get(name, info.default) for name, info in type(node).model_fields.items()}
        if node.word in ("scale", "shift"):
            sign, value = "×" if node.word == "scale" else "+", spelled(fields["value"])
            return f"{sign} learned, from {value}" if fields["trainable"] is True else f"{sign} {value}"
        out = [spelled(fields["out"])] if fields.get("out") is not None else []
        what = self.what(node, fields)
        words = [f"{node.word} {what}", *out] if what else [" ".join([node.word, *out])]
        fields["stride"] = 1 if self.scope.of(fields.get("stride")) == 1 else fields.get("stride")
        usual = (None, 1) if node.word in ("conv", "conv_transpose") else (None, fields.get("kernel"))
        words += [f"/{bound(fields['stride'])}"] if fields["stride"] not in usual else []
        said = {"kernel", "out", "stride", node.main, *(["padding"] if fields.get("kernel") == 1 else [])}
        rest = {name: value for name, value in given.items() if name not in said}
        family = KINDS[node.word]
        words += [
            f"{name} = {spelled(value)}"
            for name, value in rest.items()
            if is_told(name, self.scope.of(value), fields, family)
        ]
        return ", ".join(words)

    def what(self, node: LayerNode, fields: Mapping[str, Any]) -> str:
        """Write the text directly behind a layer's word."""
        if fields.get("kernel") is not None:
            return self.extent(fields["kernel"])
        if node.word == "upsample":
            return f"×{bound(fields['scale'])}"
        main = node.main or "out"
        return "" if main in ("out", *SILENT) or fields[main] is None else spelled(fields[main])

    def extent(self, kernel: Any) -> str:
        text = spelled(kernel)
        return write_shape([bound(kernel)] * self.rank) if self.rank and " " not in text else text

    def normalizes(self, node: SpecNode) -> bool:
        """Tell whether a `norm` does anything where it stands."""
        return self.settings(node).get("kind") not in ("none", "weight")

    def norm(self, node: SpecNode) -> str:
        given = self.settings(node)
        return f"norm ({given['kind'].replace('_', ' ')})" if given.get("kind") else "norm"

    def activation(self, node: SpecNode) -> str:
        kind = self.settings(node).get("kind")
        return f"activation ({kind.replace('_', ' ')})" if kind else "activation"

    def call(self, node: CallNode) -> list[str]:
        """Write the block's name, and below it what it is given."""
        given = [
            name if spelled(value) == name else f"{name} = {spelled(value)}" for name, value in node.arguments.items()
        ]
        return [node.block, *wrap(", ".join(given), at=", ")] if given else [node.block]

    def turns(self, node: Turns) -> list[str]:
        if node.n is not None:
            return [f"× {bound(node.n)}"]
        lists = [f"{name}: {spelled(values)}" for name, values in (node.each or {}).items()]
        return ["× for each", *(line for text in lists for line in wrap(text))]


def spelled(value: Any) -> str:
    """Spell a value as a spec has it."""
    if isinstance(value, Expression):
        return value.text.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list) or is_along_axes(value):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, tuple):
        return ", ".join(_called(node) for node in value) or "[]"
    return str(value)


def is_along_axes(value: Any) -> bool:
    """Tell a value for each spatial axis from a body, which is a tuple too."""
    return isinstance(value, tuple) and any(isinstance(item, int | float | str) for item in value)


def _called(node: Any) -> str:
    return node.called if isinstance(node, SpecNode) else str(node)


def bound(value: Any) -> str:
    """Write a value so that something may stand beside it."""
    text = spelled(value)
    return f"({text})" if " " in text else text


def wrap(text: str, width: int = MAX_LINE, at: str = " ") -> list[str]:
    """Break text into lines of at most this many letters where breaks behind `at` make that possible."""
    lines = [""]
    for word in text.split(at):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append(word + at)
        else:
            lines[-1] += word + at
    return [line.rstrip() for line in [*lines[:-1], lines[-1].removesuffix(at)]]
