"""References to values: where a body reads what a tap or an input has named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archspec.spec.expressions import Template
from archspec.spec.layers import SpecNode
from archspec.spec.nodes.taps import Output, Tap
from archspec.spec.walking import walk_nodes


def list_references(body: Any) -> Iterator[Template]:
    """Give the names of values that the nodes in a body read, at any depth: of `from`, of arguments, of fields such as
    `like`."""
    for node in walk_nodes(body):
        if not isinstance(node, Tap | Output):
            yield from _templates_of(node)


def _templates_of(node: SpecNode) -> Iterator[Template]:
    for name in type(node).model_fields:
        if name == "share":  # the label of weights, and of no value
            continue
        value = getattr(node, name)
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        yield from (part for part in parts if isinstance(part, Template))
