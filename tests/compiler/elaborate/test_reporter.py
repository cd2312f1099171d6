"""What a walk keeps of mistakes, and where it ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from archspec.errors import BlockCall, Place, SpecError
from compiler.elaborate.reporter import NODE, Reporter, SkipNode

HERE, THERE = Place("a.yaml", 3, 5), Place("a.yaml", 4, 5)
CALLS = (BlockCall("block(n=2)", THERE),)


class Marked(NamedTuple):
    """What is written at one place."""

    at: Place

    def place_of(self, *path: Any, key: bool = False) -> Place:
        return self.at


def test_a_mistake_is_kept_with_its_place_and_the_calls_that_led_there() -> None:
    reporter = Reporter(10)
    reporter.report("bad-value", "no", HERE, CALLS)
    (mistake,) = reporter.mistakes
    assert (mistake.code, mistake.message, mistake.place, mistake.calls) == ("bad-value", "no", HERE, CALLS)


def test_a_place_is_told_once_for_each_code() -> None:
    """As a loop's later turns would tell it again; another code, or another place, is another mistake."""
    reporter = Reporter(10)
    for code, place in (("bad-value", HERE), ("bad-value", HERE), ("unknown-tap", HERE), ("bad-value", THERE)):
        reporter.report(code, "no", place)
    assert [(mistake.code, mistake.place) for mistake in reporter.mistakes] == [
        ("bad-value", HERE),
        ("unknown-tap", HERE),
        ("bad-value", THERE),
    ]


def test_a_failure_is_kept_and_ends_the_node() -> None:
    reporter = Reporter(10)
    with pytest.raises(SkipNode):
        reporter.fail("bad-value", "no", HERE)
    assert len(reporter.mistakes) == 1


def test_the_budget_is_spent_to_its_last_part() -> None:
    reporter = Reporter(2)
    written = Marked(HERE)
    reporter.spend(2 * NODE, written, ())
    assert reporter.spent == 2 * NODE
    with pytest.raises(SpecError, match=r"expands to more than 2 nodes; --max-nodes") as error:
        reporter.spend(1, written, CALLS)
    assert (error.value.diagnostics[0].place, error.value.diagnostics[0].calls) == (HERE, CALLS)
    assert reporter.mistakes == []  # what ends the walk is said by who ends it
