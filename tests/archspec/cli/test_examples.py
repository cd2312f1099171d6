"""The examples at the end of each help: every command has some, and takes their words."""

from __future__ import annotations

import shlex

import pytest

from archspec.cli.commands import Commands, _make_command
from archspec.cli.examples import EXAMPLES
from tests.support.commands import NAMES, find_command


def test_every_command_has_examples() -> None:
    assert EXAMPLES.keys() == set(NAMES)


def test_a_command_without_examples_is_not_taken_for_an_unknown_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.cli.examples.EXAMPLES", {})
    _make_command.cache_clear()
    with pytest.raises(TypeError, match="the command schema lacks examples"):
        Commands().get("schema")
    assert Commands().get("sizes") is None  # the control


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_examples_are_words_that_the_command_takes(example: str) -> None:
    command, words = find_command(shlex.split(example.partition(" > ")[0]))
    with command.make_context("archspec", words):
        pass
