"""The words whose result has the extents of another value, which is named."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, create_model

from archspec import ops
from archspec.ops import Op
from archspec.spec.layers import LayerNode, node_of
from archspec.spec.values import Reference


class LikeNode(LayerNode):
    """An operation on the value that goes by, to which another one lends its extents."""

    main = "like"
    like: Reference = Field(description="the tap, or the input, that lends its extents")


def _like_node(op: type[Op]) -> type[LikeNode]:
    """The node of such an operation: its fields, beside the name of the other value."""
    fields: dict[str, Any] = {"__base__": (LikeNode, node_of(op)), "__doc__": op.__doc__}
    node = cast("type[LikeNode]", create_model(f"{op.__name__}Like", **fields))
    node.main = LikeNode.main
    return node


if TYPE_CHECKING:
    MapNode: type[LikeNode]
    ResizeNode: type[LikeNode]


@cache
def __getattr__(name: str) -> Any:
    """Make a node with the operation that it has, when a spec uses it."""
    if name == "MapNode":
        return _like_node(ops.Map)
    if name == "ResizeNode":
        return _like_node(ops.Resize)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
