"""Searches within budgets, against trying every value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count, product
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.analysis.compare.conditions import parse_condition
from compiler.analysis.compare.fit import FitResult, fit
from compiler.analysis.compare.units import ConditionError
from compiler.analysis.compare.variation import parse_variation
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.memory.setup import TrainingSetup


def search(name: str, vary: list[str], budgets: list[str], **settings: Any) -> FitResult:
    params = load(name).params
    variations = [parse_variation(text, params) for text in vary]
    conditions = [parse_condition(text) for text in budgets]
    return fit(lambda values: elaborate(load(name, values)), params, variations, conditions, **settings)


def measure(name: str, params: Mapping[str, Any]) -> tuple[int, int]:
    cost = measure_cost(elaborate(load(name, params)))
    return cost.parameters, cost.macs["conv-linear"]


@pytest.mark.parametrize(
    ("name", "param", "params", "macs"),
    [
        ("wide_resnet28_10", "widen", 10_000_000, None),
        ("wide_resnet28_10", "blocks", 60_000_000, None),
        ("densenet121", "growth", 10_000_000, None),
        ("densenet121", "growth", 10_000_000, 1_500_000_000),
        ("residual_mlp", "blocks", 1_000_000, None),
        ("residual_mlp", "width", 20_000, 15_000),
    ],
)
def test_the_largest_value_is_that_of_trying_all(name: str, param: str, params: int, macs: int | None) -> None:
    """The witness builds one network after the other until one does not fit."""
    largest = next(
        value
        for value in count(1)
        if (costs := measure(name, {param: value + 1}))[0] > params or (macs and costs[1] > macs)
    )
    budgets = [f"params <= {params}"] + ([f"macs <= {macs}"] if macs else [])
    found = search(name, [param], budgets)
    assert found.best
    assert found.best.params == {param: largest}
    assert [trial.params for trial in found.beyond] == [{param: largest + 1}]
    assert not found.beyond[0].fits
    assert found.best.verdicts[0].found == (measure(name, {param: largest})[0],)
    assert found.climbed == 2 * largest
    assert found.grows
    assert not found.proven
    assert found.tries <= largest + 4 * largest.bit_length() + 4
    json.dumps(found.to_dict())


def test_a_budget_that_is_met_exactly() -> None:
    exactly = measure("residual_mlp", {"blocks": 77})[0]
    for operator, largest in (("<=", 77), ("<", 76)):
        found = search("residual_mlp", ["blocks"], [f"params {operator} {exactly}"])
        assert found.best
        assert found.best.params == {"blocks": largest}


@pytest.mark.parametrize("text", ["depths[2]=1..20", "depths[2]"])
def test_an_entry_of_a_list(text: str) -> None:
    found = search("resnet50", [text], ["params <= 30M"])
    assert found.best
    fits = [n for n in range(1, 21) if measure("resnet50", {"depths": [3, 4, n, 3]})[0] <= 30_000_000]
    assert found.best.params == {"depths": [3, 4, max(fits), 3]}
    assert found.complete == ("=" in text)


def test_a_list_is_scaled_in_proportion_and_rounded() -> None:
    found = search("resnet_digits", ["widths:8"], ["params <= 1M"])
    assert found.best
    assert found.best.params == {"widths": [32, 64, 128]}
    variation = parse_variation("depths:2", {"depths": [3, 4, 6, 3]})
    assert [variation.choose(position, {"depths": [3, 4, 6, 3]}) for position in (0, 1, 2)] == [
        [2, 2, 4, 2],
        [4, 6, 8, 4],
        [6, 8, 12, 6],
    ]


def test_two_params_are_tried_like_all_pairs() -> None:
    vary = ["width=8..96:8", "blocks=1..12"]
    pairs = product(range(8, 97, 8), range(1, 13))
    costs = {pair: measure("residual_mlp", {"width": pair[0], "blocks": pair[1]})[0] for pair in pairs}
    largest = max(cost for cost in costs.values() if cost <= 50_000)
    found = search("residual_mlp", vary, ["params <= 50k"])
    assert found.best
    assert found.best.verdicts[0].found == (largest,)
    assert found.tries == len(costs)
    assert found.proven
    assert all(not trial.fits for trial in found.beyond)
    most = search("residual_mlp", vary, ["params <= 50k"], maximize="paths.op.total")
    assert most.best
    assert most.best.params["blocks"] == max(blocks for (_, blocks), cost in costs.items() if cost <= 50_000)


def test_networks_beyond_the_best_are_no_values_without_one() -> None:
    """A neighbour that is built first when the largest network is known changes no count."""
    found = search("residual_mlp", ["width=1..64", "blocks=1..64"], ["params <= 20k"])
    assert len(found.beyond) == 2
    assert (found.unfit, found.example) == (0, None)


def test_memory_is_a_budget() -> None:
    found = search("resnet_digits", ["widths:8"], ["saved <= 64MiB"], setup=TrainingSetup(64))
    more = search("resnet_digits", ["widths:8"], ["saved <= 64MiB"], setup=TrainingSetup(128))
    assert found.best
    assert more.best
    assert more.best.params["widths"][0] < found.best.params["widths"][0]


def test_none_fits() -> None:
    found = search("residual_mlp", ["blocks"], ["params <= 10"])
    assert found.best is None
    assert found.beyond[0].params == {"blocks": 1}


def test_the_end_of_a_range_is_the_best() -> None:
    found = search("residual_mlp", ["blocks=1..100"], ["params <= 1G"])
    assert found.best
    assert found.best.params == {"blocks": 100}
    assert found.beyond == ()


@pytest.mark.parametrize(
    ("vary", "budgets", "message"),
    [
        (["width"], [], "needs a budget"),
        (["width"], ["params >= 5"], "is no budget"),
        (["width"], ["params <= macs"], "is no budget"),
        (["width", "width"], ["params <= 5"], "two different ones"),
        (["width", "blocks", "width"], ["params <= 5"], "found 3"),
    ],
)
def test_what_is_no_search_is_said(vary: list[str], budgets: list[str], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        search("residual_mlp", vary, budgets)


def test_an_unknown_number_is_said() -> None:
    with pytest.raises(ConditionError, match="did you mean 'params'"):
        search("residual_mlp", ["width"], ["parms <= 5"])
