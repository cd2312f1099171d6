"""The search for parts to leave out: against every set of them, and never with held-out images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import to_onnx
from archspec.errors import ArchspecError
from compiler.passes.remove_bodies import RemovablePart, find_bodies
from runtime.experiments.lesion import measure_lesion, try_without
from runtime.experiments.pruning import (
    ALL_SETS,
    MAX_EXHAUSTIVE,
    ONE_BY_ONE,
    choose_parts,
    compare_files,
    search_all,
    search_greedily,
)
from runtime.training.run import Run
from tests.support.models import arrays_of


@dataclass(frozen=True)
class Toy:
    """A trial whose rank and MACs are made up."""

    parts: tuple[RemovablePart, ...]
    rank: float
    macs: int


def attempts(
    costs: dict[str, float], saved: dict[str, int], tried: list[Any]
) -> Callable[[Sequence[RemovablePart]], Any]:
    """Costs add up; without both `a` and `b` the network is lost."""

    def attempt(parts: Sequence[RemovablePart]) -> Any:
        names = {part.name for part in parts}
        tried.append(names)
        lost = sum(costs[name] for name in names) + (0.5 if {"a", "b"} <= names else 0)
        return Toy(tuple(parts), 1 - lost, 100 - sum(saved[name] for name in names))

    return attempt


COSTS = {"a": 0.01, "b": 0.01, "c": 0.02, "d": 0.03, "e": 0.2}
SAVED = {"a": 1, "b": 5, "c": 1, "d": 1, "e": 50}
PARTS = [RemovablePart(name, name, "x", "identity") for name in COSTS]


@pytest.mark.parametrize("floor", [1.0, 0.99, 0.97, 0.95, 0.94, 0.7, 0.3, 0.0])
def test_the_exhaustive_search_finds_the_best_of_all_sets(floor: float) -> None:
    """Against every set, listed and compared."""
    attempt = attempts(COSTS, SAVED, [])
    every = [attempt(chosen) for size in range(1, 6) for chosen in combinations(PARTS, size)]
    fitting = [trial for trial in every if trial.rank >= floor]
    best = max(fitting, key=lambda trial: (len(trial.parts), -trial.macs, trial.rank), default=None)
    found = search_all(PARTS, attempts(COSTS, SAVED, []), floor)
    assert (found and found.parts) == (best and best.parts)


def test_the_greedy_search_takes_what_costs_least_and_stops_in_time() -> None:
    tried: list[Any] = []
    found: Any = search_greedily(PARTS, attempts(COSTS, SAVED, tried), 0.939)
    assert [part.name for part in found.parts] == ["b", "c", "d"], "a costs as little as b, and saves less"
    assert found.rank >= 0.939
    assert len(tried) == 5 + 4 + 3 + 2
    assert search_greedily(PARTS, attempts(COSTS, SAVED, []), 0.995) is None


def test_a_part_inside_another_is_not_counted_twice() -> None:
    parts = [RemovablePart(name, name, "x", "identity") for name in ("r.body.s", "r", "r2")]
    tried: list[Any] = []
    zero = dict.fromkeys(("r.body.s", "r", "r2"), 0)
    found: Any = search_all(parts, attempts(dict(zero), {**zero, "r": 9}, tried), 0.5)
    assert {part.name for part in found.parts} == {"r", "r2"}
    assert {"r.body.s", "r"} not in tried


def test_the_choice_keeps_to_its_budget(run: Run) -> None:
    told: list[tuple[int, int]] = []
    found = choose_parts(run, 0.1, images=256, on_step=lambda *step: told.append(step))
    assert found.of == 6 <= MAX_EXHAUSTIVE
    assert found.search == "all sets"
    split = run.draw_training(256, 0)
    assert found.before.score == try_without(run, (), split).score
    assert found.after.score == try_without(run, found.parts, split).score >= found.before.score - 0.1
    for parts in combinations(find_bodies(run.graph).values(), len(found.parts) + 1):
        assert try_without(run, parts, split).score < found.before.score - 0.1
    assert found.held_out_after == try_without(run, found.parts, run.data.held_out).score
    assert told[-1] == (found.tried, 64)
    row = found.to_dict()
    assert row["left_out"] == [part.name for part in found.parts]
    assert row["macs"]["before"] - row["macs"]["after"] == sum(
        item.macs for item in measure_lesion(run).removals if item.name in row["left_out"]
    )


def test_a_large_budget_takes_everything_and_none_may_take_nothing(run: Run) -> None:
    everything = choose_parts(run, 0.99, images=64)
    assert len(everything.parts) == 6
    assert not find_bodies(everything.after.graph)
    assert choose_parts(run, 0.0, images=64).after.score >= choose_parts(run, 0.0, images=64).before.score


def test_the_greedy_choice_on_a_network(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.experiments.pruning.MAX_EXHAUSTIVE", 2)
    found = choose_parts(run, 0.1, images=128)
    assert found.search == "one by one"
    assert found.after.score >= found.before.score - 0.1
    order = list(find_bodies(run.graph))
    assert [order.index(part.name) for part in found.parts] == sorted(order.index(part.name) for part in found.parts)


def test_the_choice_never_sees_the_held_out_images(run: Run) -> None:
    """Other held-out images, another figure of them, and the same choice."""
    nonsense = replace(arrays_of(run.data.test), targets=np.zeros_like(run.data.held_out.labels))
    other = replace(run, data=replace(run.data, test=nonsense))
    first, second = choose_parts(run, 0.05, images=64), choose_parts(other, 0.05, images=64)
    assert first.parts == second.parts
    assert first.after.score == second.after.score
    assert first.held_out_before != second.held_out_before


@pytest.mark.parametrize("budget", [-0.1, 1.0, float("nan")])
def test_a_budget_is_a_share(run: Run, budget: float) -> None:
    with pytest.raises(ArchspecError, match="a budget is a share from 0 to below 1"):
        choose_parts(run, budget)


def test_the_bound_of_a_search_is_met(run: Run) -> None:
    """Where every set fails, the exhaustive search tries them all; the greedy one tries most where all parts go."""
    for search, floor in ((ALL_SETS, 2.0), (ONE_BY_ONE, -9.0)):
        tried: list[Any] = []
        attempt = attempts(COSTS, SAVED, tried)
        attempt(())  # the whole network
        found = search.find(PARTS, attempt, floor)
        assert (found is None) == (floor > 1)
        assert len(tried) == search.bound(len(PARTS))


def test_two_files_are_compared_by_size_and_time(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.experiments.pruning.TIMED_SECONDS", 0.05)
    whole, pruned = tmp_path / "whole.onnx", tmp_path / "pruned.onnx"
    smaller = try_without(run, tuple(find_bodies(run.graph).values()), run.data.held_out)
    to_onnx(run.graph, run.weights, whole, verify=False)
    to_onnx(smaller.graph, smaller.weights, pruned, verify=False)
    found = compare_files(whole, pruned).to_dict()
    assert found["bytes"] == {"before": whole.stat().st_size, "after": pruned.stat().st_size}
    assert found["bytes"]["after"] < found["bytes"]["before"]
    assert all(found["time_ratio"][batch] > 0 for batch in ("1", "32"))
