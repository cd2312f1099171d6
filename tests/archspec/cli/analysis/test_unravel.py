"""The command unravel: equations, JSON and a drawing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from archspec.api import elaborate, load
from archspec.cli.analysis.unravel import unravel as unravel_command
from archspec.errors import ArchspecError
from compiler.draw.unravelled import draw_unravelled


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(unravel_command)
    return app


def test_the_command_writes_equations_and_a_drawing(command: typer.Typer, tmp_path: Path) -> None:
    drawing = tmp_path / "paths.svg"
    result = CliRunner().invoke(command, ["residual_mlp", "--derivative", "f3", "-o", str(drawing)])
    assert result.exit_code == 0, result.output
    assert "y4 = x0 + f1[x0] + f2[x0 + f1[x0]]" in result.output
    assert "∂y4/∂f3 = I + ∂f4/∂f3" in result.output
    assert "16 paths to output; the last joint has 5 terms" in result.output
    assert drawing.read_text(encoding="utf-8") == draw_unravelled(elaborate(load("residual_mlp")))


def test_the_command_in_json(command: typer.Typer) -> None:
    result = CliRunner().invoke(command, ["residual_mlp", "--set", "blocks=1001", "--derivative", "f1", "--json"])
    (found,) = json.loads(result.stdout)["expressions"]
    assert found["paths"] == 2**1001
    assert json.loads(result.stdout)["derivatives"][0]["terms"] == 2**1000


def test_nothing_is_drawn_where_it_would_be_too_large(command: typer.Typer, tmp_path: Path) -> None:
    drawing = tmp_path / "paths.svg"
    result = CliRunner().invoke(command, ["residual_mlp", "--set", "blocks=54", "-o", str(drawing)])
    assert isinstance(result.exception, ArchspecError)
    assert not drawing.exists()
