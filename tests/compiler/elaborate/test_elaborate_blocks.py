"""What blocks, defaults, names and extensions mean, read off the graph."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from archspec.ops import Conv, Linear, StochasticDepth
from archspec.ops.base import Pointwise
from archspec.ops.fields import Flag, Positive
from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, VECTOR, codes, graph_of, mistakes_of, places, shapes, unmarked
from tests.support.listing import ids, listing

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


def test_block_sees_arguments_before_params() -> None:
    head = BLOCKS + "  b: {args: {base: int = base + 1}, let: {wide: 9}, body: [conv: base, conv: wide]}\n"
    assert list(shapes(graph_of(head + "network: [b, conv: base]\n")).values()) == ["4×8×8", "9×8×8", "3×8×8"]


@pytest.mark.parametrize("argument", ["name", "self", "path", "value", "node", "block"])
def test_arguments_may_have_any_name(argument: str) -> None:
    head = HEAD + f"blocks: {{b: {{args: {{{argument}: int}}, body: [conv: {argument}]}}}}\n"
    assert list(shapes(graph_of(head + f"network: [b: {{{argument}: 5}}]\n")).values()) == ["5×8×8"]


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


# Defaults


def test_defaults_hold_for_a_kind_and_yield_to_what_is_given() -> None:
    head = (
        HEAD
        + "params: {p: 0}\ndefaults: {conv: {bias: false, padding: p}, add: {fit: crop}, residual: {survival: 0.9}}\n"
    )
    graph = graph_of(
        head
        + "network: [add: [[], [conv: 4]], conv: {out: 4, bias: true}, residual: {body: [relu]}, \
residual: {body: [relu], survival: 0.5}]\n"
    )
    assert "add_0.branch1.conv_0.bias" not in graph.weights
    assert "conv_0.bias" in graph.weights
    assert [str(node.shape) for node in graph if isinstance(node.op, Conv)] == ["4×6×6", "4×4×4"]
    assert [node.op.survival for node in graph if isinstance(node.op, StochasticDepth)] == [0.9, 0.5]


def test_defaults_reach_into_blocks_and_may_give_the_main_field() -> None:
    head = (
        HEAD + "defaults: {conv: {out: 3, init: torch}, encoder_decoder: {merge: add}}\nblocks: {b: {body: [conv]}}\n"
    )
    graph = graph_of(head + "network: [b, encoder_decoder: {n: 1}]\n")
    assert graph["b_0.conv_0"].op == Conv(out=3, init="torch")
    assert listing(graph)[-1] == "encoder_decoder_0.i0.merge.add = add(b_0.conv_0, b_0.conv_0) 3×8×8"


def test_defaults_of_scale_reach_a_residuals_scale() -> None:
    graph = graph_of(HEAD + "defaults: {scale: {trainable: true}}\nnetwork: [residual: {body: [relu], scale: 0}]\n")
    assert list(graph.weights) == ["residual_0.scale.factor"]


# Names


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


def test_same_operations_are_shared_and_flags_are_not_numbers() -> None:
    graph = graph_of(VECTOR + "network: [linear: 4, linear: {out: 4}, linear: 8 / 2, linear: {out: 4, bias: false}]\n")
    first, second, third, fourth = (node.op for node in graph if isinstance(node.op, Linear))
    assert first is second
    assert first == third
    assert first != fourth
    assert codes(mistakes_of(VECTOR + "network: [linear: 1, linear: true]\n")) == ["bad-value"]


def test_place_of_a_node_is_where_it_is_written() -> None:
    graph = graph_of(HEAD + "network:\n  - relu\n  - residual:\n      body: [conv: 4]\n")
    assert [(node.id, node.source.place.line, node.source.place.column) for node in graph] == [
        ("x", 2, 10),
        ("relu_0", 4, 5),
        ("residual_0.body.conv_0", 6, 14),
        ("residual_0.add", 5, 5),
    ]


# Extensions


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
