"""Which names and taps a node sees: those of its body and around it, and no others."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, shapes
from tests.support.listing import listed, listing


def test_inner_names_hide_outer_ones_and_end_with_their_loop() -> None:
    network = (
        "[repeat: {n: 1, as: a, body: [conv: 1 + a, repeat: {n: 1, as: a, body: [conv: 2 + a]}, conv: 3 + a]}, conv: a]"
    )
    head = HEAD + "params: {a: 7}\n"
    assert [row.rpartition(" ")[2] for row in listed(network, head)] == ["1×8×8", "2×8×8", "3×8×8", "7×8×8"]


def test_tap_and_from() -> None:
    assert listed("[relu, tap: a, tanh, from: a, elu, concat: [[], [from: a], [from: x]]]")[2:] == [
        "elu_0 = elu(relu_0) 4×8×8",
        "concat_0.concat = concat(elu_0, relu_0, x) 12×8×8",
    ]


def test_tap_by_a_template() -> None:
    network = "[repeat: {n: 3, body: [relu, tap: 's{i}']}, add: [[from: 's{1 - 1}'], [from: s1], [from: 's{4 // 2}']]]"
    assert listed(network)[-1] == ("add_0.add = add(repeat_0.i0.relu_0, repeat_0.i1.relu_0, repeat_0.i2.relu_0) 4×8×8")


def test_later_turn_replaces_a_tap() -> None:
    assert listed("[repeat: {n: 3, body: [relu, tap: a]}, tanh, from: a, elu]")[-1] == (
        "elu_0 = elu(repeat_0.i2.relu_0) 4×8×8"
    )


def test_tap_of_an_earlier_turn_is_known_in_the_next() -> None:
    network = "[tap: last, repeat: {n: 2, body: [add: [[relu], [from: last]], tap: last]}]"
    assert [row for row in listed(network) if " = add(" in row] == [
        "repeat_0.i0.add_0.add = add(repeat_0.i0.add_0.branch0.relu_0, x) 4×8×8",
        "repeat_0.i1.add_0.add = add(repeat_0.i1.add_0.branch0.relu_0, repeat_0.i0.add_0.add) 4×8×8",
    ]


@pytest.mark.parametrize(
    "inside",
    [
        "residual: {body: [relu, tap: a]}",
        "add: [[], [relu, tap: a]]",
        "when: {test: true, then: [relu, tap: a]}",
        "encoder_decoder: {n: 1, encoder: [relu, tap: a]}",
        "dense: {n: 1, body: [relu, tap: a]}",
        "repeat: {n: 1, body: [relu, tap: a]}",
    ],
)
def test_tap_is_known_after_the_node_that_holds_it(inside: str) -> None:
    last = listed(f"[{inside}, tanh, from: a, elu]")[-1]
    assert last.startswith("elu_0 = elu(")
    assert last.endswith("relu_0) 4×8×8")


def test_tap_is_not_known_before() -> None:
    assert codes(mistakes_of(HEAD + "network: [concat: [[from: a], [tap: a]]]\n")) == ["unknown-tap"]
    assert codes(mistakes_of(HEAD + "network: [when: {test: false, then: [tap: a]}, from: a]\n")) == ["unknown-tap"]


BLOCKS = HEAD + "params: {base: 3, wide: true}\nblocks:\n"


def test_block_sees_arguments_before_params() -> None:
    head = BLOCKS + "  b: {args: {base: int = base + 1}, let: {wide: 9}, body: [conv: base, conv: wide]}\n"
    assert list(shapes(graph_of(head + "network: [b, conv: base]\n")).values()) == ["4×8×8", "9×8×8", "3×8×8"]


def test_handed_body_sees_its_callers_names_and_not_the_callees() -> None:
    head = BLOCKS + "  b: {args: {f: block, secret: int = 1}, let: {base: 50}, body: [conv: base, f]}\n"
    graph = graph_of(
        head + "network: [repeat: {n: 1, as: k, body: [b: {f: [conv: base + k, conv: 2 * in_channels]}]}]\n"
    )
    assert list(shapes(graph).values()) == ["50×8×8", "3×8×8", "6×8×8"]
    assert codes(mistakes_of(head + "network: [b: {f: [conv: secret]}]\n")) == ["unknown-name"]


def test_handed_body_sets_and_sees_its_callers_taps() -> None:
    head = BLOCKS + "  b: {args: {f: block}, body: [tanh, tap: own, f, tap: own]}\n"
    graph = graph_of(
        head
        + "network: [relu, tap: a, b: {f: [elu, tap: given, from: a]}, from: given, selu]\n".replace("selu", "silu")
    )
    assert listing(graph)[-1] == "silu_0 = silu(b_0.f_0.elu_0) 4×8×8"
    assert codes(mistakes_of(head + "network: [b: {f: [from: own]}]\n")) == ["unknown-tap"]


def test_taps_of_a_block_are_its_own() -> None:
    head = BLOCKS + "  b: {body: [relu, tap: a, tanh, add: [[], [from: a]]]}\n"
    graph = graph_of(head + "network: [elu, tap: a, b, b, from: a, silu]\n")
    assert [row for row in listing(graph) if " = add(" in row] == [
        "b_0.add_0.add = add(b_0.tanh_0, b_0.relu_0) 4×8×8",
        "b_1.add_0.add = add(b_1.tanh_0, b_1.relu_0) 4×8×8",
    ]
    assert listing(graph)[-1] == "silu_0 = silu(elu_0) 4×8×8"


def test_block_hides_a_handed_body_of_its_caller() -> None:
    head = BLOCKS + "  inner: {body: [f]}\n  f: {body: [tanh]}\n  outer: {args: {f: block}, body: [f, inner]}\n"
    assert [
        row.partition(" = ")[2].split("(")[0] for row in listing(graph_of(head + "network: [outer: {f: [relu]}]\n"))
    ] == [
        "relu",
        "tanh",
    ]
