"""Conditions: their grammar, exact numbers, and what is said of those that cannot be read."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.api import elaborate, load
from archspec.spec.zoo import zoo_specs
from compiler.analysis.compare import conditions, search
from compiler.analysis.compare.conditions import (
    ALIASES,
    OPERATORS,
    answer,
    check_conditions,
    find_numbers,
    parse_condition,
)
from compiler.analysis.compare.units import UNITS, ConditionError
from compiler.analysis.memory.setup import TrainingSetup
from compiler.analysis.report import analyze
from compiler.graph import Graph


def check(name: str, *texts: str, **settings: Any) -> list[bool | None]:
    parsed = [parse_condition(text) for text in texts]
    setup = TrainingSetup(**settings)
    return [verdict.holds for verdict in check_conditions(elaborate(load(name)), parsed, setup=setup)]


def test_published_figures_of_resnet50() -> None:
    """25,557,032 parameters and 4.089 GMACs, as torchvision publishes them."""
    texts = ("params <= 25.6M", "macs < 4.2G", "paths.block.total == 65536", "params == 25_557_032", "paths == 2^16")
    assert check("resnet50", *texts) == [True] * 5
    assert check("resnet50", "params == 25557031", "params < 25.557032M", "paths != 2^16") == [False] * 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("25.6M", 25_600_000),
        ("25,557,032", 25_557_032),
        ("25_557_032", 25_557_032),
        ("4.2 G", 4_200_000_000),
        ("1.5k", 1500),
        ("2T", 2 * 10**12),
        ("3Ki", 3 * 1024),
        ("1e3", 1000),
        ("2.5E-3", Fraction(1, 400)),
        ("-4", -4),
        ("2^58", 288_230_376_151_711_744),
    ],
)
def test_numbers_are_exact(text: str, value: Fraction | int) -> None:
    assert parse_condition(f"params <= {text}").bound == value


@pytest.mark.parametrize(("text", "value"), [("8GiB", 2**33), ("8 GB", 8 * 10**9), ("1B", 1), ("1.5KiB", 1536)])
def test_bytes(text: str, value: int) -> None:
    assert parse_condition(f"peak <= {text}").bound == value


@given(
    st.decimals(0, 10**9, places=3).map(lambda number: f"{number:f}"),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(sorted(OPERATORS)),
    st.sampled_from(["", " ", "  "]),
)
def test_what_is_written_is_read(number: str, unit: str, operator: str, space: str) -> None:
    """The witness for the number is Python's decimal."""
    condition = parse_condition(f"{space}macs{space}{operator}{space}{number}{unit}{space}")
    assert condition.operator == operator
    assert condition.bound == Fraction(Decimal(number)) * UNITS[unit]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    assert condition.operator in OPERATORS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params", "a condition is KEY"),
        ("params <= ", "a condition is KEY"),
        ("<= 5", "a condition is KEY"),
        ("params =< 5", "a condition is KEY"),
        ("params = 5", "a condition is KEY"),
        ("params <= 5mb", "'5mb' is no number"),
        ("params <= 5MB", "no number of bytes"),
        ("params <= 1,00", "'1,00' is no number"),
        ("params <= 5e9999", "is no number"),
        ("params <= 1e-99^999", "a power is that of a whole number"),
        ("params <= 9999999^999", "a power is that of a whole number"),
        ("p" * 500 + " < 3", "a condition is KEY"),
        ("parms <= 5", "did you mean 'params'?"),
        ("params.trainable <= 5", "'params' stands for parameters.trainable and nothing in it: write parameters.…"),
        ("macs.totl <= 5", "there is total, convention, conventions; did you mean 'total'?"),
        ("macs.total.x <= 5", "macs.total is the number 50100"),
        ("paths.op <= 5", "it has paths.op.total, paths.op.by_length"),
        ("macs.convention <= 5", "is the text 'conv-linear'"),
        ("outputs.output[1] <= 5", "there are 1 entries, so no [1]"),
        ("outputs[0] <= 5", "outputs is an object"),
        ("nodes <= inputs", "inputs is an object"),
        ("nodes[0].shape == nodes[1].shape[5]", "no [5]"),
        ("paths.op.by_length <= 5", "is an object"),
    ],
)
def test_what_cannot_be_checked_is_said(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(message)):
        check("residual_mlp", text)


def test_a_count_that_takes_long_is_made_where_it_is_asked_for() -> None:
    parsed = [parse_condition(f"paths.block.by_length.2 == {comb(3000, 2)}")]
    assert check_conditions(elaborate(load("residual_mlp", {"blocks": 3000})), parsed)[0].holds


def test_what_is_null_is_said() -> None:
    parsed = [parse_condition("nodes[0].block > 0")]
    with pytest.raises(ConditionError, match="is null: there is none"):
        check_conditions(elaborate(load("residual_mlp")), parsed)


