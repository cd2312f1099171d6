"""Random networks of maps: receptive fields against the gradients of plain torch."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from archspec.ops import Positions, Span, Window
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.differential.fields import examine, write_network
from tests.differential.harness import run_seeds, table

MODULE = "tests.differential.fields"
ROOM = 200
"""Seeds in the ordinary run."""


def test_fields_are_those_of_gradients() -> None:
    summary = run_seeds(MODULE, range(ROOM))
    assert not summary.found, table(summary)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 21_000, 2000))
def test_many_fields_are_those_of_gradients(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 2000))
    assert not summary.found, table(summary)


def test_control_the_hull_of_a_dilated_window_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if between the taps of a kernel nothing were left out."""
    exact = Window.input_span

    def take_whole(window: Window, span: Span) -> Positions:
        found = [*exact(window, span)]
        return (range(min(places.start for places in found), max(places.stop for places in found)),)

    monkeypatch.setattr(Window, "input_span", take_whole)
    assert sum(bool(examine(seed).disagreements) for seed in range(60)) > 5


def test_the_networks_show_what_is_hard() -> None:
    """Gaps, nothing seen, both ends cut off, whole maps: each in several networks."""
    shown: Counter[str] = Counter()
    for seed in range(ROOM):
        found = measure_receptive_field(write_network(Random(seed)))
        for output in found.outputs["y"]:
            shown["gaps"] += output.has_gaps
            shown["nothing"] += output.clipped == ()
            shown["whole"] += output.field.local != output.field.size
            shown["cut"] += bool(output.clipped) and (output.seen or 0) < (output.field.size[0] or 0)
            shown["turns"] += any(stride.denominator > 1 for stride in output.field.stride)
    assert len(shown) == 5
    assert min(shown.values()) >= 8
