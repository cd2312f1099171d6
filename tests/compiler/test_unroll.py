"""What each structure node means, seen in the graph; names, scopes, sizes."""

from __future__ import annotations

import networkx as nx
import pytest

from archspec.api import accepted_sizes, elaborate, load
from archspec.errors import SpecError
from archspec.ops import Add, Concat, Crop, Scale, StochasticDepth
from compiler.sizes import fits
from tests.spec.texts import HEAD, VECTOR, graph_of, shapes

SIZED = "archspec: 1\ninputs: {x: [4, H, W]}\nsizes: {H: 8, W: 8}\n"


def test_residual_adds_its_body_to_its_input() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [conv: 4, relu]}]\n")
    add = graph["residual_0.add"]
    assert isinstance(add.op, Add)
    assert add.inputs == ("x", "residual_0.body.relu_0")
    assert add.body == "residual_0"


def test_project_is_used_only_where_shapes_differ() -> None:
    text = HEAD + "network: [residual: {body: [conv: WIDTH], project: [conv: {out: out_channels, kernel: 1}]}]\n"
    assert "residual_0.project.conv_0" not in graph_of(text.replace("WIDTH", "4")).nodes
    projected = graph_of(text.replace("WIDTH", "6"))
    assert projected["residual_0.add"].inputs == ("residual_0.project.conv_0", "residual_0.body.conv_0")
    always = graph_of(HEAD + "network: [residual: {body: [conv: 4], shortcut: [conv: {out: out_channels}]}]\n")
    assert "residual_0.shortcut.conv_0" in always.nodes


def test_scale_and_survival_stand_behind_the_body() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [relu], scale: 1 / 2, survival: 0.9}]\n")
    assert graph["residual_0.scale"].op == Scale(value=0.5)
    assert graph["residual_0.survival"].op == StochasticDepth(survival=0.9)
    assert graph["residual_0.add"].inputs == ("x", "residual_0.survival")


def test_dense_concatenates_what_each_turn_adds() -> None:
    graph = graph_of(HEAD + "network: [dense: {n: 3, body: [conv: 2 + i]}]\n")
    assert [graph[f"dense_0.i{i}.concat"].shape.channels for i in range(3)] == [6, 9, 13]
    assert graph["dense_0.i1.concat"].inputs == ("dense_0.i0.concat", "dense_0.i1.body.conv_0")
    assert graph["dense_0.i1.concat"].body == "dense_0.i1"


def test_branches_are_merged_and_an_empty_one_is_the_value() -> None:
    graph = graph_of(HEAD + "network: [concat: [[], [conv: 2], [conv: 3, relu]]]\n")
    assert isinstance(graph["concat_0.concat"].op, Concat)
    assert graph["concat_0.concat"].inputs == ("x", "concat_0.branch1.conv_0", "concat_0.branch2.relu_0")
    gated = graph_of(HEAD + "network: [mul: [[], [global_avg_pool, sigmoid]]]\n")
    assert str(gated["mul_0.mul"].shape) == "4×8×8"


def test_crop_cuts_the_larger_operand_and_lends_no_signal() -> None:
    graph = graph_of(HEAD + "network: [concat: {branches: [[], [conv: {out: 2, padding: 0}]], fit: crop}]\n")
    crop = graph["concat_0.crop0"]
    assert isinstance(crop.op, Crop)
    assert str(crop.shape) == "4×6×6"
    assert crop.carriers == ("x",)
    assert graph.digraph.edges["concat_0.branch1.conv_0", "concat_0.crop0", 1]["signal"] is False


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_encoder_decoder_goes_down_and_comes_back(levels: int) -> None:
    graph = graph_of(
        HEAD
        + f"network: [encoder_decoder: {{n: {levels}, as: level, encoder: [relu], skip: [tanh], down: [max_pool: 2], "
        "bottom: [sigmoid], up: [upsample: 2], merge: add, decoder: [gelu]}]\n"
    )
    order = [node.op.kind for node in graph]
    down, up = ["relu", "tanh", "max_pool"], ["upsample", "add", "gelu"]
    assert order == ["input", *down * levels, "sigmoid", *up * levels]
    if levels == 3:
        assert graph["encoder_decoder_0.level0.merge.add"].inputs == (
            "encoder_decoder_0.level0.skip.tanh_0",
            "encoder_decoder_0.level0.up.upsample_0",
        )
        assert str(graph["encoder_decoder_0.bottom.sigmoid_0"].shape) == "4×1×1"


