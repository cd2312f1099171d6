"""Rules of names: patterns, templates, and mistakes with their places."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archspec.api import load
from archspec.errors import SpecError
from archspec.weights import find_rules
from runtime.weights.name_rules import NameRules
from runtime.weights.origin import WeightOrigin
from tests.support.conversion import RULES, match, their_state


def test_a_variant_takes_the_rules_of_its_base(folder: Path) -> None:
    (folder / "mine.yaml").write_text("archspec: 1\nextends: resnet18\nparams: {classes: 3}\n", encoding="utf-8")
    (rules,) = find_rules("mine.yaml", load("mine.yaml").params)
    origin = rules.translate("repeat_0.i2.basic_block_0.residual_0.body.conv_1.weight")
    assert origin == WeightOrigin(("layer3.0.conv2.weight",))
    (folder / "loop.yaml").write_text("archspec: 1\nextends: loop\n", encoding="utf-8")
    assert find_rules("loop.yaml", {}) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("weight_rules: 1", "weight_rules: 2", "1:15", "should be 1"),
        ("sources:", "source:", "4:5", "unknown field 'rules.0.source'"),
        ("linear_0.weight: head", "linear_0.weight: [head]", "9:24", "names.linear_0.weight"),
        ("linear_0.weight: head", 'linear_0.weight: "{1 +}"', "9:24", "'1 +' is not an expression"),
        ("linear_0.weight: head", "linear_0.weight: a/b", "9:24", "'a/b' is no name"),
        ("linear_0.weight: head", "linear_0.weight: {name: head, shape: 3}", "9:37", "unknown field"),
        ("linear_0.weight: head", "lin/ear_0.weight: head", "9:7", "'lin/ear_0.weight' should be made of names"),
        ("linear_0.weight: head", "linear_0.{k}.{k}: head", "9:7", "should be a name that stands there once"),
        ("linear_0.weight: head", "linear_0.{k + 1}: head", "9:7", "should be a name that stands there once"),
        ("linear_0.weight: head", "linear_0.**: head", "9:7", "not at its end"),
        ("linear_0.weight: head", "a.**.b.**.c.**.d: head", "9:7", "at most 2 times"),
        ("linear_0.weight: head", "a..b: head", "9:7", "has an empty part"),
        ("width: [len(widths), 9]", "width: [len(depths), 9]", "5:18", "unknown name 'depths'"),
        ("width: [len(widths), 9]", "len: 3", "5:11", "should be a name that an expression can use"),
        ("width[0]}.fc", "width[2]}.fc", "7:29", "index 2 in a list of 2"),
        ("width[0]}.fc", "widht[0]}.fc", "7:29", "unknown name 'widht'; did you mean 'width'?"),
        ("width[0]}.fc", "k - 99}.fc", "7:29", "should be a whole number from 0"),
        ("width[0]}.fc", "k / 2 + 0.3}.fc", "7:29", "should be a whole number from 0"),
        ("linear_0.weight: head", "linear_0.weight: {reshape: true}", "9:24", "needs either `name` or `join`"),
        ("linear_0.weight: head", "linear_0.weight: {name: a, join: [b, c]}", "9:24", "needs either `name` or `join`"),
        ("linear_0.weight: head", "linear_0.weight: {join: [head]}", "9:24", "at least two names"),
        ("linear_0.weight: head", "linear_0.weight: {name: head, rows: [1]}", "9:24", "should be [start, stop]"),
        ("linear_0.weight: head", "linear_0.weight: {name: head, rows: 3}", "9:24", "should be [start, stop]"),
        (
            "linear_0.weight: head",
            "linear_0.weight: {name: head, rows: [0, rows / 3]}",
            "9:24",
            "for linear_0.weight: `rows` should be whole numbers",
        ),
        ("linear_0.weight: head", "linear_0.weight: {name: head, rows: [0, row]}", "9:24", "unknown name 'row'"),
        ("linear_0.weight: head", "linear_0.weight: {name: head, parts: 2}", "9:24", "whose `rows` are taken"),
        (
            "linear_0.weight: head",
            "linear_0.weight: {name: head, rows: [0, 1], parts: 257}",
            "9:24",
            "`parts` should be a whole number from 1 to 256, found 257",
        ),
        (
            "linear_0.weight: head",
            "linear_0.weight: {name: head, permute: [1, 2]}",
            "9:24",
            "should have each axis from 0 once",
        ),
        ("    names:\n", "    names: []\n    more:\n", "6:12", "names"),
        ("rules:\n", "rules: 3\nrest:\n", "2:8", "rules"),
    ],
)
def test_mistakes_in_rules_are_told_with_their_place(
    folder: Path, old: str, new: str, place: str, message: str
) -> None:
    assert old in RULES
    (folder / "net.weights.yaml").write_text(RULES.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        match(their_state())
    assert f"net.weights.yaml:{place}: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["- 1\n", "3\n"])
def test_rules_are_a_mapping(folder: Path, text: str) -> None:
    (folder / "net.weights.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match="rules are a mapping"):
        find_rules("net.yaml", {})


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES + "weight_rules: 1\n", encoding="utf-8")
    with pytest.raises(SpecError, match="duplicate-key"):
        find_rules("net.yaml", {})


def test_what_rules_leave_is_ignored_and_all_else_is_not(folder: Path) -> None:
    state = their_state() | {"aux.fc": torch.zeros(3), "aux.bias": torch.zeros(3)}
    assert match(state).unused == ("aux.fc", "aux.bias")
    (folder / "net.weights.yaml").write_text(
        RULES.replace("    names:", "    leaves: [aux]\n    names:", 1), encoding="utf-8"
    )
    conversion = match(state)
    assert conversion.is_whole
    assert match(state | {"auxiliary": torch.zeros(3)}).unused == ("auxiliary",)
    assert {"aux.fc", "aux.bias"} < {*conversion.ignored}


@pytest.mark.parametrize(
    ("entry", "left", "used"),
    [
        ("aux", ("aux", "aux.fc.weight"), ("aux1.fc", "x.aux")),
        ("**.index", ("a.b.index", "a.index"), ("index", "a.index.b", "a.my_index")),
        ("a.*.index", ("a.b.index",), ("a.b.c.index", "aaindex")),
    ],
)
def test_names_are_left_by_their_beginning_or_whole(entry: str, left: tuple[str, ...], used: tuple[str, ...]) -> None:
    rules = NameRules("net.weights.yaml", ("theirs",), {}, {}, (), (entry,))
    assert [name for name in (*left, *used) if rules.leaves_out(name)] == [*left]
