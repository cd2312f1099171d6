"""Names to which a spec refers: values in its expressions, blocks that it calls, taps that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from archspec.spec.blocks import Block
from archspec.spec.body import CallNode
from archspec.spec.defaults import EXT
from archspec.spec.expressions import Expression, ExpressionError, Template, list_names
from archspec.spec.layers import SpecNode
from archspec.spec.nodes.ext import Ext
from archspec.spec.nodes.flow import Turns
from archspec.spec.walking import list_calls


def free_names(value: Any) -> frozenset[str]:
    """Find the names of values that a part of a spec takes from its surroundings."""
    if isinstance(value, Expression):
        return list_names(value)
    if isinstance(value, Template):
        return free_names(value.parts)
    if isinstance(value, SpecNode):
        return _names_of_node(value)
    if isinstance(value, Mapping):
        return free_names(tuple(value.values()))
    if isinstance(value, tuple | list):
        return frozenset().union(*map(free_names, value))
    return frozenset()


def _names_of_node(node: SpecNode) -> frozenset[str]:
    fields = {name: getattr(node, name) for name in type(node).model_fields}
    if isinstance(node, Turns):
        around = {name: fields.pop(name) for name in ("n", "each")}
        return free_names(around) | (free_names(fields) - {node.as_, *(node.each or ())})
    extra = _parse(node.model_extra) if isinstance(node, Ext) else ()
    called = {node.block} if isinstance(node, CallNode) else frozenset()  # it may be a body that was handed in
    return free_names(fields) | free_names(extra) | called


def names_in_defaults(defaults: Mapping[str, Any]) -> frozenset[str]:
    """Find the names of values that the fields in `defaults` take from the nodes around, those of extensions too."""
    return free_names({kind: _parse(fields) if kind == EXT else fields for kind, fields in defaults.items()})


def _parse(value: Any) -> Any:
    """Read the fields of an extension as if all were expressions: what they are is known with the extension."""
    if isinstance(value, Mapping):
        return {name: _parse(item) for name, item in value.items()}
    if isinstance(value, list):
        return [*map(_parse, value)]
    try:
        return Expression.parse(value) if isinstance(value, str) else value
    except ExpressionError:
        return value


def list_bodies(value: Any) -> Iterator[tuple[SpecNode, ...]]:
    """Give every body as a list of its nodes, at any depth."""
    if isinstance(value, tuple) and value and all(isinstance(item, SpecNode) for item in value):
        yield value
    if isinstance(value, SpecNode):
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, Mapping):
        value = list(value.values())
    for item in value if isinstance(value, tuple | list) else ():
        yield from list_bodies(item)


def find_unread(labels: Iterable[Template], read: Iterable[Template]) -> Iterator[Template]:
    """Find the labels that none of those that are read can equal, whatever the numbers in their braces."""
    plain = {label.text for label in read if _is_plain(label)}
    open_ = {_shape(label) for label in read if not _is_plain(label)}
    closed = {_shape(label) for label in read if _is_plain(label)}
    for label in labels:
        same = label.text in plain if _is_plain(label) else _shape(label) in closed
        if not same and _shape(label) not in open_:
            yield label


def _is_plain(label: Template) -> bool:
    return len(label.parts) == 1


def _shape(label: Template) -> str:
    """A label with one digit in the place of all numbers."""
    return re.sub("[0-9]+", "0", "".join(part if isinstance(part, str) else "0" for part in label.parts))


def reach_blocks(start: Any, blocks: Mapping[str, Block]) -> dict[str, Block]:
    """Find the blocks that are called from a body, directly or by each other."""
    found: dict[str, Block] = {}
    pending = list_calls(start)
    while pending:
        name = pending.pop().block
        if name in blocks and name not in found:
            found[name] = blocks[name]
            pending.extend(list_calls(blocks[name].body))
    return found
