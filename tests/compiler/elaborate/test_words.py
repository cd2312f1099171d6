"""What each word of the language does, read off the graph: a graph is listed as `id = operation(operands) shape`."""

from __future__ import annotations

import pytest

from archspec.ops import Conv, Scale, StochasticDepth
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, shapes
from tests.support.listing import listed, listing


def test_residual_adds_its_body_to_its_input() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [relu, conv: 4]}]\n")
    assert listing(graph) == [
        "residual_0.body.relu_0 = relu(x) 4×8×8",
        "residual_0.body.conv_0 = conv(residual_0.body.relu_0) 4×8×8",
        "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8",
    ]
    assert graph["residual_0.add"].body == "residual_0"


def test_empty_residual_doubles_its_input() -> None:
    assert listed("[residual: {body: []}]") == ["residual_0.add = add(x, x) 4×8×8"]


def test_project_is_used_only_where_shapes_differ() -> None:
    same, other = "[residual: {body: [conv: 4], project: [tanh]}]", "[residual: {body: [conv: 6], project: [conv: 6]}]"
    assert listed(same)[-1] == "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8"
    assert listed(other)[1:] == [
        "residual_0.project.conv_0 = conv(x) 6×8×8",
        "residual_0.add = add(residual_0.project.conv_0, residual_0.body.conv_0) 6×8×8",
    ]


def test_shortcut_is_always_used() -> None:
    assert listed("[residual: {body: [conv: 4], shortcut: [tanh]}]")[1:] == [
        "residual_0.shortcut.tanh_0 = tanh(x) 4×8×8",
        "residual_0.add = add(residual_0.shortcut.tanh_0, residual_0.body.conv_0) 4×8×8",
    ]
    assert listed("[residual: {body: [conv: 4], shortcut: []}]")[1:] == [
        "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8"
    ]


def test_project_is_used_where_shapes_differ_at_another_size() -> None:
    """At one position a stride changes nothing: the network must be that of every other size."""
    text = (
        "archspec: 1\ninputs: {x: [4, H]}\nsizes: {H: 8}\n"
        "network: [residual: {body: [conv: {out: 4, stride: 2}], project: [conv: {out: 4, kernel: 1, stride: 2}]}]\n"
    )
    usual, single = graph_of(text), graph_of(text, sizes={"H": 1})
    assert single.digest() == usual.resize({"H": 1}).digest()
    assert "residual_0.project.conv_0" in single.nodes
    fixed = graph_of(text.replace("[4, H]", "[4, 1]").replace("sizes: {H: 8}\n", ""))
    assert "residual_0.project.conv_0" not in fixed.nodes


def test_what_is_cut_may_change_with_the_size() -> None:
    """The input of 8 is the smaller at 12, and the larger at 6; at 8 nothing is cut, and the crops are there."""
    text = (
        "archspec: 1\ninputs: {x: [2, H], y: [2, 8]}\nsizes: {H: 8}\n"
        "network: [concat: {branches: [[], [from: y]], fit: crop}]\n"
    )
    graph = graph_of(text)
    for size, extent in ((12, 8), (8, 8), (6, 6)):
        assert graph_of(text, sizes={"H": size}).digest() == graph.resize({"H": size}).digest()
        assert graph.resize({"H": size})["concat_0.concat"].shape == (4, extent)


@pytest.mark.parametrize("word", ["shortcut", "project"])
def test_out_channels_are_those_of_the_body(word: str) -> None:
    body = f"body: [conv: 6, relu, conv: 9], {word}: [conv: out_channels, conv: '2 * in_channels - out_channels']"
    rows = listed(f"[residual: {{{body}}}]")
    assert rows[3:5] == [
        f"residual_0.{word}.conv_0 = conv(x) 9×8×8",
        f"residual_0.{word}.conv_1 = conv(residual_0.{word}.conv_0) 9×8×8",
    ]


