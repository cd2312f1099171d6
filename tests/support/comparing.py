"""Small networks of vectors, whose differences are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.analysis.compare.diff import Diff, diff_graphs
from tests.support.documents import graph_from

MLP: dict[str, Any] = {"archspec": 1, "inputs": {"x": [4]}}

BODIES: dict[str, list[Any]] = {
    "plain": [{"linear": 4}, "relu", {"linear": 4}, "relu"],
    "named": [{"linear": {"out": 4, "name": "first"}}, "relu", {"linear": 4}, "relu"],
    "repeated": [{"repeat": {"n": 2, "body": [{"linear": 4}, "relu"]}}],
    "wider": [{"linear": 8}, "relu", {"linear": 4}, "relu"],
    "other": [{"linear": 4}, "sigmoid", {"linear": 4}, "relu"],
    "shorter": [{"linear": 4}, "relu", {"linear": 4}],
    "swapped": ["relu", {"linear": 4}, "relu", {"linear": 4}],
    "residual": [{"linear": 4}, {"residual": {"body": ["relu", {"linear": 4}]}}, "relu"],
    "early": [{"linear": 4}, {"tap": "t"}, "relu", {"tap": "u"}, {"linear": 4}, {"add": [[], [{"from": "t"}]]}],
    "late": [{"linear": 4}, {"tap": "t"}, "relu", {"tap": "u"}, {"linear": 4}, {"add": [[], [{"from": "u"}]]}],
}


def diff_networks(first: Any, second: Any, head: Mapping[str, Any] = MLP) -> Diff:
    """The difference of two networks, given by their nodes, with the same inputs."""
    return diff_graphs(graph_from({**head, "network": first}), graph_from({**head, "network": second}))
