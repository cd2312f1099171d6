"""Accepted sizes: which values they hold, in words, and what is read of a file is what was written into it."""

from __future__ import annotations

import json

import pytest

from archspec.errors import ArchspecError, ModelError
from compiler.onnx_file.accepted import AcceptedSize, parse_sizes, print_sizes, vary_apart
from compiler.onnx_file.metadata import SIZES, read_sizes

ROWS = [
    AcceptedSize(8, 8, 0),
    AcceptedSize(8, 1, 1),
    AcceptedSize(572, 188, 16),
    AcceptedSize(32, 2, 10, 42),
    AcceptedSize(3, 2, 1, 5),
    AcceptedSize(4, 2, 2, 4),
]


@pytest.mark.parametrize("rule", ROWS, ids=str)
def test_a_size_is_accepted_where_the_row_has_it(rule: AcceptedSize) -> None:
    end = 601 if rule.last is None else rule.last + 1
    row = {rule.value} if not rule.step else set(range(rule.first, end, rule.step))
    assert {size for size in range(-3, 601) if size in rule} == row
    assert "8" not in rule
    for size in range(1, 60):
        assert abs(rule.nearest(size) - size) == min(abs(there - size) for there in row)


@pytest.mark.parametrize(
    ("rule", "row", "values"),
    [
        (ROWS[0], "8 alone", "only 8"),
        (ROWS[1], "any from 1", "1, 2, 3, … (written for 8)"),
        (ROWS[2], "188 + 16·k", "188, 204, 220, … (written for 572)"),
        (ROWS[3], "2 + 10·k up to 42", "2, 12, 22, …, 42 (written for 32)"),
        (ROWS[4], "2 to 5", "2, 3, 4, …, 5 (written for 3)"),
        (ROWS[5], "2 and 4", "2, 4 (written for 4)"),
        (AcceptedSize(8, 4, 4, beside={"W": 6}), "4 + 4·k while W is 6", "4, 8, 12, … (written for 8) while W is 6"),
        (AcceptedSize(8, 4, 4, complete=False), "4 + 4·k of those tried", "4, 8, 12, … (written for 8)"),
    ],
)
def test_a_size_in_words(rule: AcceptedSize, row: str, values: str) -> None:
    assert (str(rule), rule.list_values()) == (row, values)


def test_a_row_begins_where_it_is_asked_to() -> None:
    assert ROWS[2].sample(200, 3) == [204, 220, 236]
    assert ROWS[3].sample(30, 3) == [22, 32, 42]  # the last ones
    assert ROWS[0].sample(1, 3) == [8]


def test_what_is_written_is_read() -> None:
    rules = {"H": AcceptedSize(8, 4, 4, beside={"W": 6}), "W": AcceptedSize(6, 2, 2, 6), "D": AcceptedSize(5, 5, 0)}
    text = print_sizes(rules)
    assert list(json.loads(text)) == ["D", "H", "W"]
    assert parse_sizes(text, "sizes") == rules
    assert read_sizes(SIZES.write(rules)) == rules
    assert read_sizes({}) == {}
    other = rules | {"D": AcceptedSize(6, 6, 0)}
    assert parse_sizes(print_sizes(other), "sizes") != rules


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "is not valid JSON"),
        ("[1]", "must be a JSON object, found a list"),
        ('{"H": 8}', "H must be a JSON object, found an integer"),
        ('{"H": {}}', "H lacks the key 'value'"),
        ('{"H": {"value": 8.5}}', "H: value must be an integer, found a number"),
        ('{"H": {"value": 0}}', "H: value must be between 1 and"),
        ('{"H": {"value": 8, "first": 4}}', "H lacks the key 'step'"),
        ('{"H": {"value": 8, "last": 4}}', "H has the unknown key 'last'"),
        ('{"H": {"value": 8, "first": 4, "step": 4, "beside": ["W"]}}', "H: beside must be a list of other sizes"),
        ('{"H": {"value": 8}, "H": {"value": 9}}', "the key 'H' stands twice"),
    ],
)
def test_malformed_sizes_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ArchspecError, match=problem):
        parse_sizes(text, "sizes")
    with pytest.raises(ModelError, match=r"the metadata 'archspec\.sizes'"):
        read_sizes({"archspec.sizes": text})


def test_of_sizes_that_depend_on_each_other_the_first_varies() -> None:
    tied = {"H": AcceptedSize(8, 4, 4, beside={"W": 6}), "W": AcceptedSize(6, 2, 2, beside={"H": 8})}
    assert vary_apart(tied) == ["H"]
    assert vary_apart({"H": ROWS[1], "D": ROWS[0], "W": ROWS[2]}) == ["H", "W"]
