"""Commands in this process: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.errors import ArchspecError


def archspec(*words: str | Path) -> Any:
    """The result of a command that ends well; parsed, with --json."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in words else result.stdout


def refuse(message: str, *words: str | Path) -> None:
    wide = {"COLUMNS": "1000"}  # so that no long path is broken over lines
    result = CliRunner().invoke(app, [str(word) for word in words], env=wide)
    assert result.exit_code
    said = str(result.exception) if isinstance(result.exception, ArchspecError) else result.output
    assert message in " ".join(said.replace("│", " ").split()), said
