"""`assert` can ask for every number that `analyze --all --json` prints, and finds the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from archspec.api import elaborate, load
from archspec.cli.main import app
from compiler.analysis.compare.conditions import OPERATORS, answer, check_conditions, find_numbers, parse_condition
from tests.support.documents import graph_from

NETWORKS: dict[str, dict[str, Any]] = {
    "residual": {
        "inputs": {"x": [3, 8, 8]},
        "network": [
            {"conv": 8},
            {"repeat": {"n": 3, "body": [{"residual": {"body": ["batch_norm", "relu", {"conv": 8}]}}]}},
            {"mul": [[], ["global_avg_pool", {"conv": 8}, "sigmoid"]]},
            "global_avg_pool",
            "flatten",
            {"linear": 5},
        ],
    },
    "two": {
        "inputs": {"left": [3, 32, 32], "right": [3, 32, 32]},
        "network": [
            {"conv": {"out": 2}},
            {"output": "l"},
            {"from": "right"},
            {"conv": {"out": 2, "kernel": 7}},
            {"output": "r"},
        ],
    },
    "vector": {"inputs": {"x": [4]}, "network": [{"linear": 3}, "relu", {"linear": 2}]},
}


def list_numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The paths of all numbers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from list_numbers(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from list_numbers(inner, f"{path}[{number}]")
    elif isinstance(value, int | float):
        yield path, value


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_can_be_asked_for(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"archspec": 1, **NETWORKS[name]}))
    printed = CliRunner().invoke(app, ["analyze", str(path), "--all", "--json"]).output
    numbers = dict(list_numbers(json.loads(printed)))
    assert len(numbers) > 100
    graph, spec = elaborate(load(path)), load(path)
    conditions = [parse_condition(f"{key} == {key}") for key in numbers]
    for verdict, (key, number) in zip(check_conditions(graph, conditions, spec=spec), numbers.items(), strict=True):
        assert verdict.found == (number,), key
        assert verdict.holds
    families = {re.split(r"[.\[]", key, maxsplit=1)[0]: key for key in numbers}
    for key in families.values():  # alone, each is found too: what is computed follows from the key
        assert find_numbers(answer(graph, [key], spec=spec), key)[0].value == numbers[key]


def test_the_short_word_speaks_of_every_output_and_input() -> None:
    """The left output sees 3 of its input, the right one 7 of its own."""
    graph = graph_from({"archspec": 1, **NETWORKS["two"]})
    verdict = check_conditions(graph, [parse_condition("receptive_field <= 3")])[0]
    assert set(verdict.found) == {3, 7}
    assert verdict.holds is False
    assert check_conditions(graph, [parse_condition("receptive_field.by_output.l.left.size <= 3")])[0].holds
    assert check_conditions(graph, [parse_condition("receptive_field <= 7")])[0].holds


def test_lengths_that_no_path_has_are_none() -> None:
    graph = graph_from({"archspec": 1, **NETWORKS["residual"]})
    for text, holds in (("== 0", True), ("> 0", False), ("!= 1", True)):
        assert check_conditions(graph, [parse_condition(f"paths.block.by_length.777 {text}")])[0].holds is holds


@pytest.mark.parametrize("sign", OPERATORS)
def test_a_bound_decides_what_it_can(sign: str) -> None:
    """The witness: every number that a lower bound leaves possible."""
    from compiler.analysis.certainty import at_least
    from compiler.analysis.compare.conditions import Condition, MarkedNumber, Verdict

    compare: Callable[[int, int], bool] = {
        "<=": lambda a, b: a <= b,
        "<": lambda a, b: a < b,
        "==": lambda a, b: a == b,
        ">=": lambda a, b: a >= b,
        ">": lambda a, b: a > b,
        "!=": lambda a, b: a != b,
    }[sign]
    for least in range(5):
        for bound in range(5):
            answers = {compare(number, bound) for number in range(least, 100)}
            expected = answers.pop() if len(answers) == 1 else None
            number = MarkedNumber(least, "macs", at_least("something is unknown"))
            verdict = Verdict(Condition("", "macs", sign, Fraction(0)), (number,), (MarkedNumber(bound),))
            assert verdict.holds is expected, (least, bound)
            assert (verdict.undecided is None) == (expected is not None)
