"""The word of an operation that the caller brings."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from archspec.spec.layers import WeightedNode
from archspec.spec.values import Reference


class Ext(WeightedNode):
    """An operation in Python that the caller allowed by name; its fields are the operation's own."""

    model_config = ConfigDict(extra="allow")

    word = "ext"
    main = "use"
    use: str = Field(description="name by which the caller allowed the operation")
    with_: list[Reference] = Field([], alias="with", description="taps or inputs that are its further operands")