def test_each_runs_lists_side_by_side() -> None:
    graph = graph_of(VECTOR + "network: [repeat: {each: {a: [3, 5], b: [1, 2]}, as: t, body: [linear: a * b + t]}]\n")
    assert shapes(graph) == {"repeat_0.t0.linear_0": "3", "repeat_0.t1.linear_0": "11"}


def test_when_is_decided_while_compiling() -> None:
    text = VECTOR + "params: {deep: true}\nnetwork: [when: {test: deep, then: [relu], else: [tanh]}]\n"
    assert [node.op.kind for node in graph_of(text)] == ["input", "relu"]
    assert [node.op.kind for node in graph_of(text, params={"deep": False})] == ["input", "tanh"]


def test_taps_outputs_and_further_inputs() -> None:
    graph = graph_of(
        "archspec: 1\ninputs: {x: [4], y: [2]}\nnetwork:\n"
        "  - repeat: {n: 2, body: [linear: 4, output: 'o{i}', tap: last]}\n"
        "  - concat: [[from: last], [from: y]]\n  - output: both\n"
    )
    assert dict(graph.outputs) == {
        "o0": "repeat_0.i0.linear_0",
        "o1": "repeat_0.i1.linear_0",
        "both": "concat_0.concat",
    }
    assert graph["concat_0.concat"].inputs == ("repeat_0.i1.linear_0", "y")


def test_a_handed_body_sees_its_own_surroundings() -> None:
    graph = graph_of(
        VECTOR + "params: {p: 7}\nblocks:\n  b: {args: {width: int, f: block = none}, body: [linear: width, f]}\n"
        "network:\n  - repeat: {n: 1, as: k, body: [b: {width: 3, f: [linear: p + k]}]}\n  - b: {width: 5}\n"
    )
    assert list(shapes(graph).values()) == ["3", "7", "5"]
    with pytest.raises(SpecError, match="unknown name 'width'"):
        graph_of(
            VECTOR
            + "blocks: {b: {args: {width: int, f: block}, body: [f]}}\nnetwork: [b: {width: 3, f: [linear: width]}]\n"
        )


def test_a_layer_in_one_block_renames_nothing_outside_it() -> None:
    text = VECTOR + "blocks:\n  a: {body: [linear: 4EXTRA]}\n  b: {body: [linear: 4]}\nnetwork: [a, b, linear: 4]\n"
    before = set(graph_of(text.replace("EXTRA", "")).weights)
    after = set(graph_of(text.replace("EXTRA", ", relu, linear: 4")).weights)
    assert before < after
    assert all(name.startswith("a_0.") for name in after - before)


def test_the_graph_is_networkxs_too() -> None:
    graph = elaborate(load("resnet18"))
    assert nx.is_directed_acyclic_graph(graph.digraph)
    assert list(graph.digraph) == list(graph.nodes)
    assert nx.descendants(graph.digraph, "image") == set(graph.nodes) - {"image"}
    with pytest.raises(nx.NetworkXError):
        graph.digraph.add_node("more")


def test_the_digest_is_of_the_network_not_of_its_text() -> None:
    one = graph_of(VECTOR + "network: [repeat: {n: 2, body: [linear: 4]}]\n")
    same = graph_of(
        '{"archspec": 1, "inputs": {"x": [4]}, "network": [{"repeat": {"n": "1 + 1", "body": [{"linear": 4}]}}]}'
    )
    other = graph_of(VECTOR + "network: [repeat: {n: 2, body: [linear: {out: 4, bias: false}]}]\n")
    assert one.digest() == same.digest() != other.digest()


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("[conv: 4]", "any from 1"),
        ("[conv: {out: 4, padding: 0}]", "any from 3"),
        ("[max_pool: 2, upsample: 2]", "any from 2"),
        ("[add: [[], [max_pool: 2, upsample: 2]]]", "2 + 2·k"),
        ("[flatten, linear: 3]", "8 alone"),
        ("[global_avg_pool, flatten, linear: 3]", "any from 1"),
    ],
)
def test_accepted_sizes_are_those_that_fit(network: str, expected: str) -> None:
    graph = graph_of(f"{SIZED}network: {network}\n")
    rule = accepted_sizes(graph)["H"]
    assert str(rule) == expected
    assert {size for size in range(1, 40) if size in rule} == {
        size for size in range(1, 40) if fits(graph, {"H": size})
    }
