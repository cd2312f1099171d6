"""Dominators: against networkx."""

from __future__ import annotations

import networkx as nx
import pytest

from archspec.api import elaborate, load
from compiler.analysis.paths.unravel import unravel
from compiler.dominators import find_dominators
from tests.support.documents import graph_from


@pytest.mark.parametrize("name", ["unet_plus_plus", "hourglass1", "shortcut_exclusive_gate", "densenet121", "se_net"])
def test_dominators_are_those_of_networkx(name: str) -> None:
    graph = elaborate(load(name))
    (start,) = graph.inputs
    known = nx.immediate_dominators(graph.digraph, start)
    assert {id: above for id, above in find_dominators(graph).items() if id != start} == {
        id: above for id, above in known.items() if id != start
    }


def test_inputs_come_together_nowhere() -> None:
    document = {"archspec": 1, "inputs": {"a": [4], "b": [4]}, "network": [{"add": [[], [{"from": "b"}]]}, "relu"]}
    graph = graph_from(document)
    assert set(find_dominators(graph).values()) == {None, "add_0.add"}
    (found,) = unravel(graph).expressions
    assert found.text == "a + b"
