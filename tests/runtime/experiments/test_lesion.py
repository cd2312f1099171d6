"""Lesions against the network with zeros in a body's place; the plain twin; the search for parts to skip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from archspec.ops import Conv, Linear
from archspec.spec.zoo import zoo_specs
from compiler.onnx_file.metadata import SETTINGS
from compiler.passes.remove_bodies import Part, find_bodies
from runtime.experiments.lesion import list_parts, measure_lesion, try_without
from runtime.experiments.skipping import EXHAUSTIVE, choose_parts, search_all, search_greedily
from runtime.experiments.twin import drop_shortcuts, read_recipe, write_twin
from runtime.training.run import Run, build_module
from tests.support.runs import QUICK, build


def score_with_zeros(run: Run, part: Part) -> float:
    """The accuracy on held-out images of the whole network in torch, in which a body's last layer gives zeros."""
    module = build_module(run.graph, run.weights).eval()
    last = module.get_submodule(run.graph[part.result].inputs[-1])
    last.register_forward_hook(lambda layer, inputs, output: torch.zeros_like(output))
    with torch.no_grad():
        answers = module(torch.from_numpy(run.data.test.images)).argmax(1).numpy()
    return float((answers == run.data.test.labels).mean())


def test_each_removal_is_the_network_with_zeros(run: Run) -> None:
    told: list[tuple[int, int]] = []
    found = measure_lesion(run, on_part=lambda *step: told.append(step))
    parts = find_bodies(run.graph)
    assert [item.name for item in found.removals] == list(parts)
    assert [item.score for item in found.removals] == [score_with_zeros(run, part) for part in parts.values()]
    assert len({item.score for item in found.removals} | {found.score}) > 1, "the control: bodies are not alike"
    assert told == [(done, 6) for done in range(1, 7)]
    assert (found.metric, found.images, found.data) == ("accuracy", 360, "digits")


def test_what_goes_with_a_body(run: Run) -> None:
    """Two 3×3 convolutions with their normalizations: 2 · (9 · 8 · 8 + 2 · 8) parameters; at 8×8, 4×4 and 2×2."""
    found = measure_lesion(run)
    assert [item.parameters for item in found.removals] == [2 * (9 * 8 * 8 + 2 * 8)] * 6
    assert [item.macs for item in found.removals] == [2 * 9 * 8 * 8 * side * side for side in (8, 8, 4, 4, 2, 2)]
    assert found.to_dict()["removals"][2]["stays"] == "shortcut", "its stride changes the shape"


def test_nothing_can_be_left_out(run: Run, tmp_path: Path) -> None:
    graph = build(tmp_path, ["flatten", {"linear": 10}], [1, 8, 8])
    with pytest.raises(ArchspecError, match="net has no residual or dense bodies, and no layer that keeps the shape"):
        list_parts(replace(run, graph=graph))


def test_the_plain_twin_has_the_same_layers(run: Run, tmp_path: Path) -> None:
    twin = elaborate(write_twin(run.spec, tmp_path))
    assert twin.name == "resnet_digits_plain"
    assert not find_bodies(twin)
    kernels = [[node.op for node in graph if isinstance(node.op, Conv | Linear)] for graph in (run.graph, twin)]
    assert [op for op in kernels[0] if getattr(op, "kernel", 3) == 3] == kernels[1]
    depths = {"depths": [2, 2, 2, 2], "classes": 1000}
    resnet, plain = load("resnet18"), elaborate(load("plain18", depths))
    made = elaborate(write_twin(resnet, tmp_path / "18"))
    assert [(node.op, node.shape) for node in made] == [(node.op, node.shape) for node in plain], "He et al., 2015"


RESIDUAL = sorted(name for name in zoo_specs() if drop_shortcuts(data := load(name).to_data()) != data)


@pytest.mark.parametrize("name", RESIDUAL)
def test_each_residual_spec_has_a_plain_twin(name: str, tmp_path: Path) -> None:
    """Its layers are those of the bodies; where a body alone changes what follows, the twin says so as a spec does."""
    twin = elaborate(write_twin(load(name), tmp_path))
    assert not [node for node in twin if node.body is not None and node.op.kind == "add"]
    assert len(twin) < len(elaborate(load(name)))


def test_a_twin_keeps_names_taps_and_what_is_no_residual(tmp_path: Path) -> None:
    residual = {"name": "first", "body": [{"linear": {"out": 3, "name": "layer"}}, {"tap": "t"}], "survival": 0.5}
    data = {
        "defaults": {"residual": {"scaling": "stable"}},
        "network": [
            {"repeat": {"n": 2, "body": [{"residual": {"body": ["relu", {"linear": "i + 3"}]}}]}},
            {"residual": residual},
            {"dense": {"n": 1, "body": [{"residual": {"body": []}}]}},
        ],
    }
    plain = drop_shortcuts(data)
    assert plain["defaults"] == data["defaults"]
    assert plain["network"][0] == {
        "repeat": {"n": 2, "body": [{"when": {"test": True, "then": ["relu", {"linear": "i + 3"}]}}]}
    }
    assert plain["network"][1] == {"when": {"test": True, "then": residual["body"], "name": "first"}}
    assert plain["network"][2] == {"dense": {"n": 1, "body": [{"when": {"test": True, "then": []}}]}}


