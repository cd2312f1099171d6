"""The words that merge several bodies of one value."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from archspec.ops.values import Draw
from archspec.spec.body import Body
from archspec.spec.nodes.flow import Turns
from archspec.spec.values import Numeric

Branches: TypeAlias = Annotated[list[Body], Field(min_length=1)]
Fit: TypeAlias = Annotated[
    Literal["error", "crop", "pad", "repeat", "resize"],
    Field(
        description="what is done about unequal extents: an error, cut to the smallest, zeros up to the largest, those "
        "of 1 repeated, or resized to the first operand's, in `encoder_decoder` to the skip's"
    ),
]
MergeWord: TypeAlias = Literal["add", "concat", "mul", "sub", "div", "max", "min"]


class Branching(Turns):
    """Branches of one value, merged: a list of bodies, or one body for each turn of a loop."""

    main = "branches"
    branches: Branches | None = Field(None, description="bodies that all start from the input; `[]` is the input")
    body: Body | None = Field(None, description="branch of each turn, instead of a list of branches")
    fit: Fit = "error"

    settings: ClassVar[tuple[str, ...]] = ("fit",)

    @model_validator(mode="after")
    def _choose_one(self) -> "Branching":
        turning = (self.n is None) != (self.each is None)
        listed = self.branches is not None and self.body is None and self.n is None and self.each is None
        if not listed and not (turning and self.body is not None and self.branches is None):
            raise PydanticCustomError("bad-branches", "needs a list of bodies, or `n` or `each` with one `body`")
        return self


class AddNode(Branching):
    word = "add"


class ConcatNode(Branching):
    word = "concat"
    axis: Numeric = Field(0, description="0 for the channels, from 1 for the axes of space, -1 for the last")

    settings: ClassVar[tuple[str, ...]] = ("fit", "axis")


class MulNode(Branching):
    word = "mul"


class SubNode(Branching):
    word = "sub"


class DivNode(Branching):
    word = "div"


class MaxNode(Branching):
    word = "max"


class MinNode(Branching):
    word = "min"


class ShakeNode(Branching):
    """Branches whose weights in the sum are drawn anew at each step of training."""

    word = "shake"
    draw: Draw = Field("sample", description="draws for each sample, or once for a batch")

    settings: ClassVar[tuple[str, ...]] = ("fit", "draw")
