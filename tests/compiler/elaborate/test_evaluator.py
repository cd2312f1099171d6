"""Defaults and what is given, and the normalization that a whole network has."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import load
from archspec.ops import (
    NORMALIZATIONS,
    BatchNorm,
    Conv,
    GroupNorm,
    LayerNorm,
    Linear,
    StochasticDepth,
)
from archspec.spec.text import to_yaml
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from tests.archspec.spec.texts import BLOCKS, HEAD, VECTOR, build_ops, codes, graph_of, mistakes_of, ops_of, write
from tests.support.listing import listing


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_norm_is_the_kind_that_the_defaults_choose(kind: str) -> None:
    groups = ", groups: 2" if kind == "group" else ""
    ops = build_ops(f"{{norm: {{kind: {kind}, eps: 0.5{groups}}}}}")
    assert list(ops) == ["conv_0", "norm_0", "relu_0"]
    assert type(ops["norm_0"]) is NORMALIZATIONS[kind]
    assert ops["norm_0"].eps == 0.5


def test_norm_is_batch_normalization_unless_another_is_chosen() -> None:
    assert build_ops("{}")["norm_0"] == BatchNorm()


def test_defaults_of_the_kinds_own_layer_hold_too() -> None:
    ops = build_ops("{batch_norm: {eps: 0.5, momentum: 0.2}, norm: {momentum: 0.3}}", "network: [norm, batch_norm]\n")
    assert ops == {"norm_0": BatchNorm(eps=0.5, momentum=0.3), "batch_norm_0": BatchNorm(eps=0.5, momentum=0.2)}


def test_another_kind_at_one_place_leaves_nothing_of_the_first() -> None:
    ops = build_ops("{norm: {kind: group, groups: 2, eps: 0.5}}", "network: [norm, norm: layer, norm: {groups: 4}]\n")
    assert ops == {
        "norm_0": GroupNorm(groups=2, eps=0.5),
        "norm_1": LayerNorm(),
        "norm_2": GroupNorm(groups=4, eps=0.5),
    }


def test_batch_normalization_by_name_is_the_kind_when_none_was_chosen() -> None:
    block = "blocks: {b: {defaults: {norm: {eps: 0.5}}, body: [norm]}}\n"
    graph = graph_of(f"{HEAD}{block}defaults: {{norm: {{kind: batch, momentum: 0.2}}}}\nnetwork: [b]\n")
    assert ops_of(graph) == {"b_0.norm_0": BatchNorm(eps=0.5, momentum=0.2)}


def test_expression_of_a_norm_is_evaluated_where_it_stands() -> None:
    ops = build_ops("{norm: {kind: group, groups: in_channels // 2}}", "network: [norm, conv: 8, norm]\n")
    assert (ops["norm_0"], ops["norm_1"]) == (GroupNorm(groups=2), GroupNorm(groups=4))


def test_none_leaves_no_node() -> None:
    assert list(build_ops("{norm: {kind: none}}")) == ["conv_0", "relu_0"]


def test_weight_normalization_is_of_every_kernel() -> None:
    network = "network: [conv: 4, norm, conv_transpose: 4, conv: {out: 4, weight_norm: false}, flatten, linear: 2]\n"
    ops = build_ops("{norm: {kind: weight}}", network)
    assert list(ops) == ["conv_0", "conv_transpose_0", "conv_1", "flatten_0", "linear_0"]
    normal = {id: op.weight_norm for id, op in ops.items() if hasattr(op, "weight_norm")}
    assert normal == {"conv_0": True, "conv_transpose_0": True, "conv_1": False, "linear_0": True}


def test_variant_with_another_kind_replaces_the_whole_choice(tmp_path: Path) -> None:
    write(tmp_path, f"{HEAD}defaults: {{norm: {{kind: group, groups: 2}}}}\n{BLOCKS}", "base.yaml")
    path = write(tmp_path, "archspec: 1\nextends: base\ndefaults: {norm: {kind: layer, over: channels}}\n")
    spec = load(path)
    graph = elaborate(spec)
    assert {op for op in ops_of(graph).values() if not isinstance(op, Conv)} >= {LayerNorm(over="channels")}
    whole = write(tmp_path, to_yaml(spec.to_data()), "whole.yaml")
    assert elaborate(load(whole)).digest() == graph.digest()


LIBRARY = """\
archspec: 1
defaults: {conv: {bias: false, kernel: 1}, norm: {kind: group, groups: 2}}
blocks:
  one: {body: [conv: 4, norm]}
  two: {defaults: {conv: {kernel: 5}}, args: {inner: block}, body: [conv: 4, inner]}
"""


def from_library(tmp_path: Path, rest: str) -> Graph:
    write(tmp_path, LIBRARY, "lib.yaml")
    path = write(tmp_path, f"{HEAD}import: [lib]\n{rest}")
    graph = elaborate(load(path))
    whole = write(tmp_path, to_yaml(load(path).to_data()), "whole.yaml")
    assert elaborate(load(whole)).digest() == graph.digest()  # in one piece it is the same network
    return graph


def test_defaults_of_a_library_hold_in_its_blocks_alone(tmp_path: Path) -> None:
    ops = ops_of(from_library(tmp_path, "network: [conv: 4, norm, one, two: {inner: [conv: 4]}]\n"))
    assert ops["conv_0"] == Conv(out=4)
    assert ops["norm_0"] == BatchNorm()
    assert ops["one_0.conv_0"] == Conv(out=4, bias=False, kernel=1)
    assert ops["one_0.norm_0"] == GroupNorm(groups=2)
    assert ops["two_0.conv_0"] == Conv(out=4, bias=False, kernel=5)
    assert ops["two_0.inner_0.conv_0"] == Conv(out=4)  # written outside of it


def test_defaults_of_the_spec_go_before_those_of_a_library(tmp_path: Path) -> None:
    rest = "defaults: {conv: {bias: true}, norm: {kind: layer}}\nnetwork: [one]\n"
    ops = ops_of(from_library(tmp_path, rest))
    assert ops == {"one_0.conv_0": Conv(out=4, kernel=1), "one_0.norm_0": LayerNorm()}


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


def test_same_operations_are_shared_and_flags_are_not_numbers() -> None:
    graph = graph_of(VECTOR + "network: [linear: 4, linear: {out: 4}, linear: 8 / 2, linear: {out: 4, bias: false}]\n")
    first, second, third, fourth = (node.op for node in graph if isinstance(node.op, Linear))
    assert first is second
    assert first == third
    assert first != fourth
    assert codes(mistakes_of(VECTOR + "network: [linear: 1, linear: true]\n")) == ["bad-value"]
