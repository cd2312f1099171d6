"""What blocks, defaults, names and extensions mean, read off the graph."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from archspec.ops import Conv
from archspec.ops.base import Pointwise
from archspec.ops.fields import Flag, Positive
from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, places, shapes, unmarked
from tests.support.listing import listing

# Blocks

BLOCKS = HEAD + "params: {base: 3, wide: true}\nblocks:\n"


def test_block_has_arguments_with_defaults_that_see_those_before() -> None:
    head = BLOCKS + (
        "  b:\n"
        "    args: {width: int, twice: int = 2 * width, rate: float = 1 / twice, deep: bool = wide, l: list}\n"
        "    let: {inner: twice + base, sum: 'inner + l[1]', from_outside: in_channels}\n"
        "    body: [conv: inner, conv: sum, dropout: rate, when: {test: deep, then: [conv: from_outside]}]\n"
    )
    graph = graph_of(head + "network: [b: {width: 2.0, l: [7, base + 5]}]\n")
    assert list(shapes(graph).values()) == ["7×8×8", "15×8×8", "15×8×8", "4×8×8"]
    assert graph["b_0.dropout_0"].op.model_dump() == {"rate": 0.25}
    assert graph["b_0.conv_0"].source.calls[0].text == "b(width=2, twice=4, rate=0.25, deep=true, l=[7, 8])"


def test_default_may_name_a_list_of_the_params() -> None:
    head = (
        HEAD
        + "params: {table: [5, 6]}\n"
        + "blocks: {b: {args: {l: list = table}, body: [repeat: {each: {w: l}, body: [conv: w]}]}}\n"
    )
    assert list(shapes(graph_of(head + "network: [b]\n")).values()) == ["5×8×8", "6×8×8"]


def test_arguments_are_valued_where_the_call_stands() -> None:
    head = BLOCKS + "  b: {args: {width: int}, body: [conv: 1, conv: width]}\n"
    network = "[conv: 6, repeat: {n: 1, as: k, body: [b: {width: in_channels + base + k}]}]"
    assert list(shapes(graph_of(f"{head}network: {network}\n")).values()) == ["6×8×8", "1×8×8", "9×8×8"]


@pytest.mark.parametrize("argument", ["name", "self", "path", "value", "node", "block"])
def test_arguments_may_have_any_name(argument: str) -> None:
    head = HEAD + f"blocks: {{b: {{args: {{{argument}: int}}, body: [conv: {argument}]}}}}\n"
    assert list(shapes(graph_of(head + f"network: [b: {{{argument}: 5}}]\n")).values()) == ["5×8×8"]


def test_handed_body_may_run_often_and_pass_through_blocks() -> None:
    head = BLOCKS + (
        "  twice: {args: {f: block}, body: [f, f]}\n"
        "  four: {args: {g: block}, body: [twice: {f: [g]}, twice: {f: [g, relu]}]}\n"
    )
    graph = graph_of(head + "network: [four: {g: [conv: in_channels + 1]}]\n")
    assert [node.shape.channels for node in graph if isinstance(node.op, Conv)] == [5, 6, 7, 8]
    assert [row.partition(" = ")[0] for row in listing(graph)] == [
        "four_0.twice_0.f_0.g_0.conv_0",
        "four_0.twice_0.f_1.g_0.conv_0",
        "four_0.twice_1.f_0.g_0.conv_0",
        "four_0.twice_1.f_0.relu_0",
        "four_0.twice_1.f_1.g_0.conv_0",
        "four_0.twice_1.f_1.relu_0",
    ]


@pytest.mark.parametrize("given", ["", ", f: none", ", f: []", ", f: ~"])
def test_body_that_is_not_given_is_empty(given: str) -> None:
    head = BLOCKS + "  b: {args: {a: int, f: block = none}, body: [relu, f]}\n"
    assert listing(graph_of(f"{head}network: [b: {{a: 1{given}}}]\n")) == ["b_0.relu_0 = relu(x) 4×8×8"]


def test_body_without_a_default_must_be_given() -> None:
    head = BLOCKS + "  b: {args: {f: block}, body: [f]}\n"
    assert codes(mistakes_of(head + "network: [b]\n")) == ["missing-argument"]


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
