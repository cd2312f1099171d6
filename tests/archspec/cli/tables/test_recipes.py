"""The recipes of the zoo as a table."""

from __future__ import annotations

import pytest

from archspec.cli.tables.recipes import print_recipes
from runtime.recipes.listing import list_recipes


def test_the_table_fits_its_width(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipes(list_recipes())
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("he2015"))
    assert row.split()[1:7] == ["labels", "64,000", "steps", "128", "sgd", "0.1"]
    (row,) = (line for line in lines if line.startswith("default"))
    assert row.split()[1:4] == ["any", "30", "epochs"]
    assert max(map(len, lines)) <= 120
