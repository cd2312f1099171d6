"""What `--help` says of each command, and what a shell completes."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from archspec.cli.completion import complete_code, complete_data, complete_spec
from archspec.cli.examples import EXAMPLES
from archspec.cli.main import app
from archspec.spec.zoo import zoo_specs

GROUP: Any = get_command(app)
NAMES = [*(set(GROUP.commands) - {"weights"}), "weights convert"]


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    command = GROUP
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_every_command_has_examples() -> None:
    assert EXAMPLES.keys() == set(NAMES)


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_examples_are_words_that_the_command_takes(example: str) -> None:
    command, words = find_command(shlex.split(example.partition(" > ")[0]))
    with command.make_context("archspec", words):
        pass


@pytest.mark.parametrize("name", sorted(NAMES))
def test_help_says_no_type_of_a_flag(name: str) -> None:
    output = CliRunner().invoke(app, [*name.split(), "--help"]).output
    assert "<bool>" not in output
    assert "...}" not in output  # {SPEC...}... says the same twice
    assert re.search("Examples?:", output)
    assert all(word in output for example in EXAMPLES[name] for word in example.split()[:2])


def test_names_are_completed() -> None:
    assert complete_spec("resnet1") == [name for name in sorted(zoo_specs()) if name.startswith("resnet1")]
    assert "resnet18" in complete_spec("resnet1")
    assert complete_code("unknown-t") == ["unknown-tap"]
    assert complete_data("digit_") == ["digit_maps", "digit_points"]
    assert complete_spec("nothing of the kind") == []


def test_the_shell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"_ARCHSPEC_COMPLETE": "complete_bash", "COMP_WORDS": "archspec show resnet1", "COMP_CWORD": "2"}
    output = CliRunner().invoke(app, [], env=environment, prog_name="archspec").output
    assert "resnet18" in output.split()