def test_out_channels_are_unknown_elsewhere() -> None:
    assert codes(mistakes_of(HEAD + "network: [conv: out_channels]\n")) == ["unknown-name"]
    assert codes(mistakes_of(HEAD + "network: [residual: {body: [conv: out_channels]}]\n")) == ["unknown-name"]


def test_scale_and_survival_act_on_the_body() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [relu], scale: 1 / 4, survival: 0.8}]\n")
    assert listing(graph) == [
        "residual_0.body.relu_0 = relu(x) 4×8×8",
        "residual_0.scale = scale(residual_0.body.relu_0) 4×8×8",
        "residual_0.survival = stochastic_depth(residual_0.scale) 4×8×8",
        "residual_0.add = add(x, residual_0.survival) 4×8×8",
    ]
    assert graph["residual_0.scale"].op == Scale(value=0.25)
    assert graph["residual_0.survival"].op == StochasticDepth(survival=0.8)


def test_in_channels_of_a_residuals_scale_are_those_of_its_input() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [conv: 8], project: [conv: 8], scale: 1 / in_channels}]\n")
    assert graph["residual_0.scale"].op == Scale(value=0.25)


def test_nested_residuals_keep_their_own_bodies() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [residual: {body: [relu]}]}]\n")
    assert {node.id: node.body for node in graph if node.body} == {
        "residual_0.body.residual_0.add": "residual_0.body.residual_0",
        "residual_0.add": "residual_0",
    }


def test_dense_concatenates_its_body_each_turn() -> None:
    graph = graph_of(HEAD + "network: [dense: {n: 2, body: [conv: in_channels + i]}]\n")
    assert listing(graph) == [
        "dense_0.i0.body.conv_0 = conv(x) 4×8×8",
        "dense_0.i0.concat = concat(x, dense_0.i0.body.conv_0) 8×8×8",
        "dense_0.i1.body.conv_0 = conv(dense_0.i0.concat) 9×8×8",
        "dense_0.i1.concat = concat(dense_0.i0.concat, dense_0.i1.body.conv_0) 17×8×8",
    ]
    assert [node.body for node in graph if node.body] == ["dense_0.i0", "dense_0.i1"]


def test_dense_over_lists() -> None:
    rows = listed("[dense: {each: {growth: [1, 2]}, as: layer, body: [conv: growth]}]")
    assert [row.rpartition(" ")[2] for row in rows] == ["1×8×8", "5×8×8", "2×8×8", "7×8×8"]
    assert rows[0].startswith("dense_0.layer0.body.conv_0 = ")


@pytest.mark.parametrize(
    ("word", "network", "shape"),
    [
        ("add", "[add: [[], [conv: 4], [relu]]]", "4×8×8"),
        ("concat", "[concat: [[], [conv: 5], [relu]]]", "13×8×8"),
        ("mul", "[mul: [[], [global_avg_pool], [conv: 1]]]", "4×8×8"),
    ],
)
def test_branches_of_one_value_are_merged(word: str, network: str, shape: str) -> None:
    *branches, merged = listed(network)
    assert [row.split("(")[1].split(")")[0] for row in branches] == ["x", "x"]
    names = [row.partition(" = ")[0] for row in branches]
    assert merged == f"{word}_0.{word} = {word}(x, {', '.join(names)}) {shape}"
    assert [name.split(".")[1] for name in names] == ["branch1", "branch2"]


def test_one_branch_needs_no_merging() -> None:
    assert listed("[add: [[relu]], concat: [[]], tanh]") == [
        "add_0.branch0.relu_0 = relu(x) 4×8×8",
        "tanh_0 = tanh(add_0.branch0.relu_0) 4×8×8",
    ]


def test_branches_written_with_a_missing_body_are_the_identity() -> None:
    assert listed("\n  - add:\n    -\n    - [relu]\n")[-1] == "add_0.add = add(x, add_0.branch1.relu_0) 4×8×8"