def test_paths_into_the_analysis() -> None:
    graph = elaborate(load("hourglass2"))
    data = answer(graph, ["nodes[0].shape", "paths.op.by_length"])
    for path, numbers in {
        "outputs.heatmap0[0]": (16,),
        "nodes[0].shape": (3, 256, 256),
        "nodes[-1].macs": (data["nodes"][-1]["macs"],),
        "nodes.count": (len(graph),),
        "paths.op.by_output.heatmap0.total": (5456,),
    }.items():
        assert tuple(number.value for number in find_numbers(data, path)) == numbers


def test_keys_may_hold_dots() -> None:
    """Bodies are named by their place; eight of sixteen paths pass through the first (figure 11.4 of the book)."""
    assert check("residual_mlp", "paths.block.through.repeat_0.i0.residual_0 == 8") == [True]
    data = {"a": {"b.c": 1, "b": {"c": 2, "d": 3}}}
    assert [find_numbers(data, key)[0].value for key in ("a.b.c", "a.b.d")] == [1, 3]
    assert [(number.path, number.value) for number in find_numbers(data, "a.b.*")] == [("a.b.c", 2), ("a.b.d", 3)]


def test_a_list_stands_for_each_of_its_numbers() -> None:
    """The receptive field of ResNet-50 is 427 along both axes (Araujo et al., with the stride in the 3×3)."""
    assert check("resnet50", "receptive_field == 427", "receptive_field > 426", "receptive_field > 427") == [
        True,
        True,
        False,
    ]
    assert check("unet", "inputs.image == 572", "outputs.output[1] == outputs.output[2]") == [False, True]


def test_numbers_are_compared_with_numbers() -> None:
    assert check("resnet50", "params < macs", "macs < params", "flops == macs") == [True, False, False]


def test_only_what_is_asked_for_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(graph: Graph, spec: Any, **settings: Any) -> Any:
        asked.append((list(settings["wanted"]), settings["by_length"]))
        return analyze(graph, spec, **settings)

    monkeypatch.setattr(conditions, "analyze", record)
    assert check("resnet18", "params > 0", "paths > 0") == [True, True]
    assert check("resnet18", "peak > 0", "paths.op.by_length.29 == 1") == [True, True]
    assert asked == [([], False), (["memory"], True)]


def test_settings_reach_the_memory() -> None:
    """44,398,080 bytes are what autograd saves of ResNet-18 at batch 2."""
    assert check("resnet18", "saved == 44,398,080", "saved <= 43MiB", batch=2) == [True, True]
    assert check("resnet18", "saved == 44,398,080", "saved <= 43MiB", batch=4) == [False, False]


@pytest.mark.parametrize("name", sorted(zoo_specs())[::12])
def test_every_alias_leads_to_a_number(name: str) -> None:
    graph = elaborate(load(name))
    lacking = {"receptive_field"} if not graph.sizes else set()
    lacking |= {"output"} - set(graph.outputs)  # those of several outputs have names
    paths = [path for alias, path in ALIASES.items() if alias not in lacking]
    data = answer(graph, paths)
    assert all(find_numbers(data, path) for path in paths)


def test_verdicts_are_data() -> None:
    verdict, *_ = check_conditions(elaborate(load("resnet50")), [parse_condition("params <= 25.6M")])
    assert verdict.to_dict() == {
        "condition": "params <= 25.6M",
        "key": "parameters.trainable",
        "found": 25_557_032,
        "operator": "<=",
        "bound": 25_600_000,
        "holds": True,
    }


def test_short_words_stand_in_the_documentation() -> None:
    page = (Path(__file__).parents[4] / "docs" / "analysis" / "compare.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(\w+)` \| `([\w.*]+)` \|$", page, re.M)) == ALIASES


def test_numbers_in_the_documentation() -> None:
    page = (Path(__file__).parents[4] / "docs" / "analysis" / "compare.md").read_text(encoding="utf-8")
    assert f"Up to {search.MAX_EXHAUSTIVE} networks" in page
    assert f"bounded by {search.MAX_TRIES:,} networks and {search.MAX_BUILT_NODES:,} nodes" in page
    assert f"twice the candidate, at most {search.MAX_OPEN_TRIES} " in page


def test_estimates_of_the_signal_are_marked(tmp_path: Path) -> None:
    """The mark in a condition is the `~` that the table of the analysis has, by what its row says."""
    spec = tmp_path / "net.yaml"
    spec.write_text("archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork: [conv: 4, relu, max_pool: 3, conv: 4]\n")
    graph = elaborate(load(str(spec)))
    names = ("mean", "second_moment", "common", "gradient_second_moment")
    data = answer(graph, ["variance"])
    rows = data["variance"]
    seen = set()
    for index, row in enumerate(rows):
        for name, at in ((name, at) for name in names for at in (index, index - len(rows))):
            (number,) = find_numbers(data, f"variance[{at}].{name}")
            doubted = row["gradient_estimate" if name.startswith("gradient") else "estimate"]
            assert (number.mark is not None) == doubted, (index, name)
            seen.add(doubted)
    assert seen == {True, False}


def test_an_empty_object_has_nothing_in_it() -> None:
    with pytest.raises(ConditionError, match=r"there is no 'lint' in marks; there is nothing in it$"):
        check("mlp", "marks.lint.kind == 1")
