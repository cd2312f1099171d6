"""`fit` against building every network: numbers that grow, that fall in between, and values that give no network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.errors import Diagnostic, Place, SpecError
from archspec.ops import Input, Linear, Shape
from compiler.analysis.compare.conditions import parse_condition
from compiler.analysis.compare.fit import FitResult, fit
from compiler.analysis.compare.variation import parse_variation
from compiler.graph import Graph, Node, NodeSource

FEW = range(30)
MANY = range(30, 4000)

Family = Mapping[tuple[int, ...], int]
"""The parameters of each network, by the values of its params; where a value is not there, there is no network."""


def build(out: int) -> Graph:
    """A network with so many parameters."""
    source = NodeSource(Place("random"))
    x = Node("x", Input(dims=(1,)), (), Shape(1), source)
    linear = Node("linear", Linear(out=out, bias=False), ("x",), Shape(out), source)
    return Graph("line", {"x": x, "linear": linear}, {"y": "linear"})


def make_family(random: Random, counts: tuple[int, ...]) -> Family:
    """Numbers that grow, with gaps of a divisor or none, and with falls or none."""
    divisors = [random.choice((1, 1, 3, 8, 48, 64)) for _ in counts]
    falls = random.random() < 0.5
    family = {}
    for place in product(*(range(1, count + 1) for count in counts)):
        if any(value % divisor for value, divisor in zip(place, divisors, strict=True)):
            continue
        number = sum(value * value for value in place) + 1
        family[place] = max(1, number // 8) if falls and random.random() < 0.1 else number
    return family or {tuple(counts): 7}


def search(family: Family, counts: tuple[int, ...], budget: int, *, closed: bool) -> FitResult:
    names = ("a", "b")[: len(counts)]

    def build_or_refuse(values: Mapping[str, Any]) -> Graph:
        place = tuple(values[name] for name in names)
        if place not in family:
            raise SpecError([Diagnostic("shape-mismatch", "there is none", Place("random"))])
        return build(family[place])

    own = dict(zip(names, next(iter(family)), strict=True))
    texts = [f"{name}=1..{count}" if closed else name for name, count in zip(names, counts, strict=True)]
    variations = [parse_variation(text, own) for text in texts]
    return fit(build_or_refuse, own, variations, [parse_condition(f"params <= {budget}")])


def find_largest(family: Family, budget: int) -> tuple[int, ...] | None:
    """The witness. Of one param the largest value, of two the largest number, and of these the largest values."""
    fitting = {place: number for place, number in family.items() if number <= budget}
    by_value = all(len(place) == 1 for place in family)
    return max(fitting, key=lambda place: (0 if by_value else fitting[place], place), default=None)


def hold_against_all(seed: int) -> None:
    random = Random(seed)
    counts = (random.randint(70, 600),) if random.random() < 0.6 else (random.randint(5, 30), random.randint(5, 30))
    family = make_family(random, counts)
    budget = random.randint(1, max(family.values()) + 2)
    found = search(family, counts, budget, closed=True)
    largest = find_largest(family, budget)
    assert found.proven
    assert (tuple(found.best.params.values()) if found.best else None) == largest, seed


@pytest.mark.parametrize("seed", FEW)
def test_the_largest_is_that_of_trying_all(seed: int) -> None:
    hold_against_all(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(MANY.start, MANY.stop, 100))
def test_the_largest_of_many_is_that_of_trying_all(start: int) -> None:
    for seed in range(start, min(start + 100, MANY.stop)):
        hold_against_all(seed)


@pytest.mark.parametrize("seed", range(5))
def test_without_an_end_what_is_said_to_be_tried_was(seed: int) -> None:
    """The numbers go on beyond what is tried; up to there none larger fits."""
    random = Random(seed)
    family = make_family(random, (3000,))
    budget = random.randint(min(family.values()), 200_000)
    found = search(family, (3000,), budget, closed=False)
    assert found.best
    assert not found.proven
    best = found.best.params["a"]
    assert found.climbed
    assert found.climbed >= best
    assert family[best,] <= budget
    assert all(family.get((value,), budget + 1) > budget for value in range(best + 1, int(found.climbed) + 1)), seed


SPEC = """
archspec: 1
params: {{width: {own}, depth: 2}}
inputs: {{x: [3, 8, 8]}}
network:
  - conv: width
  - group_norm: {groups}
  - repeat: {{n: depth, body: [conv: width, relu]}}
  - when: {{test: width > {fall}, then: [max_pool: 2]}}
  - conv: width
"""


@pytest.mark.parametrize(
    ("groups", "fall", "vary", "budget"),
    [
        (48, 10**6, "width=48..480", "params <= 400k"),
        (48, 10**6, "width", "params <= 400k"),
        (8, 40, "width:8", "macs <= 1M"),
        (8, 40, "width=8..160", "macs <= 1M"),
        (64, 200, "width=64..512", "macs <= 20M"),
    ],
)
def test_gaps_and_falls_of_specs(groups: int, fall: int, vary: str, budget: str, tmp_path: Any) -> None:
    """Groups that divide few widths, and a pool that stands behind wide layers alone."""
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.format(own=2 * groups, groups=groups, fall=fall))

    def build_at(values: Mapping[str, Any]) -> Graph:
        return elaborate(load(path, values))

    params = load(path).params
    found = fit(build_at, params, [parse_variation(vary, params)], [parse_condition(budget)])
    closed = [parse_variation(f"width={width}..{width}", params) for width in range(groups, 520, groups)]
    all_ = [fit(build_at, params, [alone], [parse_condition(budget)]).best for alone in closed]
    last = 480 if "480" in vary else 160 if "160" in vary else 512
    assert found.best
    assert found.best.params["width"] == max(one.params["width"] for one in all_ if one and one.params["width"] <= last)
    assert found.proven == (".." in vary)
