"""The walk through bodies: what nodes are called, and where they come from."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, graph_of
from tests.support.listing import ids


def test_names_come_from_kind_and_ordinal() -> None:
    assert ids("[relu, conv: 4, relu, conv: {out: 4, name: stem}, conv: 4, residual: {body: [relu], name: r}]") == [
        *("relu_0", "conv_0", "relu_1", "stem", "conv_1", "r.body.relu_0", "r.add"),
    ]


def test_name_of_each_structure_node() -> None:
    head = HEAD + "blocks: {b: {args: {f: block}, body: [f: {name: given}]}}\n"
    network = (
        "[repeat: {n: 1, body: [relu], name: a}, when: {test: 1, then: [relu], name: b}, "
        "add: {branches: [[], [relu]], name: c}, dense: {n: 1, body: [relu], name: d}, "
        "encoder_decoder: {n: 1, bottom: [relu], name: e}, b: {f: [relu], name: g}]"
    )
    assert ids(network, head) == [
        *("a.i0.relu_0", "b.relu_0", "c.branch1.relu_0", "c.add", "d.i0.body.relu_0", "d.i0.concat"),
        *("e.bottom.relu_0", "e.i0.merge.concat", "g.given.relu_0"),
    ]


def test_layer_put_into_a_block_renames_nothing_outside_of_it() -> None:
    text = """\
archspec: 1
inputs: {x: [4, 8, 8]}
blocks:
  unit: {body: [conv: 4, batch_norm, relu]}
network:
  - conv: 4
  - unit
  - repeat: {n: 2, body: [unit, conv: 4]}
  - residual: {body: [unit]}
  - conv: 4
"""
    before = set(graph_of(text).weights)
    after = set(graph_of(text.replace("[conv: 4, batch_norm", "[conv: 4, conv: 4, prelu, batch_norm")).weights)
    assert before < after
    assert all("unit_0.conv_1" in name or "unit_0.prelu_0" in name for name in after - before)


def test_tap_or_output_renames_nothing() -> None:
    plain, tapped = "[conv: 4, relu, conv: 4]", "[tap: a, conv: 4, tap: b, relu, output: c, conv: 4, output: d]"
    assert ids(plain) == ids(tapped)


@pytest.mark.parametrize(
    "network",
    [
        "[conv: {out: 4, name: concat}, dense: {n: 1, body: [relu: {name: concat}]}]",
        "[residual: {body: [relu: {name: add}], scale: 2, name: body}]",
        "[add: [[relu: {name: add}], [relu: {name: crop0}]]]",
        "[encoder_decoder: {n: 1, bottom: [relu: {name: i0}], skip: [relu: {name: merge}], merge: add}]",
        "[repeat: {n: 2, as: i, body: [relu: {name: i0}, tanh: {name: i1}]}]",
        "[relu: {name: branch0}, relu: {name: body}, relu: {name: scale}]",
    ],
)
def test_no_name_collides_with_the_structures_own(network: str) -> None:
    assert len(set(ids(network))) == len(ids(network))


def test_place_of_a_node_is_where_it_is_written() -> None:
    graph = graph_of(HEAD + "network:\n  - relu\n  - residual:\n      body: [conv: 4]\n")
    assert [(node.id, node.source.place.line, node.source.place.column) for node in graph] == [
        ("x", 2, 10),
        ("relu_0", 4, 5),
        ("residual_0.body.conv_0", 6, 14),
        ("residual_0.add", 5, 5),
    ]
