"""Calls of blocks, read off the graph."""

from __future__ import annotations

import pytest

from archspec.ops import Conv
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, shapes
from tests.support.listing import listing

BLOCKS = HEAD + "params: {base: 3, wide: true}\nblocks:\n"


def test_block_has_arguments_with_defaults_that_see_those_before() -> None:
    head = BLOCKS + (
        "  b:\n"
        "    args: {width: int, twice: int = 2 * width, rate: float = 1 / twice, deep: bool = wide, l: list}\n"
        "    let: {inner: twice + base, total: 'inner + l[1]', from_outside: in_channels}\n"
        "    body: [conv: inner, conv: total, dropout: rate, when: {test: deep, then: [conv: from_outside]}]\n"
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
