"""What rules are told of a graph: the two ways around a sum, the last kernels, what is live and who reads what."""

from __future__ import annotations

from compiler.analysis.analysis_cache import AnalysisCache
from compiler.analysis.lint.context import LintContext
from compiler.value_bounds import find_bounds
from tests.support.documents import graph_from
from tests.support.lint_texts import IMAGE, build


def look_at(*network: object) -> LintContext:
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": list(network)})
    return LintContext(AnalysisCache(graph))


def test_branches_of_a_residual_are_the_nodes_on_one_way_alone() -> None:
    context = look_at({"conv": 4}, {"residual": {"body": ["relu", {"conv": 8}], "project": [{"conv": 8}]}})
    (branches,) = context.residuals
    assert branches.fork.id == "conv_0"
    assert [node.op.kind for node in branches.body] == ["relu", "conv"]
    assert [node.op.kind for node in branches.shortcut] == ["conv"]
    assert branches.add.body is not None


def test_a_sum_that_is_no_block_is_none() -> None:
    assert look_at({"add": [[], [{"conv": 4}]]}).residuals == ()


def test_the_last_kernels_are_those_past_no_other() -> None:
    context = look_at({"conv": 8}, {"concat": [[{"conv": 4}, "relu"], []]}, "relu")
    assert context.last_kernels == {"conv_0", "concat_0.branch0.conv_0"}
    assert look_at({"conv": 8}, {"conv": 4}, "relu").last_kernels == {"conv_1"}


def test_costs_are_those_of_the_analysis() -> None:
    context = look_at({"conv": {"out": 8, "bias": False}}, "batch_norm", "relu")
    assert context.macs == {"conv_0": 8 * 64 * 4 * 9}
    assert context.total == sum(context.macs.values())
    assert look_at("relu").total == 1
    assert context.count_parameters([context.graph["batch_norm_0"]]) == 16  # without its statistics


def test_parameters_that_others_share_are_none_of_a_nodes_own() -> None:
    shared = {"conv": {"out": 8, "share": "c", "bias": False}}
    context = look_at({"conv": {"out": 8}}, shared, shared)
    nodes = [context.graph[id] for id in ("conv_1", "conv_2")]
    assert context.count_parameters(nodes[:1]) == 0
    assert context.count_parameters(nodes) == 8 * 8 * 9


def test_readers_of_an_output_are_none() -> None:
    context = look_at({"conv": 8}, "relu")
    conv, relu = context.graph["conv_0"], context.graph["relu_0"]
    assert [op.kind for op in context.readers(conv)] == ["relu"]
    assert context.readers(relu) == ()
    assert context.operand(relu) is conv
    assert context.ends == {"relu_0"}
    assert context.live == set(context.graph.nodes)


def test_bounds_are_found_once() -> None:
    context = look_at("sigmoid", {"conv": 4})
    assert context.bounds == find_bounds(context.graph)
    assert context.bounds is context.bounds


def test_without_a_spec_there_are_no_blocks_and_bodies() -> None:
    graph, _ = build(IMAGE + "  - conv: 8\n")
    context = LintContext(AnalysisCache(graph))
    assert (context.specs, context.blocks, context.bodies) == ((), {}, ())
