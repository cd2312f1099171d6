"""The names that hold in a whole spec: expressions in params, `let`, and what follows when a param is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.errors import Place, SpecError
from archspec.spec.definitions import Definition, Definitions, read_definition
from archspec.spec.load import load
from tests.archspec.spec.texts import (
    HEAD,
    codes,
    graph_of,
    mistakes_in,
    mistakes_of,
    places,
    shapes,
    spec_of,
    unmarked,
    write,
)

WIDTHS = HEAD + (
    "params: {base: 3, widths: [base, 2 * base, 'base * 2 ** 2'], deep: len(widths) > 2}\n"
    "let: {last: 'widths[-1]', pairs: [[base, last], [1, 2]]}\n"
)
NETWORK = """\
network:
  - conv: last
  - repeat: {each: {w: widths}, body: [conv: w]}
  - when: {test: deep, then: [conv: "pairs[0][0]"]}
"""


def test_each_name_sees_those_before_it() -> None:
    spec = spec_of(WIDTHS + NETWORK)
    assert dict(spec.params) == {"base": 3, "widths": [3, 6, 12], "deep": True}
    assert dict(spec.let) == {"last": 12, "pairs": [[3, 12], [1, 2]]}
    assert list(shapes(graph_of(WIDTHS + NETWORK)).values()) == ["12×8×8", "3×8×8", "6×8×8", "12×8×8", "3×8×8"]


def test_what_follows_from_a_param_that_is_set_follows() -> None:
    spec = spec_of(WIDTHS + NETWORK, params={"base": 5})
    assert (spec.params["widths"], spec.let["last"]) == ([5, 10, 20], 20)
    cut = spec_of(WIDTHS + NETWORK, params={"widths": [1, 2]})
    assert (cut.params["deep"], cut.let["last"]) == (False, 2)
    assert cut.with_params({"base": 9}).params["widths"] == [1, 2]


def test_names_hold_in_inputs_defaults_and_blocks() -> None:
    text = (
        "archspec: 1\nparams: {c: 2}\nlet: {twice: 2 * c}\ninputs: {x: [twice, 8, 8]}\n"
        "defaults: {conv: {out: twice + 1}}\nblocks: {b: {args: {w: int = twice}, body: [conv: w]}}\n"
        "network: [conv, b]\n"
    )
    assert list(shapes(graph_of(text)).values()) == ["5×8×8", "4×8×8"]
    assert list(shapes(graph_of(text, params={"c": 3})).values()) == ["7×8×8", "6×8×8"]


def test_a_variant_replaces_params_by_expressions_too(tmp_path: Path) -> None:
    write(tmp_path, WIDTHS + NETWORK, "base.yaml")
    variant = load(write(tmp_path, "archspec: 1\nextends: base\nparams: {widths: [base + 1, 7], base: 4}\n"))
    assert (dict(variant.params), variant.let["last"]) == ({"base": 4, "widths": [5, 7], "deep": False}, 7)


def test_the_document_that_is_written_keeps_the_expressions(tmp_path: Path) -> None:
    data = spec_of(WIDTHS + NETWORK, params={"base": 5}).to_data()
    assert data["params"] == {"base": 5, "widths": ["base", "2 * base", "base * 2 ** 2"], "deep": "len(widths) > 2"}
    assert data["let"] == {"last": "widths[-1]", "pairs": [["base", "last"], [1, 2]]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params: {a: ▸b, b: 1}\n", ["unknown-name"]),
        ("params: {a: ▸linear}\n", ["unknown-name"]),
        ("params: {a: ▸1 / 0, b: 2 * a, c: ▸d, e: b + c}\n", ["bad-expression", "unknown-name"]),
        ("params: {a: ▸'2 ** 40'}\n", ["bad-param"]),
        ("params: {a: [1, ▸'2 +']}\n", ["bad-expression"]),
        ("params: {a: ▸in_channels}\n", ["unknown-name"]),
        ("params: {a: ▸{b: 1}}\n", ["bad-param"]),
        ("params: {a: 1}\nlet: {▸a: 2}\n", ["duplicate-name"]),
        ("let: {a: ▸b}\n", ["unknown-name"]),
        ("let: {▸in_channels: 1}\n", ["bad-name"]),
        ("let: ▸3\n", ["wrong-type"]),
    ],
)
def test_mistakes_stand_at_their_places(text: str, expected: list[str]) -> None:
    text, marks = unmarked(HEAD + text + "network: [relu]\n")
    mistakes = mistakes_of(text)
    assert codes(mistakes) == expected
    assert [place[0] for place in places(mistakes)] == [place[0] for place in marks]


def test_what_a_set_param_breaks_is_told_where_it_is_written(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "params: {l: [1, 2]}\nlet: {second: 'l[1]'}\nnetwork: [conv: second]\n")
    (mistake,) = mistakes_in(path, params={"l": [1]})
    assert (mistake.place.line, mistake.message) == (4, "`second`: 'l[1]' has no value: index 1 in a list of 1")
    (mistake,) = mistakes_in(path, params={"l": "[1, second]"})
    assert "expressions stand in a spec" in mistake.message


def test_a_variant_cannot_change_let(tmp_path: Path) -> None:
    write(tmp_path, WIDTHS + NETWORK, "base.yaml")
    (mistake,) = mistakes_in(write(tmp_path, "archspec: 1\nextends: base\nlet: {last: 3}\n"))
    assert mistake.code == "bad-variant"


def test_definitions_name_no_value_that_only_follows() -> None:
    def define(value: Any) -> Definition:
        return Definition(read_definition(value), value, Place("a.yaml", 1))

    wrong = Definitions({"a": define("z"), "b": define("a")}, {"c": define(["b", 1]), "d": define(2)})
    with pytest.raises(SpecError) as caught:
        wrong.evaluate()
    assert [mistake.message for mistake in caught.value.diagnostics] == [
        "`a`: unknown name 'z'; no names are known here"
    ]
