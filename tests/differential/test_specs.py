"""Random specs over the whole language against an interpreter of its page and an executor in plain torch."""

from __future__ import annotations

import pytest

from tests.differential.harness import run_seeds, table

MODULE = "tests.differential.specs"


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_nothing_disagrees(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 30))
    assert not summary.found, table(summary)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 3000, 250))
def test_nothing_disagrees_over_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 250))
    assert not summary.found, table(summary)
