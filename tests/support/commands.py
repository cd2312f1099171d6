"""Commands, in this process and in their own: what they print, and what they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.errors import ArchspecError

GROUP: Any = get_command(app)


def list_names(group: Any, before: str = "") -> Iterator[str]:
    """The words of every command; those of a group alone where it does something without more."""
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield before + name
        if hasattr(command, "commands"):
            yield from list_names(command, f"{before}{name} ")


NAMES = sorted(list_names(GROUP))


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words name, and the words behind its name."""
    command = GROUP
    while hasattr(command, "commands") and (words[:1] or [""])[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


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
    assert message in words_of(said), said


def run(*words: str | Path, expect: int = 0) -> str:
    """What a command prints that ends with this exit code."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == expect, result.output
    return result.output


def fail(*words: str | Path) -> str:
    """What the command says of a mistake that `archspec.cli.main` prints before it exits 2."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, ArchspecError), result.output
    return str(result.exception)


def words_of(text: str) -> str:
    """The words without the frame that typer draws around wrong usage."""
    return " ".join(text.replace("│", " ").split())


def run_process(*words: str | Path, expect: int = 0, cwd: Path | None = None) -> str:
    """The whole output of a command in a process of its own."""
    command = [sys.executable, "-m", "archspec", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