def test_encoder_decoder_with_equal_levels() -> None:
    network = (
        "[encoder_decoder: {n: 2, skip: [tanh], down: [max_pool: 2], bottom: [relu], up: [upsample: 2], merge: add}]"
    )
    assert listed(network) == [
        "encoder_decoder_0.i0.skip.tanh_0 = tanh(x) 4×8×8",
        "encoder_decoder_0.i0.down.max_pool_0 = max_pool(x) 4×4×4",
        "encoder_decoder_0.i1.skip.tanh_0 = tanh(encoder_decoder_0.i0.down.max_pool_0) 4×4×4",
        "encoder_decoder_0.i1.down.max_pool_0 = max_pool(encoder_decoder_0.i0.down.max_pool_0) 4×2×2",
        "encoder_decoder_0.bottom.relu_0 = relu(encoder_decoder_0.i1.down.max_pool_0) 4×2×2",
        "encoder_decoder_0.i1.up.upsample_0 = upsample(encoder_decoder_0.bottom.relu_0) 4×4×4",
        "encoder_decoder_0.i1.merge.add = "
        "add(encoder_decoder_0.i1.skip.tanh_0, encoder_decoder_0.i1.up.upsample_0) 4×4×4",
        "encoder_decoder_0.i0.up.upsample_0 = upsample(encoder_decoder_0.i1.merge.add) 4×8×8",
        "encoder_decoder_0.i0.merge.add = "
        "add(encoder_decoder_0.i0.skip.tanh_0, encoder_decoder_0.i0.up.upsample_0) 4×8×8",
    ]


def test_encoder_decoder_over_lists_is_the_outermost_level_first() -> None:
    network = (
        "[encoder_decoder: {each: {width: [2, 3]}, as: level, encoder: [conv: width], down: [max_pool: 2], "
        "bottom: [conv: 5], up: [conv_transpose: width], decoder: [conv: width]}]"
    )
    rows = listed(network)
    assert [row.rpartition(" ")[2] for row in rows] == [
        *("2×8×8", "2×4×4", "3×4×4", "3×2×2", "5×2×2"),
        *("3×4×4", "6×4×4", "3×4×4", "2×8×8", "4×8×8", "2×8×8"),
    ]
    assert rows[-2] == (
        "encoder_decoder_0.level0.merge.concat = "
        "concat(encoder_decoder_0.level0.encoder.conv_0, encoder_decoder_0.level0.up.conv_transpose_0) 4×8×8"
    )


def test_encoder_decoder_without_levels_is_its_bottom() -> None:
    assert listed("[encoder_decoder: {n: 0, encoder: [conv: 9], bottom: [tanh]}, relu]") == [
        "encoder_decoder_0.bottom.tanh_0 = tanh(x) 4×8×8",
        "relu_0 = relu(encoder_decoder_0.bottom.tanh_0) 4×8×8",
    ]
    assert listed("[encoder_decoder: {n: 0}]") == []


def test_encoder_decoder_crops_where_asked() -> None:
    network = "[encoder_decoder: {n: 1, down: [conv: {out: 4, padding: 0}], merge: mul, fit: crop}]"
    assert listed(network)[1:] == [
        "encoder_decoder_0.i0.merge.crop0 = crop(x, encoder_decoder_0.i0.down.conv_0) 4×6×6",
        "encoder_decoder_0.i0.merge.mul = "
        "mul(encoder_decoder_0.i0.merge.crop0, encoder_decoder_0.i0.down.conv_0) 4×6×6",
    ]


def test_repeat_unrolls() -> None:
    assert listed("[repeat: {n: 2, body: [conv: 3 + i, relu]}]") == [
        "repeat_0.i0.conv_0 = conv(x) 3×8×8",
        "repeat_0.i0.relu_0 = relu(repeat_0.i0.conv_0) 3×8×8",
        "repeat_0.i1.conv_0 = conv(repeat_0.i0.relu_0) 4×8×8",
        "repeat_0.i1.relu_0 = relu(repeat_0.i1.conv_0) 4×8×8",
    ]


