"""Patterns of names and templates: what they match, what they write, and how they refuse others."""

from __future__ import annotations

import re

import pytest

from archspec.spec.expressions import ExpressionError
from runtime.weights.name_patterns import NamePattern, NameTemplate


@pytest.mark.parametrize(
    ("pattern", "name", "numbers"),
    [
        ("a.i{k}.b", "a.i12.b", {"k": 12}),
        ("a.i{k}.b", "a.i12.b.c", None),
        ("a.i{k}.b", "a.i.b", None),
        ("a.*.b", "a.x_0.b", {}),
        ("a.*.b", "a.x.y.b", None),
        ("a.*_0.b", "a.x_0.b", {}),
        ("a.**.b", "a.b", {}),
        ("a.**.b", "a.x.y.b", {}),
        ("**.b", "b", {}),
        ("a.**.i{k}.**.b", "a.x.i3.y.z.b", {"k": 3}),
        ("a_<m>.b", "a_5b.b", {"m": "5b"}),
        ("a_<m>.b", "a_5b.c.b", None),
        ("<m>.i{k}.<n>", "x.i3.y_1", {"m": "x", "k": 3, "n": "y_1"}),
        ("a+b", None, None),
        ("a<b", None, None),
        ("a{b", None, None),
    ],
)
def test_patterns(pattern: str, name: str | None, numbers: dict[str, int | str] | None) -> None:
    if name is None:
        with pytest.raises(ValueError, match="should be made of names"):
            NamePattern.parse(pattern)
    else:
        assert NamePattern.parse(pattern).match(name) == numbers


def test_templates() -> None:
    assert NameTemplate.parse("a{k + 1}.b-{2 * k}").write({"k": 3}) == "a4.b-6"
    assert re.fullmatch(r"[a-z]+", NameTemplate.parse("plain").write())


def test_a_name_stands_once_in_a_pattern() -> None:
    with pytest.raises(ValueError, match=r"'k' in .* should be a name that stands there once"):
        NamePattern.parse("a{k}.<k>")


def test_words_of_the_pattern_stand_in_the_template() -> None:
    template = NameTemplate.parse("Mixed_<m>.<b>.conv{k}")
    assert template.write({"m": "5b", "b": "branch1x1", "k": 2}) == "Mixed_5b.branch1x1.conv2"
    with pytest.raises(ExpressionError, match="should name a word of the pattern, found 3"):
        template.write({"m": 3, "b": "x", "k": 1})
    with pytest.raises(ExpressionError, match="unknown name 'm'"):
        template.write({"b": "x", "k": 1})
