"""What `--help` says of each command."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from archspec.cli.examples import EXAMPLES
from archspec.cli.main import app
from tests.support.commands import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help_says_no_type_of_a_flag(name: str) -> None:
    output = CliRunner().invoke(app, [*name.split(), "--help"]).output
    assert "<bool>" not in output
    assert "...}" not in output  # {SPEC...}... says the same twice
    assert re.search("Examples?:", output)
    assert all(word in output for example in EXAMPLES[name] for word in example.split()[:2])
