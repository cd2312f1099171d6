"""Tables in a pipe and in terminals of any width: no number is cut, and in a pipe no name either."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.cli.tables.console import console
from archspec.cli.tables.grid import Column, Grid, words, wrap

WIDTHS = (40, 60, 80, 120)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
COMMANDS = (
    ("show", "resnet50"),
    ("show", "densenet121", "--depth", "4"),
    ("analyze", "resnet50", "--paths", "--cost", "--receptive-field", "--memory", "--variance"),
    ("analyze", "resnet18", "--gradient"),
    ("analyze", "resnet18", "--variance", "--across", "norm"),
    ("diff", "resnet50", "resnext50_32x4d"),
    ("assert", "resnet50", "params <= 30M", "macs == 4089184256"),
    ("fit", "wide_resnet16_4", "--vary", "widen", "--budget", "params <= 9M"),
    ("list", "unet", "densenet", "--descriptions"),
    ("unravel", "residual_mlp"),
    ("explain",),
)


def run(words: tuple[str, ...], width: int | None = None) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": None if width is None else str(width)})
    assert result.exit_code == 0, result.output
    return result.output


def numbers(text: str) -> Counter[str]:
    return Counter(NUMBER.findall(text))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:40])
def test_every_number_is_whole_at_every_width(command: tuple[str, ...]) -> None:
    """A name that is cut loses its numbers; a figure never does: those of at least four digits are in each output as
    often as in the one without a width."""
    whole = {number: n for number, n in numbers(run(command)).items() if len(number) > 3}
    assert whole or command[0] in ("explain", "list", "unravel")
    for width in WIDTHS:
        text = run(command, width)
        found = numbers(text)
        assert {number: found[number] for number in whole} == whole, width
        assert max(map(len, text.splitlines())) <= max(width, *(len(word) + 2 for word in text.split()))


def test_in_a_pipe_each_layer_is_one_line_with_the_numbers_of_the_json() -> None:
    command = ("show", "resnet50")
    lines = run(command).splitlines()[1:-2]
    rows = list(walk(json.loads(run((*command, "--json")))))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        figures = (f"{row[name]:,}" for name in ("parameters", "macs") if row[name])
        assert {row["name"], *figures} <= set(line.split()), line


def walk(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in tree.get("children", ()):
        yield child
        yield from walk(child)


def test_ids_are_whole_in_a_pipe() -> None:
    text = run(("analyze", "densenet121", "--variance", "--cost"))
    assert len(re.findall(r"^repeat_0\.stage1\.dense_0\.i0.*\d", text, re.MULTILINE)) == 2


def test_show_stops_at_a_depth() -> None:
    tree = json.loads(run(("show", "resnet50", "--json", "--depth", "2")))
    assert {name for row in walk(tree) for name in row} >= {"parameters", "macs"}
    lines = run(("show", "resnet50", "--depth", "2")).splitlines()
    assert len(lines) == len(list(walk(tree))) + 3
    assert len(lines) < len(run(("show", "resnet50")).splitlines())
    whole = json.loads(run(("show", "resnet50", "--json")))
    assert (tree["parameters"], tree["macs"]) == (whole["parameters"], whole["macs"])


def draw(table: Grid | Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width).print(table, overflow="ignore", crop=False)
    return out.getvalue()


def test_rich_s_own_tables_cut_numbers() -> None:
    """Which is why there is another kind of table."""
    table = Table("name", "parameters")
    table.add_row("layer1.0.conv1", "25,557,032")
    assert "25,557,032" not in draw(table, 16)


def test_words_are_wrapped_and_cut_in_the_middle_and_figures_stay() -> None:
    grid = Grid(words("layer"), "parameters", words("meaning"))
    grid.add_row("encoder.stage_3.block_11.attention.projection", "25,557,032", "of a kernel and a bias")
    whole = draw(grid, 200)
    assert whole.splitlines()[1].split("  ")[0] == "encoder.stage_3.block_11.attention.projection"
    lines = draw(grid, 50).splitlines()
    assert lines[1].startswith("encoder.")
    assert "….projection" in lines[1] or "…" in lines[1]
    assert "25,557,032" in lines[1]
    assert max(map(len, lines)) <= 50


def test_what_is_too_narrow_for_a_table_is_written_below_each_other() -> None:
    grid = Grid(words("layer"), "parameters", "MACs", Column("share", "bar"))
    grid.add_row("conv_0", "25,557,032", "4,089,184,256", "████")
    assert draw(grid, 24) == "conv_0\n  parameters 25,557,032\n  MACs 4,089,184,256\n"
    assert {"25,557,032", "4,089,184,256"} <= set(draw(grid, 3).split()), "narrower than a number"


def test_a_bar_goes_first() -> None:
    grid = Grid(words("layer"), "paths", Column("", "bar"))
    grid.add_row("conv_0", "25,557,032", "█" * 30)
    assert "█" * 30 in draw(grid, 60)
    assert draw(grid, 40).splitlines() == ["layer        paths", "conv_0  25,557,032"]


@pytest.mark.parametrize("width", range(1, 40))
def test_a_cut_name_keeps_no_part_of_a_number(width: int) -> None:
    name = "stage12.block345.conv_2d.6789,eps=9.999999974752427e-06"
    line = "".join(text.plain for text in wrap(Text(name), width))
    assert set(NUMBER.findall(line)) <= set(NUMBER.findall(name))
    assert len(line) <= max(width, len("…")) or line == name


def test_names_from_files_have_no_say_in_a_table() -> None:
    grid = Grid(words("name"), words("more"))
    grid.add_row("\x1b[31mred\nnext", Text("a\x1bb", style="bold"))
    assert draw(grid, 80).splitlines()[1] == r"\x1b[31mred\nnext  a\x1bb"


def test_lines_of_text_break_between_words_alone(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    console().print("the node encoder.stage_3.block_11.attention has no weights")
    assert "encoder.stage_3.block_11.attention" in capsys.readouterr().out.split()


def test_every_table_is_of_this_kind() -> None:
    files = [*Path("archspec").rglob("*.py"), *Path("runtime").rglob("*.py")]
    assert len(files) > 50
    assert not [file for file in files if "rich.table" in file.read_text(encoding="utf-8")]
