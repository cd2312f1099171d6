"""The words that name a value, and take up one that is named."""

from __future__ import annotations

from pydantic import Field

from archspec.spec.layers import SpecNode
from archspec.spec.values import Label, Reference


class Labelled(SpecNode):
    main = "label"
    label: Label = Field(description="name of the value; an expression may stand in braces in it")


class Tap(Labelled):
    word = "tap"


class From(SpecNode):
    word = "from"
    main = "label"
    label: Reference = Field(description="name of a tap or an input, or what a call gives: its name, a dot, the tap")


class Output(Labelled):
    word = "output"
