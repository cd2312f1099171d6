"""Predicted against measured second moments on networks at random and from the zoo: numbers are within the factors that
`docs/estimates.py` found for their marks; further seeds when slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from archspec.ops.signal.moments import Doubt
from compiler.analysis.signal.doubts import DOUBTS, find_doubts, how_far
from compiler.analysis.signal.signal import predict_signal
from compiler.graph import Graph
from docs.estimates import SEEDS, Number, compare, draw_random, render, shrink_zoo, summarize
from tests.support.documents import graph_from
from tests.zoo.rows import ROWS

LAW = 1.4
"""The factor within which a number without a mark is, in any network."""
SEEN = (4, 8, 14, 18, 31, 41)
ZOO = ("mlp", "residual_mlp")


def leave(numbers: Sequence[Number], times: float = 1.0) -> list[Number]:
    """The numbers that are further off than the worst that was found of all their marks, when they were so many times
    further off."""
    return [number for number in numbers if number.factor * times > allow(number)]


def allow(number: Number) -> float:
    found = [
        how_far(doubt, number.of, number.depth) for doubt in cast(tuple[Doubt | None, ...], number.doubts or (None,))
    ]
    return 1.02 * max([row.worst for row in found if row] or [LAW])


@pytest.mark.parametrize("seed", SEEN)
def test_numbers_of_seen_networks_are_within_what_the_table_says(seed: int) -> None:
    """And a control: numbers without a mark that are half as far off again are not."""
    numbers = [*compare(draw_random(seed), seed)]
    assert not leave(numbers), seed
    unmarked = [number for number in numbers if not number.doubts]
    assert len(leave(unmarked, 1.5)) == len(unmarked)


@pytest.mark.parametrize("name", ZOO)
def test_numbers_of_the_zoo_are_within_what_the_table_says(name: str) -> None:
    assert not leave([*compare(shrink_zoo(ROWS[name]))])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS.stop, SEEDS.stop + 60))
def test_numbers_without_a_mark_are_right_in_networks_not_seen(seed: int) -> None:
    numbers = [number for number in compare(draw_random(seed), seed) if not number.doubts]
    assert all(number.factor < LAW for number in numbers), (seed, max(numbers, key=lambda number: number.factor))


def test_the_table_holds_every_mark_and_numbers_without_one_are_near() -> None:
    for of in ("values", "gradients"):
        for depth in ("up to 10", "11 to 30", "more than 30"):
            law = how_far(None, of, depth)
            assert law is not None
            assert law.half < law.most < law.worst < LAW
    assert all(how_far(doubt, "gradients", "11 to 30") for doubt in DOUBTS.keys() - {"kinds"})


def test_a_summary_counts_a_number_under_each_of_its_marks() -> None:
    rows = [Number("a", "x", "values", ("few", "narrow"), "up to 10", factor) for factor in (1.0, 1.5, 4.0)]
    found = summarize([*rows, Number("b", "y", "values", (), "up to 10", 1.01)])
    assert found["networks"] == 2
    assert found["rows"]["few, values, up to 10"] == {"numbers": 3, "half": 1.5, "most": 4.0, "worst": 4.0}
    assert found["rows"].keys() == {f"{doubt}, values, up to 10" for doubt in ("few", "narrow", "law")}
    assert "| none | values | 1.01 · 1.01 · 1.01 of 1 |" in render(found)


def narrow(*network: object, shape: Sequence[int] = (64,)) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [*shape]}, "network": [*network]})


def test_narrow_and_depthwise_layers_get_their_mark_by_rule() -> None:
    """The same depth, wide and narrow; a depthwise kernel of nine weights, of however many channels; one input."""
    body = {"repeat": {"n": 6, "body": ["relu", {"linear": 512}]}}
    thin = {"repeat": {"n": 6, "body": ["relu", {"linear": 32}]}}
    assert "narrow" not in predict_signal(narrow(body)).nodes[-1].doubts
    assert "narrow" in predict_signal(narrow(thin)).nodes[-1].doubts
    depthwise = predict_signal(narrow({"conv": {"out": 512, "groups": 512}}, "relu", shape=(512, 9, 9)))
    assert "narrow" in depthwise.nodes[-1].doubts
    one = predict_signal(narrow({"linear": 512}, "batch_norm", "relu", {"linear": 512}, shape=(1,)))
    assert "narrow" in one.nodes[1].gradient_doubts
    assert "narrow" not in one.nodes[2].gradient_doubts
    assert find_doubts(one.values["x"] or pytest.fail("the input has a law")) == ()
