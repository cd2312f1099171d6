"""A walk through the nodes of a body, and the calls of blocks among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archspec.spec.body import CallNode
from archspec.spec.layers import SpecNode


def walk_nodes(value: Any) -> Iterator[SpecNode]:
    """Give every node in a body, at any depth, bodies that are handed to blocks included."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple | list):
            pending.extend(reversed(item))
        elif isinstance(item, SpecNode):
            yield item
            pending.extend(getattr(item, name) for name in reversed(type(item).model_fields))
        elif isinstance(item, Mapping):
            pending.extend(reversed([*item.values()]))


def list_calls(body: Any) -> list[CallNode]:
    """List every call in a body, at any depth."""
    return [node for node in walk_nodes(body) if isinstance(node, CallNode)]
