"""The tables of data sets."""

from __future__ import annotations

import pytest

from archspec.cli.tables.data import print_sets
from runtime.data.inventory import FoundSet


def test_a_line_for_each_and_what_brings_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    here = FoundSet("digits", "labels", "digits inside a package", True, "scikit-learn")
    print_sets([here])
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split("  ")[0] == "digits"
    assert "brings" not in shown
    print_sets([here, FoundSet("mnist", "labels", "more digits", False, command="curl -O somewhere")])
    assert "  mnist: curl -O somewhere" in capsys.readouterr().out
