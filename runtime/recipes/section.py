"""What all sections of a recipe have in common, and the types of their fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from archspec.bounds import MAX_WHOLE
from archspec.errors import InputError
from runtime.recipes.problems import tell_problems

MAX_ENTRIES = 1000
"""The largest number of entries of a list or a mapping in a recipe."""
MAX_TEXT = 1000
"""The longest text in a recipe, in characters."""


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # it has no public name


class _Made(ModelMetaclass):
    """A class whose objects are checked when they are made: a mistake is an InputError, in the recipe's words."""

    def __call__(cls, *args: Any, **given: Any) -> Any:  # noqa: N805  (of a class, not of an object)
        try:
            return super().__call__(*args, **given)
        except ValidationError as error:
            raise InputError("; ".join(tell_problems(error, cast(type[BaseModel], cls)))) from None


class RecipeSection(BaseModel, metaclass=_Made):
    """A mapping in a recipe: every key is known, and nothing changes once it is read.

    Raises InputError where a value is of another type, or out of its range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def told(words: str) -> WrapValidator:
    """Make the annotation of a field of several types, with one message for what is none of them: what it should be."""

    def read(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise PydanticCustomError("bad-value", "should be {words}", {"words": words}) from None

    return WrapValidator(read)


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raise what pydantic makes a ValidationError of, where there are problems: each is the key at which it is, and the
    end of a sentence on the section."""
    found = list(problems)
    if found:
        text = "; ".join(problem for _, problem in found)
        raise PydanticCustomError("bad-value", "{text}", {"text": text, "problems": found})


Count: TypeAlias = Annotated[int, Field(ge=1, le=MAX_WHOLE)]
Natural: TypeAlias = Annotated[int, Field(ge=0, le=MAX_WHOLE)]
Decimal: TypeAlias = float
Magnitude: TypeAlias = Annotated[float, Field(ge=0)]
PositiveDecimal: TypeAlias = Annotated[float, Field(gt=0)]
OpenPart: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Part: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT)]
StepsOrPart: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=MAX_WHOLE)] | OpenPart,
    told("a number of steps from 1 on, or below 1 a share of all steps"),
]
