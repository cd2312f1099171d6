"""The gradient by path length: rows of what carries energy, and what the shares add up to."""

from __future__ import annotations

import pytest

from archspec.api import elaborate, load
from archspec.cli.tables.console import console
from archspec.cli.tables.gradient import MIN_SHARE, print_gradient
from compiler.analysis.paths.gradient import predict_path_gradient
from tests.support.tables import read_rows


@pytest.mark.parametrize("blocks", [4, 40])
def test_rows_are_the_lengths_that_carry_energy(blocks: int, capsys: pytest.CaptureFixture[str]) -> None:
    graph = elaborate(load("residual_mlp", {"blocks": blocks}))
    found = predict_path_gradient(graph)
    print_gradient(found, None, console())
    rows = read_rows(capsys)
    printed = {int(row[0]): float(row[2].rstrip("%")) for row in rows if len(row) == 3 and row[0].isdigit()}
    assert printed == {
        length: pytest.approx(100 * share, abs=0.006) for length, share in enumerate(found.shares) if share >= MIN_SHARE
    }
    hidden = len(found.shares) - len(printed)
    told = [row[0] for row in rows if row[0].startswith(f"{hidden} more length")]
    assert bool(told) == bool(hidden)
    assert any(row[0].startswith(f"predicted (an estimate): mean length {found.mean:.2f}; ") for row in rows)
