"""The table of moved modules in CHANGELOG.md names modules that are there."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def read_moves() -> list[tuple[str, str]]:
    """The rows of the table: what was, and what is."""
    table = CHANGELOG.read_text(encoding="utf-8").partition("\n### Moved\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| (`.+) \| (.+) \|$", table, re.MULTILINE)


def list_missing(old: str, new: str) -> list[str]:
    """The names of the right column that are no modules. A short one stands in the package before it, or beside it."""
    missing, home = [], ""
    short = re.findall(r"(\w+)`", old) if new.startswith("the same") else []
    for name in [*re.findall(r"`([^`]+)`", new), *short]:
        if name.partition(".")[0] in ("archspec", "compiler", "runtime"):
            home, places = name, [name]
        else:
            places = [f"{home}.{name}", f"{home.rpartition('.')[0]}.{name}"]
        if not any(map(_is_module, places)):
            missing.append(name)
    return missing


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


@pytest.mark.parametrize(("old", "new"), read_moves())
def test_a_moved_module_is_where_the_table_says(old: str, new: str) -> None:
    assert list_missing(old, new) == []


def test_the_table_is_read() -> None:
    assert len(read_moves()) > 30


@pytest.mark.parametrize(
    "new", ["`runtime.arrays`", "`runtime.weights`: `convert`, `arrays`", "the same in `runtime.data`"]
)
def test_a_module_that_is_not_there_is_told(new: str) -> None:
    assert list_missing("`runtime.arrays`", new) != []
