"""Operations that the caller brings, as nodes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from archspec.ops.base import Pointwise
from archspec.ops.fields import Flag, Positive
from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of, places, unmarked


class Roll(Pointwise):
    """Turns the channels round by `steps`."""

    main: ClassVar[str | None] = "steps"

    steps: Positive
    way: Literal["up", "down"] = "up"
    weighted: Flag = False


def rolled(fields: str, **options: Any) -> Graph:
    text = HEAD + f"params: {{p: 2}}\nnetwork: [ext: {{use: roll, {fields}}}, relu]\n"
    return graph_of(text, extensions={"roll": Roll}, **options)


@pytest.mark.parametrize(
    ("fields", "op"),
    [
        ("steps: 3", Roll(steps=3)),
        ("steps: p + 1, way: down", Roll(steps=3, way="down")),
        ("steps: 4 / 2, weighted: p > 1", Roll(steps=2, weighted=True)),
        ("steps: in_channels", Roll(steps=4)),
    ],
)
def test_extension_has_the_fields_of_its_operation(fields: str, op: Roll) -> None:
    graph = rolled(fields)
    assert graph["ext_0"].op == op
    assert graph["relu_0"].inputs == ("ext_0",)


def test_extension_may_be_named_and_hold_defaults() -> None:
    text = HEAD + "network: [ext: {use: roll, steps: 1, name: turn}]\n"
    assert list(graph_of(text, extensions={"roll": Roll}).nodes) == ["x", "turn"]


@pytest.mark.parametrize(
    ("node", "code", "message"),
    [
        (
            "ext: {use: roll, steps: 1, ▸wy: up}",
            "unknown-field",
            "field 'wy' of the extension roll; did you mean 'way'?",
        ),
        ("ext: {use: roll, steps: ▸0}", "bad-value", "greater than or equal to 1"),
        ("ext: {use: roll, steps: ▸1 +}", "bad-expression", "'1 +' is not an expression"),
        ("ext: {use: roll, steps: ▸q}", "unknown-name", "unknown name 'q'"),
        ("ext: {use: roll, steps: ▸1 / 2}", "bad-value", "`steps` of ext should be a whole number, found 0.5"),
        ("ext: {use: roll, steps: ▸[1]}", "bad-value", "`steps` of the extension roll should be a whole number"),
        ("ext: {use: roll, steps: ▸{a: 1}}", "bad-value", "should be a whole number"),
        ("ext: {use: roll, steps: 1, way: ▸left}", "bad-value", "should be up or down"),
        ("ext: {use: roll, steps: 1, weighted: ▸1}", "wrong-type", "should be a boolean"),
        ("▸ext: {use: roll, way: up}", "missing-field", "needs `steps`"),
        ("▸ext: roll", "missing-field", "needs `steps`"),
    ],
)
def test_mistakes_in_an_extension(node: str, code: str, message: str) -> None:
    text, expected = unmarked(f"{HEAD}network: [{node}]\n")
    (mistake,) = mistakes_of(text, extensions={"roll": Roll})
    assert (mistake.code, places([mistake])) == (code, expected)
    assert message in mistake.message


def test_extension_that_the_caller_did_not_allow() -> None:
    (mistake,) = mistakes_of(HEAD + "network: [ext: roll]\n", extensions={"row": Roll})
    assert mistake.message == "the caller did not allow the extension 'roll'; allowed are row"
    (mistake,) = mistakes_of(HEAD + "network: [ext: roll]\n")
    assert mistake.message == "the caller did not allow the extension 'roll'"
