"""The word that undoes a pooling, which is named."""

from __future__ import annotations

from pydantic import Field

from archspec.ops import MaxUnpool
from archspec.spec.layers import LayerNode
from archspec.spec.values import Reference


class MaxUnpoolNode(LayerNode):
    """Undoes a max pooling: values go back to where the largest numbers of its windows stood, among zeros."""

    word = "max_unpool"
    main = "like"
    op = MaxUnpool
    like: Reference = Field(description="the tap right behind the max pooling that it undoes")
