"""One size at a time: the row of values that fit, and what it takes to know it."""

from __future__ import annotations

import pytest

from compiler.sizes import size_values as module
from compiler.sizes.extents import GraphExtents
from compiler.sizes.size_values import SizeValues
from tests.archspec.spec.texts import graph_of

LONG = "archspec: 1\ninputs: {x: [2, L]}\nsizes: {L: 24}\nnetwork: "
LEVELS = "[encoder_decoder: {n: 2, down: [max_pool: 2], up: [upsample: 2], merge: add}]"
"""They fit every multiple of four."""


def values_of(network: str) -> SizeValues:
    graph = graph_of(f"{LONG}{network}\n")
    return SizeValues(GraphExtents(graph.sizes, graph), "L", keep_weights=True)


@pytest.mark.parametrize("network", [LEVELS, "[conv: {out: 2, stride: 3}, conv: {out: 2, kernel: 4, padding: 0}]"])
def test_extents_at_every_value_are_those_of_the_shape_rules(network: str) -> None:
    graph = graph_of(f"{LONG}{network}\n")
    extents = GraphExtents(graph.sizes, graph)
    values = SizeValues(extents, "L")
    fitting = [size for size in range(1, 60) if values.fits(size)]
    assert 24 in fitting
    assert 1 not in fitting
    for size in fitting:
        row = values.compute(size) or []
        found = {id: tuple(row[i] for i in numbers) for id, numbers in extents.of.items()}
        assert found == {id: tuple(shape) for id, shape in graph.infer({"L": size}).items()}


def test_what_fits_repeats_with_the_period_from_the_horizon_on() -> None:
    values = values_of(LEVELS)
    assert values.period % 4 == 0
    assert values.horizon is not None
    for size in range(values.horizon, values.horizon + 40):
        assert values.fits(size) == values.fits(size + values.period) == (size % 4 == 0)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        # the search for a smaller step is bounded: what is known without it is the period, which fits as well
        ("[conv: {out: 2, kernel: 1, stride: 1000003}]", "24 + 1000003·k of those tried"),
        (
            "[conv: {out: 2, kernel: 1, stride: 2000000000}, conv: {out: 2, kernel: 1, stride: 2000000000}]",
            "1 to 166689 of those tried",
        ),
    ],
)
def test_huge_strides_end(network: str, expected: str) -> None:
    assert str(values_of(network).find_row({})) == expected


def test_with_little_effort_a_row_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = values_of(LEVELS).find_row({})
    assert (str(whole), whole.complete) == ("4 + 4·k", True)
    monkeypatch.setattr(module, "MAX_EFFORT", 20)
    tried = values_of(LEVELS).find_row({})
    assert not tried.complete
    assert 24 in tried
