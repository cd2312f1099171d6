"""What may replace the params and sizes of a spec, and how it is read from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.errors import SpecError
from archspec.spec.params import parse_value
from tests.archspec.spec.texts import BASE, codes, mistakes_in, write


@pytest.mark.parametrize(
    ("params", "sizes", "expected"),
    [
        ({"b": 1}, {"W": 8}, [("unknown-param", "param b", "there is a, wide, list")]),
        ({"a": True}, {"W": 8}, [("bad-param", "param a", "should be a number, found a boolean")]),
        ({"a": "many"}, {"W": 8}, [("bad-param", "param a", "found 'many', which is not computed")]),
        ({"a": float("nan")}, {"W": 8}, [("bad-param", "param a", "`a` should be a number up to")]),
        ({"a": 1e300}, {"W": 8}, [("bad-param", "param a", "`a` should be a number up to")]),
        ({"list": [[["x"]]]}, {"W": 8}, [("bad-param", "param list", "found 'x', which is not computed")]),
        ({}, {"W": 8, "Q": 1}, [("unknown-size", "size Q", "no dynamic size 'Q'; there is H, W")]),
        ({}, {"W": 0}, [("bad-size", "size W", "from 1, found 0")]),
        ({}, {"W": 2**31}, [("bad-size", "size W", "found 2147483648")]),
        ({}, {"W": 2.5}, [("bad-size", "size W", "found 2.5")]),
        ({}, {"W": True}, [("bad-size", "size W", "found True")]),
        ({"a": 2.5}, {"W": 8}, [("bad-value", "spec.yaml", "`out` of conv should be a whole number, found 2.5")]),
        (
            {"a": [1], "b": 1},
            {"Q": 1},
            [("bad-param", "param a", ""), ("unknown-param", "param b", ""),
             ("unknown-size", "size Q", ""), ("missing-size", "spec.yaml", "")],
        ),
    ],
)  # fmt: skip
def test_what_a_caller_may_not_set(
    tmp_path: Path, params: dict[str, Any], sizes: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    found = mistakes_in(write(tmp_path, BASE), params=params, sizes=sizes)
    found.sort(key=lambda mistake: mistake.place.file.startswith(str(tmp_path)))
    assert codes(found) == [code for code, _, _ in expected]
    for mistake, (_, origin, message) in zip(found, expected, strict=True):
        assert origin in mistake.place.file
        assert message in mistake.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("010", 10),
        ("1e-3", 1e-3),
        ("true", True),
        ("[1, [2]]", [1, [2]]),
        ("on", "on"),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_values_on_the_command_line_are_read_as_in_a_spec(text: str, value: Any) -> None:
    assert parse_value(text, "--set a") == value


@pytest.mark.parametrize("text", ["", "[1", "\udcff", ".nan", "!!int 3", "\x00"])
def test_bad_values_on_the_command_line(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_value(text, "--set a")
    assert caught.value.diagnostics[0].place.file == "--set a"
