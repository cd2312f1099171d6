"""The words that choose how often a body runs, and which."""

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from archspec.spec.body import Body
from archspec.spec.layers import SpecNode, WeightedNode
from archspec.spec.values import MAX_NAMES, NumberList, Numeric, Variable


class Turns(WeightedNode):
    """A loop's `n` turns, or one for each position of lists of equal length; or neither."""

    n: Numeric | None = Field(None, description="number of turns")
    each: dict[Variable, NumberList] | None = Field(
        None, max_length=MAX_NAMES, description="lists by name; a turn for each position, and there the names' values"
    )
    as_: Variable = Field("i", alias="as", description="name of the turn's index, from 0")

    @model_validator(mode="after")
    def _name_turns(self) -> "Turns":
        if self.each is not None and not self.each:
            raise PydanticCustomError("bad-loop", "needs at least one list in `each`")
        if self.as_ in (self.each or ()):
            raise PydanticCustomError(
                "bad-loop",
                "has a list '{name}' in `each`, which is the index's name; give another by `as`",
                {"name": self.as_},
            )
        return self


class Loop(Turns):
    """Turns, one after the other."""

    @model_validator(mode="after")
    def _count_once(self) -> "Loop":
        if (self.n is None) == (self.each is None):
            raise PydanticCustomError("bad-loop", "needs either `n` or `each`")
        return self


class Repeat(Loop):
    word = "repeat"
    body: Body = Field(description="run once in each turn, on the result of the turn before")


class Dense(Loop):
    word = "dense"
    body: Body = Field(description="run once in each turn; its result is concatenated with its input")


class When(SpecNode):
    word = "when"
    test: Numeric = Field(description="expression that is true or false")
    then: Body = Field(description="body where the test is true")
    else_: Body = Field((), alias="else", description="body where it is false")
