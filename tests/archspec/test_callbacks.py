"""Whoever hears of steps is called by one name, of one type."""

from __future__ import annotations

import ast

import pytest

from tests.support.product import list_functions

SPELLED = "Callable[[int, int], None]"


def find_listeners(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """The parameters that hear of steps, and their types."""
    given = function.args
    types = {arg.arg: ast.unparse(arg.annotation) for arg in (*given.args, *given.kwonlyargs) if arg.annotation}
    return {name: kind for name, kind in types.items() if kind in ("OnStep", SPELLED)}


def test_listeners_have_one_name_and_one_type() -> None:
    found = {name: listeners for name, node in list_functions() if (listeners := find_listeners(node))}
    assert len(found) > 5
    assert {name: listeners for name, listeners in found.items() if listeners != {"on_step": "OnStep"}} == {}


@pytest.mark.parametrize("parameter", ["on_part: OnStep", f"on_step: {SPELLED}", f"*, on_seed: {SPELLED} = print"])
def test_another_name_or_type_is_told(parameter: str) -> None:
    (function,) = ast.parse(f"def work({parameter}): ...").body
    assert isinstance(function, ast.FunctionDef)
    assert find_listeners(function) not in ({}, {"on_step": "OnStep"})