@pytest.mark.parametrize("loop", ["n: 0", "each: {a: []}", "n: 1 - 1", "each: {a: none}"])
def test_loop_of_no_turns_is_the_identity(loop: str) -> None:
    head = HEAD + "params: {none: []}\n"
    assert listed(f"[repeat: {{{loop}, body: [conv: 9]}}, relu]", head) == ["relu_0 = relu(x) 4×8×8"]
    assert listed(f"[dense: {{{loop}, body: [conv: 9]}}, relu]", head) == ["relu_0 = relu(x) 4×8×8"]


def test_each_runs_lists_side_by_side() -> None:
    head = HEAD + "params: {widths: [5, 6], deep: [[1, 2], [3]]}\n"
    network = "[repeat: {each: {w: widths, k: [1, 2 + 1], inner: deep}, as: s, body: [conv: {out: w + s, kernel: k}, \
repeat: {each: {v: inner}, body: [conv: v]}]}]"
    assert [
        row.replace(" = conv", "").split("(")[0] + " " + row.rpartition(" ")[2] for row in listed(network, head)
    ] == [
        "repeat_0.s0.conv_0 5×8×8",
        "repeat_0.s0.repeat_0.i0.conv_0 1×8×8",
        "repeat_0.s0.repeat_0.i1.conv_0 2×8×8",
        "repeat_0.s1.conv_0 7×8×8",
        "repeat_0.s1.repeat_0.i0.conv_0 3×8×8",
    ]
    graph = graph_of(f"{head}network: {network}\n")
    assert [node.op.kernel for node in graph if isinstance(node.op, Conv)] == [1, 3, 3, 3, 3]


@pytest.mark.parametrize("name", ["name", "self", "path", "taps", "depth", "names", "node", "_"])
def test_loop_names_may_be_any(name: str) -> None:
    assert shapes(graph_of(HEAD + f"network: [repeat: {{each: {{{name}: [5]}}, body: [conv: {name}]}}]\n")) == {
        "repeat_0.i0.conv_0": "5×8×8"
    }
    assert shapes(graph_of(HEAD + f"network: [repeat: {{n: 1, as: {name}, body: [conv: 5 + {name}]}}]\n")) == {
        f"repeat_0.{name}0.conv_0": "5×8×8"
    }


@pytest.mark.parametrize(
    ("test", "word"),
    [("true", "relu"), ("false", "tanh"), ("1 < 2", "relu"), ("in_channels == 5", "tanh"), ("on and not off", "relu")],
)
def test_when_is_decided_while_compiling(test: str, word: str) -> None:
    head = HEAD + "params: {'on': true, 'off': false}\n"
    assert listed(f"[when: {{test: {test}, then: [relu], else: [tanh]}}]", head) == [
        f"when_0.{word}_0 = {word}(x) 4×8×8"
    ]


def test_when_without_else_is_the_identity() -> None:
    assert listed("[when: {test: false, then: [conv: 9]}, relu]") == ["relu_0 = relu(x) 4×8×8"]


def test_what_is_not_taken_may_be_impossible() -> None:
    assert listed("[when: {test: false, then: [linear: nowhere, from: nothing]}]") == []


def test_loop_of_branches_starts_each_from_the_same_value() -> None:
    graph = graph_of(HEAD + "network: [concat: {each: {k: [1, 3]}, as: b, body: [conv: {out: b + 1, kernel: k}]}]\n")
    assert [(node.id, node.inputs, str(node.shape)) for node in graph][1:] == [
        ("concat_0.b0.conv_0", ("x",), "1×8×8"),
        ("concat_0.b1.conv_0", ("x",), "2×8×8"),
        ("concat_0.concat", ("concat_0.b0.conv_0", "concat_0.b1.conv_0"), "3×8×8"),
    ]


def test_loop_of_branches_is_the_list_of_them() -> None:
    looped = graph_of(HEAD + "network: [add: {n: 3, body: [conv: 4]}]\n")
    listed = graph_of(HEAD + "network: [add: [[conv: 4], [conv: 4], [conv: 4]]]\n")
    assert [(node.op, node.shape) for node in looped] == [(node.op, node.shape) for node in listed]
