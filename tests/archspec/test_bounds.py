"""One bound of whole numbers, for whatever they come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer
from pydantic import ValidationError

from archspec.bounds import MAX_WHOLE
from archspec.cli.options import parse_sizes
from archspec.errors import ArchspecError
from archspec.ops import Linear
from archspec.strict_json import check_integer

TAKEN: tuple[tuple[Callable[[int], object], type[Exception]], ...] = (
    (lambda number: Linear(out=number).out, ValidationError),
    (lambda number: check_integer(number, "it"), ArchspecError),
    (lambda number: parse_sizes([f"H={number}"])["H"], typer.BadParameter),
)


@pytest.mark.parametrize(("take", "refusal"), TAKEN, ids=["field", "json", "option"])
def test_the_bound_is_taken_and_no_more(take: Callable[[int], object], refusal: type[Exception]) -> None:
    assert take(MAX_WHOLE) == MAX_WHOLE
    with pytest.raises(refusal):
        take(MAX_WHOLE + 1)
