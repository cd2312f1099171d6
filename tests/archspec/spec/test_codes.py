"""The catalogue of mistakes is whole, and the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.spec.codes import MISTAKES
from compiler.analysis.lint import CODES

ROOT = Path(__file__).resolve().parents[3]


def test_the_language_s_page_lists_the_same() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", page[page.index("| code |") :], re.M)
    assert rows == [(code.code, code.summary) for code in MISTAKES]


def test_codes_are_unique_and_say_what_to_do() -> None:
    names = [code.code for code in MISTAKES]
    assert len(set(names)) == len(names)
    assert not set(names) & CODES.keys()
    assert all(code.summary and code.remedy and not code.remedy.endswith(".") for code in MISTAKES)


def test_every_code_is_one_that_a_message_has() -> None:
    """The catalogue itself aside."""
    files = [path for package in ("archspec", "compiler", "runtime") for path in (ROOT / package).rglob("*.py")]
    written = "\n".join(file.read_text(encoding="utf-8") for file in files if file.name != "codes.py")
    made = re.findall(r'"unknown-" if .* else "bad-"\) \+ key\.removesuffix\("s"\)', written)
    assert made, "codes that are put together"
    assert [code.code for code in MISTAKES if f'"{code.code}"' not in written] == []
