"""The words that name a value, and take up one that is named."""

from __future__ import annotations

from pydantic import Field

from archspec.spec.layers import SpecNode
from archspec.spec.values import Label


class Labelled(SpecNode):
    main = "label"
    label: Label = Field(description="name of the value; an expression may stand in braces in it")


class Tap(Labelled):
    word = "tap"


class From(Labelled):
    word = "from"


class Output(Labelled):
    word = "output"
