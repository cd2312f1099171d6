"""Ways out of windows move behind residual sums, and all that is kept stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops import LeaveWindows
from compiler.passes.leave_windows_later import LeaveWindowsLater
from tests.support.rewriting import FOLDED_TOLERANCE, apply, measure, run, stirred
from tests.support.transformers import build_windows


@pytest.mark.parametrize("space", [(9, 6), (8, 12), (4, 4)], ids=str)
def test_both_sums_are_computed_in_the_windows(space: tuple[int, int]) -> None:
    graph = build_windows(*space)
    after, step, worst = run(LeaveWindowsLater(), graph)
    assert worst < FOLDED_TOLERANCE
    assert [note.text for note in step.done] == ["moved behind sum", "moved behind again"]
    assert after["again.windows"].inputs == ("sum.windows", "normal_1")
    assert after["sum.windows"].inputs == ("sum.enter", "out")
    assert after["again"].op == graph["leave"].op
    assert after["again"].inputs == ("again.windows", "normal")
    assert [node.id for node in after if isinstance(node.op, LeaveWindows)] == ["again"]


def test_it_holds_at_other_sizes_too() -> None:
    graph = build_windows("H", "W", H=9, W=6)
    weights = stirred(graph)
    after, others = LeaveWindowsLater()(graph, weights)
    assert "sum.enter" in after.nodes
    for sizes in ({}, {"H": 8, "W": 3}, {"H": 5, "W": 16}):
        assert measure(graph, weights, after, others, **sizes) < FOLDED_TOLERANCE


@pytest.mark.parametrize("what", ["cosine", "pool", "places", "output"])
def test_it_stays(what: str) -> None:
    """Before attention by cosines, which no optimizer knows; where something looks beyond its position, or differs from
    position to position; and where it is an output itself."""
    graph = build_windows(9, 6, what=what)
    after, worst = apply(LeaveWindowsLater(), graph)
    assert worst == 0
    assert after == graph


def test_control_another_table_shows() -> None:
    graph = build_windows(9, 6)
    weights = stirred(graph)
    after, others = LeaveWindowsLater()(graph, weights)
    moved = np.array(others["attention.table"])
    moved[0] += 3
    assert measure(graph, weights, after, {**others, "attention.table": moved}) > 100 * FOLDED_TOLERANCE
