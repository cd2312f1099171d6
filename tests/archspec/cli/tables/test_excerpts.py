"""The line of text that a message is about: what is shown of it, and where the mark stands."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.cli.tables import excerpts
from archspec.cli.tables.excerpts import cut_out

SPEC = "archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork:\n  - {conv: {out: 4, name: 'ab'}}\n"


def columns(text: str) -> int:
    """By the Unicode standard: how many columns of a terminal a text takes."""
    wide = {"W": 2, "F": 2}
    return sum(0 if unicodedata.combining(c) else wide.get(unicodedata.east_asian_width(c), 1) for c in text)


@pytest.mark.parametrize(
    ("line", "word", "shown", "mark"),
    [
        ("  - max_pol", "max_pol", "  - max_pol", "    ^^^^^^^"),
        ("\t- max_pol", "max_pol", "    - max_pol", "      ^^^^^^^"),
        ("- 層: 層層: 1", "層層", "- 層: 層層: 1", "      ^^^^"),
        ('- "two words": 1', '"two words"', '- "two words": 1', "  ^^^^^^^^^^^"),
        ("- a\u0301b: wrong", "wrong", "- a\u0301b: wrong", "      ^^^^^"),
        ("- \x1b[31m\u202e: wrong", "wrong", "- \\x1b[31m\\u202e: wrong", "                  ^^^^^"),
        ("- {}", "{}", "- {}", "  ^"),
    ],
)
def test_the_mark_stands_below_the_word(line: str, word: str, shown: str, mark: str) -> None:
    found, start, length = cut_out(line, line.index(word) + 1, 80)
    assert (found, " " * start + "^" * length) == (shown, mark)
    assert columns(found.partition(word)[0]) == start or word == "{}"


def test_of_a_long_line_the_part_around_the_word_is_shown() -> None:
    line = "- {" + "a: 1, " * 50 + "wrong: 2, " + "b: 3, " * 50
    shown, start, length = cut_out(line, line.index("wrong") + 1, 60)
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert shown[start : start + length] == "wrong"
    assert len(shown) <= 60


def test_a_line_as_long_as_a_file_is_only_read_around_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of one line may have a hundred mistakes."""
    spelled: list[int] = []

    def spell(text: str) -> str:
        spelled.append(len(text))
        return text

    monkeypatch.setattr(excerpts, "_spell", spell)
    line = "a" * 1_000_000 + " wrong " + "b" * 1_000_000
    shown, start, length = cut_out(line, line.index("wrong") + 1, 60)
    assert shown[start : start + length] == "wrong"
    assert sum(spelled) < 300


def test_behind_the_end_of_a_line_there_is_a_mark_too() -> None:
    assert cut_out("- {a: 1", 8, 80) == ("- {a: 1", 7, 1)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=300), st.data())
def test_nothing_is_wider_than_the_terminal_or_moves_its_cursor(line: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(1, len(line) + 1))
    width = data.draw(st.integers(20, 120))
    shown, start, length = cut_out(line, column, width)
    assert shown.isprintable()
    assert start + length <= width + 1
    assert cell_len(shown) <= width


def archspec(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "archspec", *map(str, words)], capture_output=True, text=True)


def test_every_command_shows_the_line_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.replace("out", "outs"))
    lines = ["    4 |   - {conv: {outs: 4, name: 'ab'}}", "      |             ^^^^"]
    head = f"{path}:4:13: error[unknown-field]: unknown field 'outs' of conv; did you mean 'out'?"
    done = archspec("show", path)
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (2, "", [head, *lines])
    for command in ("check", "lint"):
        assert archspec(command, path).stdout.splitlines()[:3] == [head, *lines]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals(environment: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.replace("conv", "\x62\x62"))
    output = CliRunner(env=environment).invoke(app, ["check", str(path)]).output
    assert (re.search(r"\x1b\[[0-9;]*3\dm", output) is not None) == coloured


def test_a_name_of_a_file_changes_no_colour(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred.yaml"
    path.write_text("archspec: 1\nnetwork: [rellu]\n")
    done = archspec("check", path)
    assert "\\x1b[31mred.yaml:1:1: error" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
