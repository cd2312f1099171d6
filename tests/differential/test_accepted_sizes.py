"""What is printed of the sizes that random specs accept, held against compiling them anew at every size of a range."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.errors import SpecError
from archspec.spec.spec import Spec
from compiler.graph import Graph
from compiler.onnx_file.accepted import AcceptedSize, vary_apart
from compiler.sizes.accepted_sizes import accepted_sizes
from tests.differential.sized_specs import Maker

REACH = 60
"""Sizes that are tried, from 1."""

SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 150))]
EACH = 3
"""Specs of one seed that compile at their own sizes."""


def read(folder: Path, seed: int) -> Spec:
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(Maker(seed).make()), encoding="utf-8")
    return load(path)


def compile_or_none(spec: Spec, sizes: Mapping[str, int]) -> Graph | None:
    try:
        return elaborate(spec, sizes)
    except SpecError:
        return None


def draw_specs(folder: Path, seed: int) -> Iterator[tuple[Spec, Graph]]:
    """Specs that compile, with their graphs."""
    found = 0
    for number in range(1000 * seed, 1000 * seed + 200):
        spec = read(folder, number)
        graph = compile_or_none(spec, {})
        if graph is not None:
            yield spec, graph
            found += 1
        if found == EACH:
            return


def fits(spec: Spec, graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether the spec compiles at these sizes to the same network, with weights of the same names and shapes."""
    other = compile_or_none(spec, {**graph.sizes, **sizes})
    if other is None:
        return False
    same = {name: weight.shape for name, weight in other.weights.items()} == {
        name: weight.shape for name, weight in graph.weights.items()
    }
    assert not same or other.digest() == graph.resize(sizes).digest()
    return same


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_say_what_every_size_says(seed: int, tmp_path: Path) -> None:
    for spec, graph in draw_specs(tmp_path, seed):
        for name, rule in accepted_sizes(graph).items():
            fitting = {size for size in range(1, REACH) if fits(spec, graph, {name: size})}
            check_rule(rule, graph.sizes[name], fitting)


def check_rule(rule: AcceptedSize, value: int, fitting: set[int]) -> None:
    """No size is promised that does not fit; "alone" has no other; a row goes on as long as its sizes fit."""
    row = {size for size in range(1, REACH) if size in rule}
    assert row <= fitting
    assert value in row
    assert rule.complete
    if not rule.dynamic:
        assert fitting == {value}
    assert rule.first - rule.step not in fitting - row
    if rule.last is not None:
        assert rule.last + rule.step not in fitting - row


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_that_do_not_name_each_other_fit_together(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for spec, graph in draw_specs(tmp_path, seed):
        rules = accepted_sizes(graph)
        for _ in range(4):
            sizes = {name: chance.choice(rules[name].sample(chance.randint(1, REACH), 3)) for name in vary_apart(rules)}
            assert fits(spec, graph, sizes), (spec, sizes)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_nearest_size_is_the_nearest(seed: int, tmp_path: Path) -> None:
    """A message at a size that does not fit names what it accepts, and no size nearer than the nearest fits."""
    chance = random.Random(seed)
    for spec, graph in draw_specs(tmp_path, seed):
        if len(graph.sizes) > 1:
            continue
        wanted = chance.randint(1, REACH)
        (name,) = graph.sizes
        message = find_message(spec, {name: wanted})
        hint = re.search(r"nearest: (\d+)(?:; (\d+) fits too)?", message)
        near = [int(size) for size in hint.groups() if size] if hint else []
        distances = range(min((abs(size - wanted) for size in near), default=REACH if message else 0))
        sizes = {wanted + sign * distance for distance in distances for sign in (1, -1)} - {1}
        assert not any(compile_or_none(spec, {name: size}) for size in sizes if size > 0), message
        assert all(compile_or_none(spec, {name: size}) for size in near)


HINT = re.compile(r"(\w) accepts [^;]*; nearest: (\d+)(?:; (\d+) fits too)?")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_nearest_size_fits_beside_the_others_as_they_are_wanted(seed: int, tmp_path: Path) -> None:
    """Where one of several sizes is enough, each that is named is the nearest of its own, and none is left out."""
    chance = random.Random(seed)
    for spec, graph in draw_specs(tmp_path, 1000 + seed):
        wanted = {name: chance.randint(1, REACH // 2) for name in graph.sizes}
        message = find_message(spec, wanted) if len(wanted) > 1 else ""
        near = {
            name: min(map(int, filter(None, found)), key=partial(_distance, wanted[name]))
            for name, *found in HINT.findall(message)
        }
        fitting = {
            name: {size for size in range(2, REACH) if compile_or_none(spec, {**wanted, name: size})} for name in wanted
        }
        distances = {name: min(_distance(wanted[name], size) for size in row) for name, row in fitting.items() if row}
        if near and distances:
            assert {name: _distance(wanted[name], size) for name, size in near.items()} == distances, message


def _distance(wanted: int, size: int) -> int:
    return abs(size - wanted)


def find_message(spec: Spec, sizes: Mapping[str, int]) -> str:
    """Why the spec does not compile; nothing where it does."""
    try:
        elaborate(spec, sizes)
    except SpecError as error:
        return error.diagnostics[0].message
    return ""


def test_a_false_rule_would_be_found() -> None:
    """The controls of `check_rule`."""
    even = {*range(2, REACH, 2)}
    check_rule(AcceptedSize(8, 2, 2), 8, even)
    for wrong in (AcceptedSize(8, 1, 1), AcceptedSize(8, 8, 0), AcceptedSize(8, 4, 2), AcceptedSize(8, 2, 2, 20)):
        with pytest.raises(AssertionError):
            check_rule(wrong, 8, even)
