"""Whether two networks are the same but for names: against networkx's isomorphism; which nodes read other values."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.analysis.compare.diff import diff_graphs
from tests.support.comparing import BODIES, MLP, diff_networks
from tests.support.documents import graph_from
from tests.support.isomorphism import are_isomorphic


@pytest.mark.parametrize("a", BODIES)
@pytest.mark.parametrize("b", BODIES)
def test_the_same_structure_is_what_networkx_finds_isomorphic(a: str, b: str) -> None:
    first, second = (graph_from({**MLP, "network": BODIES[name]}) for name in (a, b))
    found = diff_graphs(first, second)
    if found.same_structure:
        assert are_isomorphic(first, second)
    elif {a, b} != {"plain", "repeated"} and {a, b} != {"named", "repeated"}:  # other scopes count as another structure
        assert not are_isomorphic(first, second)


def test_another_operand_is_found() -> None:
    """Both have the same layers with the same shapes; one edge differs."""
    found = diff_networks(BODIES["early"], BODIES["late"])
    assert {change.kind for change in found.changes} == {"same"}
    assert [(item.a, item.reads_a, item.reads_b) for item in found.rewired] == [
        ("add_0.add", ("linear_1", "linear_0"), ("linear_1", "relu_0"))
    ]
    assert not found.equal


def test_other_outputs_are_said() -> None:
    body: list[Any] = [{"linear": 4}, {"output": "a"}, "relu", {"output": "b"}]
    moved: list[Any] = [{"linear": 4}, {"output": "b"}, "relu", {"output": "c"}]
    found = diff_networks(body, moved)
    assert found.outputs == {"a": ("linear_0", None), "b": ("relu_0", "linear_0"), "c": (None, "relu_0")}


def test_the_number_of_operands_is_a_difference() -> None:
    first, second = (graph_from({**MLP, "network": [{"add": [[]] * n}]}) for n in (2, 3))
    found = diff_graphs(first, second)
    assert not found.same_structure
    assert [(item.reads_a, item.reads_b) for item in found.rewired] == [(("x", "x"), ("x", "x", "x"))]


def test_inputs_that_change_places_are_a_difference() -> None:
    """Inputs and outputs are what a caller names: the other network subtracts the other way round."""
    head: dict[str, Any] = {"archspec": 1, "inputs": {"x": [4], "y": [4]}}
    networks = [
        [{"add": [[{"scale": -1}], [{"from": "y"}]]}],
        [{"add": [[{"from": "y"}, {"scale": -1}], [{"from": "x"}]]}],
    ]
    found = diff_networks(networks[0], networks[1], head)
    assert not found.same_structure


def test_other_names_of_inputs_and_outputs() -> None:
    head: dict[str, Any] = {"archspec": 1, "network": [{"linear": 4}, {"output": "a"}, "relu", {"output": "b"}]}
    other = {**head, "inputs": {"z": [4]}, "network": [{"linear": 4}, {"output": "a"}, "relu", {"output": "c"}]}
    found = diff_graphs(graph_from({**head, "inputs": {"x": [4]}}), graph_from(other))
    assert found.same_structure
    assert not found.equal
    assert (found.renamed, found.output_names, found.outputs) == ({"x": "z"}, {"b": "c"}, {})


def test_padding_by_a_rule_is_the_number_that_it_stands_for() -> None:
    def write(padding: Any) -> list[Any]:
        fields = {"out": 18, "padding": padding}
        layers = [{"max_pool": {"kernel": 3, "padding": padding}}, {"conv": {**fields, "out": 4}}]
        return [*layers, {"deform_conv": {**fields, "offset": [{"conv": fields}]}}]

    head: dict[str, Any] = {"archspec": 1, "inputs": {"x": [4, 8, 8]}}
    assert diff_networks(write("same"), write(1), head).equal
    assert not diff_networks(write("same"), write("causal"), head).equal  # the control
