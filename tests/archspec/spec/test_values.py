"""Values in a spec: numbers and lists or expressions in their place, and names."""

from __future__ import annotations

import keyword
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from archspec.spec.expressions import Expression
from archspec.spec.reserved import MODULE_NAMES
from archspec.spec.values import MAX_ITEMS, Label, NumberList, Numeric, Variable, read_node_name

NUMBER: TypeAdapter[Any] = TypeAdapter(Numeric)
LIST: TypeAdapter[Any] = TypeAdapter(NumberList)
NAME: TypeAdapter[Any] = TypeAdapter(Variable)
LABEL: TypeAdapter[Any] = TypeAdapter(Label)
NO_NAMES = (*keyword.kwlist[:5], "min", "true", "in_channels", "out_channels", "1a", "", "a-b", 3)


@pytest.mark.parametrize("value", [0, -3, 2.5, True, False])
def test_numbers_are_kept_as_they_are(value: Any) -> None:
    found = NUMBER.validate_python(value)
    assert (type(found), found) == (type(value), value)


def test_a_text_is_an_expression() -> None:
    assert NUMBER.validate_python("2 * n") == Expression.parse("2 * n")
    with pytest.raises(ValidationError, match="2 \\*"):
        NUMBER.validate_python("2 *")


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValidationError, match="should be a number or an expression"):
        NUMBER.validate_python(value)


def test_lists_nest_and_are_bounded() -> None:
    assert LIST.validate_python([1, [2, "n"]]) == [1, [2, Expression.parse("n")]]
    assert LIST.validate_python("widths") == Expression.parse("widths")
    assert len(LIST.validate_python([0] * MAX_ITEMS)) == MAX_ITEMS
    with pytest.raises(ValidationError, match=f"at most {MAX_ITEMS} entries"):
        LIST.validate_python([0] * (MAX_ITEMS + 1))
    with pytest.raises(ValidationError, match="a list of numbers, or the name of one"):
        LIST.validate_python(3)


@pytest.mark.parametrize(
    "name", [*keyword.kwlist[:5], "min", "true", "in_channels", "out_channels", "1a", "", "a-b", 3]
)
def test_what_names_no_value(name: Any) -> None:
    with pytest.raises(ValidationError, match="should be a name for expressions"):
        NAME.validate_python(name)


def test_names_of_values_may_begin_with_an_underscore_and_of_nodes_may_not() -> None:
    assert NAME.validate_python("_width") == "_width"
    assert read_node_name("width") == "width"
    assert read_node_name(None) is None
    with pytest.raises(PydanticCustomError, match="should be a name of letters"):
        read_node_name("_width")


@pytest.mark.parametrize("name", sorted(MODULE_NAMES)[::12])
def test_a_node_hides_no_attribute_of_a_module(name: str) -> None:
    with pytest.raises(PydanticCustomError):
        read_node_name(name)


def test_labels_hold_expressions() -> None:
    label = LABEL.validate_python("map{i + 1}")
    assert label(lambda name: {"i": 2}[name]) == "map3"
    with pytest.raises(ValidationError, match="is not a name"):
        LABEL.validate_python("a b")
