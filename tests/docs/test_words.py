"""The words of docs/words.md are those of the code: what stands in its last column is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "words.md"
HOMES = ("", "archspec.", "archspec.spec.", "compiler.", "compiler.analysis.", "runtime.")
"""What the page leaves out at the beginning of a name."""


def list_names() -> list[str]:
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.count("|") == 4]
    return [name for row in rows for name in re.findall(r"`([\w.]+)`", row[3])]


def find(name: str) -> bool:
    """Whether there is a module, or something in one, of a name; `Op` and `Graph` are those that everybody means."""
    full = re.sub(r"^Op\b", "ops.Op", name)
    full = re.sub(r"^Graph\b", "graph.Graph", full)
    return any(_is_there(f"{home}{full}") for home in HOMES)


def _is_there(name: str) -> bool:
    module, attributes = name, list[str]()
    while module:
        try:
            found = import_module(module)
        except ImportError:
            module, _, last = module.rpartition(".")
            attributes.insert(0, last)
            continue
        for attribute in attributes:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("name", list_names())
def test_a_word_stands_in_the_code(name: str) -> None:
    assert find(name)


def test_the_controls_are_not_there() -> None:
    assert list_names()
    assert not find("elaborate.scope.Around")
    assert not find("nowhere")
