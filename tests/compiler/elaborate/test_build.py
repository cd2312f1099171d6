"""A walk through a whole spec: its graph, or its mistakes."""

from __future__ import annotations

import compiler.elaborate.words  # noqa: F401  (what each word does is found by its import)
from compiler.elaborate.build import build_graph
from tests.archspec.spec.texts import HEAD, spec_of


def test_the_graph_is_there_where_there_are_no_mistakes() -> None:
    walk, graph = build_graph(spec_of(HEAD + "network: [relu, output: a, tanh]\n"), {}, 100, {})
    assert graph is not None
    assert (list(graph.nodes), dict(graph.outputs)) == (["x", "relu_0", "tanh_0"], {"a": "relu_0"})
    assert walk.reporter.mistakes == []


def test_there_is_none_where_there_are_some_or_the_bound_is_reached() -> None:
    for network, code in (
        ("[conv: {out: 4, groups: 3}]", "shape-mismatch"),
        ("[repeat: {n: 9, body: [relu]}]", "too-many-nodes"),
    ):
        walk, graph = build_graph(spec_of(HEAD + f"network: {network}\n"), {}, 5, {})
        assert graph is None
        assert [mistake.code for mistake in walk.reporter.mistakes] == [code]


def test_residuals_are_counted_before_they_are_scaled() -> None:
    network = "network: [repeat: {n: 4, body: [residual: {body: [conv: 4], scaling: stable}]}]\n"
    _, graph = build_graph(spec_of(HEAD + network), {}, 1000, {})
    assert graph is not None
    assert graph["repeat_0.i0.residual_0.stable"].op.model_dump()["value"] == 0.5
