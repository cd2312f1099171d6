"""Where tables go: names stand there as they are, lines break between words, and nothing moves a cursor."""

from __future__ import annotations

import pytest

from archspec.cli.tables.console import console, new_table, print_unknown
from tests.support.tables import read_rows


def test_names_are_no_markup_and_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("[bold]x[/bold] :smile: \x1b[31m")
    assert capsys.readouterr().out == "[bold]x[/bold] :smile: \\x1b[31m\n"


@pytest.mark.parametrize(("width", "lines"), [("20", 3), (None, 1)])
def test_lines_break_between_words_where_a_width_is_known(
    width: str | None, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that is longer than the line stays whole; in a pipe nothing breaks."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", width)
    text = f"some words {'x' * 40} and more"
    console().print(text)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == lines
    assert printed.split() == text.split()


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console(stderr=True).print("a message")
    assert capsys.readouterr() == ("", "a message\n")


def test_a_table_has_names_first_and_figures_then(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table("layer", "MACs")
    table.add_row("conv", "1,000")
    table.add_row("a longer name", "1")
    console().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].index("1") == lines[-2].index("1,000") + 4, "figures end in one column"
    assert lines[-1].startswith("a longer name")


def test_unknown_operations_are_told_if_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    print_unknown({}, console())
    assert read_rows(capsys) == []
    print_unknown({"com.microsoft:Gelu": 3}, console())
    ((line,),) = read_rows(capsys)
    assert "com.microsoft:Gelu" in line
    assert "are not counted" in line
