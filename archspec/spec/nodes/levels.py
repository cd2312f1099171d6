"""The word of a way down and a way up, with a skip across each level."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from archspec.spec.body import Body
from archspec.spec.nodes.flow import Loop
from archspec.spec.nodes.merges import Fit, MergeWord

Order: TypeAlias = Literal["skip_first", "up_first"]


class EncoderDecoder(Loop):
    word = "encoder_decoder"
    encoder: Body = Field((), description="each level's body on the way down")
    skip: Body = Field((), description="body across a level, from its encoder to its merge")
    down: Body = Field((), description="body from a level to the one below")
    bottom: Body = Field((), description="body below the last level")
    up: Body = Field((), description="body from a level to the one above")
    merge: MergeWord = Field("concat", description="how what comes across a level and what comes up become one")
    order: Order = Field("skip_first", description="which comes first in the merge: the skip, or what comes up")
    fit: Fit = "error"
    decoder: Body = Field((), description="each level's body on the way up")

    settings = ("merge", "order", "fit")
