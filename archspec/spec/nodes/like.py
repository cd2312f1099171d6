"""The words whose result has the extents of another value, or of what that was pooled from; it is named."""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field, create_model

from archspec.ops import Map, MaxUnpool, Op, Resize
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


MapNode = _like_node(Map)
ResizeNode = _like_node(Resize)


class MaxUnpoolNode(LayerNode):
    """Undoes a max pooling: values go back to where the largest numbers of its windows stood, among zeros."""

    word = "max_unpool"
    main = "like"
    op = MaxUnpool
    like: Reference = Field(description="the tap right behind the max pooling that it undoes")
