"""Layers, read off the graph."""

from __future__ import annotations

from archspec.ops import Conv
from tests.archspec.spec.texts import HEAD, graph_of


def test_layer_takes_expressions_and_defaults() -> None:
    graph = graph_of(HEAD + "defaults: {conv: {kernel: 1, bias: false}}\nnetwork: [conv: 2 * in_channels]\n")
    assert graph["conv_0"].op == Conv(out=8, kernel=1, bias=False)