def test_a_spec_without_residuals_is_its_own_twin(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="vgg11 has no `residual`"):
        write_twin(load("vgg11"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_settings_of_a_run_are_read(run: Run) -> None:
    assert read_recipe(run) == QUICK
    for text in ("", "[]", '{"epochs": "many"}', '{"speed": 1}', "null"):
        with pytest.raises(ArchspecError, match="does not say how it was trained"):
            read_recipe(replace(run, metadata={**run.metadata, SETTINGS: text}))
    with pytest.raises(ArchspecError, match="does not say how it was trained"):
        read_recipe(replace(run, metadata={}))


@dataclass(frozen=True)
class Toy:
    """A trial whose score and MACs are made up."""

    parts: tuple[Part, ...]
    score: float
    macs: int


def attempts(costs: dict[str, float], saved: dict[str, int], tried: list[Any]) -> Callable[[Sequence[Part]], Any]:
    """Costs add up; without both `a` and `b` the network is lost."""

    def attempt(parts: Sequence[Part]) -> Any:
        names = {part.name for part in parts}
        tried.append(names)
        lost = sum(costs[name] for name in names) + (0.5 if {"a", "b"} <= names else 0)
        return Toy(tuple(parts), 1 - lost, 100 - sum(saved[name] for name in names))

    return attempt


COSTS = {"a": 0.01, "b": 0.01, "c": 0.02, "d": 0.03, "e": 0.2}
SAVED = {"a": 1, "b": 5, "c": 1, "d": 1, "e": 50}
PARTS = [Part(name, name, "x", "identity") for name in COSTS]


@pytest.mark.parametrize("floor", [1.0, 0.99, 0.97, 0.95, 0.94, 0.7, 0.3, 0.0])
def test_the_exhaustive_search_finds_the_best_of_all_sets(floor: float) -> None:
    """Against every set, listed and compared."""
    attempt = attempts(COSTS, SAVED, [])
    every = [attempt(chosen) for size in range(1, 6) for chosen in combinations(PARTS, size)]
    fitting = [trial for trial in every if trial.score >= floor]
    best = max(fitting, key=lambda trial: (len(trial.parts), -trial.macs, trial.score), default=None)
    found = search_all(PARTS, attempts(COSTS, SAVED, []), floor)
    assert (found and found.parts) == (best and best.parts)


def test_the_greedy_search_takes_what_costs_least_and_stops_in_time() -> None:
    tried: list[Any] = []
    found: Any = search_greedily(PARTS, attempts(COSTS, SAVED, tried), 0.939)
    assert [part.name for part in found.parts] == ["b", "c", "d"], "a costs as little as b, and saves less"
    assert found.score >= 0.939
    assert len(tried) == 5 + 4 + 3 + 2
    assert search_greedily(PARTS, attempts(COSTS, SAVED, []), 0.995) is None


def test_a_part_inside_another_is_not_counted_twice() -> None:
    parts = [Part(name, name, "x", "identity") for name in ("r.body.s", "r", "r2")]
    tried: list[Any] = []
    zero = dict.fromkeys(("r.body.s", "r", "r2"), 0)
    found: Any = search_all(parts, attempts(dict(zero), {**zero, "r": 9}, tried), 0.5)
    assert {part.name for part in found.parts} == {"r", "r2"}
    assert {"r.body.s", "r"} not in tried


def test_the_choice_keeps_to_its_budget(run: Run) -> None:
    told: list[tuple[int, int]] = []
    found = choose_parts(run, 0.1, images=256, on_trial=lambda *step: told.append(step))
    assert found.of == 6 <= EXHAUSTIVE
    assert found.search == "all sets"
    split = run.draw_training(256, 0)
    assert found.before.score == try_without(run, (), split).score
    assert found.after.score == try_without(run, found.parts, split).score >= found.before.score - 0.1
    for parts in combinations(find_bodies(run.graph).values(), len(found.parts) + 1):
        assert try_without(run, parts, split).score < found.before.score - 0.1
    assert found.held_out_after == try_without(run, found.parts, run.data.test).score
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
    monkeypatch.setattr("runtime.experiments.skipping.EXHAUSTIVE", 2)
    found = choose_parts(run, 0.1, images=128)
    assert found.search == "one by one"
    assert found.after.score >= found.before.score - 0.1
    order = list(find_bodies(run.graph))
    assert [order.index(part.name) for part in found.parts] == sorted(order.index(part.name) for part in found.parts)


def test_the_choice_never_sees_the_held_out_images(run: Run) -> None:
    """Other held-out images, another figure of them, and the same choice."""
    nonsense = replace(run.data.test, labels=np.zeros_like(run.data.test.labels))
    other = replace(run, data=replace(run.data, test=nonsense))
    first, second = choose_parts(run, 0.05, images=64), choose_parts(other, 0.05, images=64)
    assert first.parts == second.parts
    assert first.after.score == second.after.score
    assert first.held_out_before != second.held_out_before


@pytest.mark.parametrize("budget", [-0.1, 1.0, float("nan")])
def test_a_budget_is_a_share(run: Run, budget: float) -> None:
    with pytest.raises(ArchspecError, match="a budget is a share from 0 to below 1"):
        choose_parts(run, budget)
