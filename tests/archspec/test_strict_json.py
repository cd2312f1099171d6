"""JSON that may be anybody's: Python's own reader is the witness of what is sound, and takes what is refused here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archspec.errors import ArchspecError
from archspec.strict_json import check_integer, check_keys, check_number, read_json


@pytest.mark.parametrize("text", ['{"a": [1, -2.5e3, true, null], "b": {"a": "é\\u00e9"}}', "[]", '"x"', b'{"a": 1}'])
def test_what_is_sound_is_read_as_python_reads_it(text: str | bytes) -> None:
    assert read_json(text, "it") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"a": 1, "a": 1}}', "it is not valid JSON: the key 'a' stands twice"),
        ('{"a": NaN}', "it is not valid JSON: NaN is no JSON number"),
        ("[-Infinity]", "it is not valid JSON: -Infinity is no JSON number"),
    ],
)
def test_what_python_lets_pass_is_refused(text: str, message: str) -> None:
    json.loads(text)
    with pytest.raises(ArchspecError, match=message):
        read_json(text, "it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not valid JSON: "),
        ("{} x", "it is not valid JSON: Extra data"),
        (b"\xff\xfe\xff", "it is not valid JSON: "),
        ("9" * 5000, "it is not valid JSON: "),
        ("[" * 100_000, "it is nested too deeply"),
    ],
    ids=["nothing", "more", "bytes", "digits", "depth"],
)
def test_what_python_refuses_is_a_mistake_with_a_name(text: str | bytes, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        read_json(text, "it")


def test_keys_are_those_that_are_known() -> None:
    value = {"width": 3, "depth": 2}
    assert check_keys(value, "it", ["width"], ["depth", "name"]) is value
    wrong: list[tuple[Any, str]] = [
        ({"depth": 2}, "it lacks the key 'width'"),
        ({"width": 3, "dept": 2}, r"unknown key 'dept'; did you mean 'depth'\? \(known: width, depth, name\)"),
        ([], "it must be a JSON object, found a list"),
        (None, "found null"),
        (True, "found true"),
        ("x", "found a string"),
    ]
    for found, message in wrong:
        with pytest.raises(ArchspecError, match=message):
            check_keys(found, "it", ["width"], ["depth", "name"])


def test_integers_lie_within_their_bounds() -> None:
    assert [check_integer(value, "it", 0, 5) for value in (0, 5)] == [0, 5]
    for value in (-1, 6):
        with pytest.raises(ArchspecError, match=f"it must be between 0 and 5, found {value}"):
            check_integer(value, "it", 0, 5)
    for found, kind in ((True, "true"), (1.0, "a number"), ("1", "a string"), (None, "null")):
        with pytest.raises(ArchspecError, match=f"it must be an integer, found {kind}"):
            check_integer(found, "it")


def test_numbers_are_finite() -> None:
    found = [check_number(value, "it") for value in (3, -2.5, 1 << 60)]
    assert found == [3.0, -2.5, 2.0**60]
    assert {type(value) for value in found} == {float}
    for endless in (10**400, json.loads("1e999"), json.loads("NaN")):
        with pytest.raises(ArchspecError, match="it must be finite"):
            check_number(endless, "it")
    for wrong, kind in ((False, "false"), ("3", "a string"), ({}, "an object")):
        with pytest.raises(ArchspecError, match=f"it must be a number, found {kind}"):
            check_number(wrong, "it")
