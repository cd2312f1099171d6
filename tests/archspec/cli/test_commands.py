"""What `--help` says of each command."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from archspec.cli.commands import RENAMED
from archspec.cli.examples import EXAMPLES
from archspec.cli.main import app
from tests.support.commands import NAMES, find_command


@pytest.mark.parametrize("name", NAMES)
def test_help_says_no_type_of_a_flag(name: str) -> None:
    output = CliRunner().invoke(app, [*name.split(), "--help"]).output
    assert "<bool>" not in output
    assert "...}" not in output  # {SPEC...}... says the same twice
    assert re.search("Examples?:", output)
    assert all(word in output for example in EXAMPLES[name] for word in example.split()[:2])


@pytest.mark.parametrize(
    ("words", "now"),
    [
        ("export mlp --calibrate digits", "--data"),
        ("lesion run --budget 1%", "--max-drop"),
        ("lesion run --plot x.svg", "-o FILE.svg"),
        ("shattering mlp --range 3", "--span"),
        ("shattering mlp --range=3", "--span"),
    ],
)
def test_an_option_by_the_name_that_it_had_is_refused_with_its_name_now(words: str, now: str) -> None:
    """The control: where no option ever had the name, the parser proposes one."""
    old = words.split()[2].partition("=")[0]
    said = find_errors(words)
    assert said == [f"No such option: {old}; it is called {now} now"]
    assert find_errors(words.replace(old, "--wieghts")) != said


def test_names_that_options_had_are_no_options_and_those_of_now_are() -> None:
    for name, renamed in RENAMED.items():
        known = {word for param in find_command([name])[0].params for word in param.opts}
        assert known.isdisjoint(renamed)
        assert {now.split()[0] for now in renamed.values()} <= known


def find_errors(words: str) -> list[str]:
    result = CliRunner().invoke(app, [*words.split(), "--json"])
    assert result.exit_code == 2
    return [error["message"] for error in json.loads(result.stdout)["errors"]]
