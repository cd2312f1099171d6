"""The page of the bounds: what it reads of a module, and that every bound says what it bounds."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from docs.limits import ROOT, evaluate, list_limits, read_limits, write_limits, write_value

CODE = '''
SIDE = 64
MAX_PIXELS = 4 * SIDE**2
"""The largest number of pixels
of a tile."""
MAX_BYTES: int = 3 << 30
"""The largest size in bytes."""
MAX_SHARE = 0.5
OTHER = 1
"""No bound."""
MAX_A, MAX_B = 1, 2
"""Two at once: neither has words of its own."""
'''


def test_a_module_s_bounds_are_read_with_their_docstrings() -> None:
    found = [(limit.name, limit.value, limit.text) for limit in read_limits(CODE, Path("runtime/room/inner/file.py"))]
    assert found[:3] == [
        ("MAX_PIXELS", "16,384", "The largest number of pixels of a tile."),
        ("MAX_BYTES", "3 GiB", "The largest size in bytes."),
        ("MAX_SHARE", "0.5", ""),
    ]
    assert [(name, value) for name, value, _ in found[3:]] == [("MAX_A", ""), ("MAX_B", "")]
    assert {limit.room for limit in read_limits(CODE, Path("runtime/room/inner/file.py"))} == {"runtime/room"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("2**10 - 1", 1023), ("1 << 20", 1 << 20), ("0.5 * 4", 2.0), ("A * 2", 6), ("B", None), ("len('a')", None)],
)
def test_expressions_of_numbers_are_evaluated(text: str, number: float | None) -> None:
    assert evaluate(ast.parse(text, mode="eval").body, {"A": 3}) == number


@pytest.mark.parametrize(
    ("number", "text", "written"),
    [
        (2 << 20, "in bytes", "2 MiB"),
        (2 << 20, "of nodes", "2,097,152"),
        (1000, "Bytes of a line.", "1,000"),
        (0, "bytes", "0"),
        (0.25, "of bytes", "0.25"),
    ],
)
def test_values_are_written_with_their_unit(number: float, text: str, written: str) -> None:
    assert write_value(number, text) == written


def test_every_bound_says_what_it_bounds() -> None:
    silent = [f"{limit.path}: {limit.name}" for limit in list_limits() if not limit.text or not limit.value]
    assert not silent, "a bound is one assignment, with a docstring below it"


def test_values_are_those_of_the_modules() -> None:
    """The witness: the interpreter."""
    for limit in list_limits():
        if limit.path.parts[0] != "runtime":  # what needs no framework
            module = importlib.import_module(".".join(limit.path.with_suffix("").parts))
            assert limit.value == write_value(getattr(module, limit.name), limit.text) or limit.value.startswith("`")


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "limits.md").read_text(encoding="utf-8") == write_limits(), "run `make docs`"
