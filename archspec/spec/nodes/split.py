"""The word that names the parts of a value."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec.spec.layers import SpecNode
from archspec.spec.values import MAX_NAMES, Label, NumberList, Numeric


class SplitNode(SpecNode):
    """The parts of a value along one axis, each remembered by a name; the value goes on as it is."""

    word = "split"
    main = "taps"
    taps: Annotated[list[Label], Field(min_length=1, max_length=MAX_NAMES)] = Field(
        description="names of the parts, in order"
    )
    sizes: NumberList | None = Field(None, description="channels or positions of each part; equal parts unless given")
    axis: Numeric = Field(0, description="0 for the channels, from 1 for the axes of space, -1 for the last")
