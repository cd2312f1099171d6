"""Differences of networks: against published figures, counts that are made otherwise, and networkx's isomorphism."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.spec.zoo import zoo_specs
from compiler.analysis.compare.diff import Change, Diff, diff_graphs
from compiler.analysis.cost.cost import measure_cost
from tests.support.comparing import BODIES, diff_networks


def diff(a: str, b: str, **params: Any) -> Diff:
    return diff_graphs(elaborate(load(a)), elaborate(load(b, params)))


def walk(changes: tuple[Change, ...]) -> Iterator[Change]:
    for change in changes:
        yield change
        yield from walk(change.children)


def summary(found: Diff) -> set[tuple[str, str]]:
    """What differs in layers, by the name in the second network or else the first."""
    layers = (change for change in walk(found.changes) if not change.children and change.kind != "same")
    return {(change.kind, branch.name) for change in layers if (branch := change.b or change.a)}


def test_resnet101_has_more_blocks_in_one_stage() -> None:
    """Figures published with torchvision's weights: 44,549,160 and 25,557,032 parameters."""
    found = diff("resnet50", "resnet101")
    figures = {figure.key: figure for figure in found.figures}
    assert figures["parameters.trainable"].difference == 44_549_160 - 25_557_032
    assert figures["paths.op.total"].ratio == 2**17
    repeated = [change for change in walk(found.changes) if change.a and change.b and change.a.times != change.b.times]
    assert [(change.a.times, change.b.times) for change in repeated if change.a and change.b] == [(5, 22)]
    assert summary(found) == set()
    assert not found.equal
    assert not found.renamed
    assert not found.rewired


def test_resnext_widens_and_groups() -> None:
    """Xie et al., 2017, table 1: twice the width inside, in 32 groups; 25.0 against 25.6 million parameters."""
    found = diff("resnet50", "resnext50_32x4d")
    fields = [change.fields for change in walk(found.changes) if change.fields]
    assert {frozenset(changed) for changed in fields} == {frozenset({"out"}), frozenset({"out", "groups"})}
    assert all(b == 2 * a for a, b in (changed["out"] for changed in fields))
    assert {changed["groups"] for changed in fields if "groups" in changed} == {(1, 32)}
    assert "grouped_0" in next(iter(found.renamed.values()))
    assert len(found.partners) == len(found.a) == len(found.b)


def test_unet_with_normalization() -> None:
    found = diff("unet", "unet_bn")
    kinds = {(change.kind, change.b.word) for change in walk(found.changes) if change.kind == "added" and change.b}
    assert kinds == {("added", "batch_norm"), ("added", "pad_space")}
    convolutions = [change.fields for change in walk(found.changes) if "padding" in change.fields]
    assert len(convolutions) == 18
    assert all(changed == {"padding": (0, "same"), "bias": (True, False)} for changed in convolutions)


NAMES = sorted(zoo_specs())


@pytest.mark.parametrize("name", NAMES[::5])
def test_a_network_has_no_difference_to_itself(name: str) -> None:
    graph = elaborate(load(name))
    found = diff_graphs(graph, elaborate(load(name)))
    assert found.equal
    assert found.partners == {id: id for id in graph.nodes}
    assert all(figure.a == figure.b for figure in found.figures)


@pytest.mark.parametrize(("a", "b"), [*pairwise(NAMES[::9]), ("resnet1202", "preresnet1001")])
def test_changes_add_up_to_the_difference(a: str, b: str) -> None:
    """What the changes say of each scope is the difference of the totals, which are counted node by node."""
    first, second = elaborate(load(a)), elaborate(load(b))
    costs = measure_cost(first), measure_cost(second)
    found = diff_graphs(first, second)
    wanted = {
        "parameters": (costs[1].parameters + costs[1].frozen) - (costs[0].parameters + costs[0].frozen),
        "macs": costs[1].macs["conv-linear"] - costs[0].macs["conv-linear"],
        "activations": costs[1].activations - costs[0].activations,
    }
    for what in ("parameters", "macs", "activations"):
        counts = [change.count(what) for change in found.changes]
        assert sum(after - before for before, after in counts) == wanted[what]
    json.dumps(found.to_dict())
    assert len(set(found.partners.values())) == len(found.partners)
    partners = [(first[x].op, second[y].op) for x, y in found.partners.items()]
    same = {change.kind for change in walk(found.changes)} == {"same"}
    assert not same or all(x == y for x, y in partners)


def test_other_names_are_said() -> None:
    found = diff_networks(BODIES["plain"], BODIES["named"])
    assert found.same_structure
    assert not found.equal
    assert found.renamed["linear_0"] == "first"


def test_a_layer_that_comes_and_one_that_goes() -> None:
    found = diff_networks(BODIES["plain"], BODIES["shorter"])
    assert summary(found) == {("removed", "relu_1")}
    back = diff_graphs(found.b, found.a)
    assert summary(back) == {("added", "relu_1")}


def test_only_sizes() -> None:
    graph = elaborate(load("resnet18"))
    found = diff_graphs(graph, elaborate(load("resnet18"), {"H": 256}))
    assert {change.kind for change in found.changes} == {"resized", "same"}
    assert not found.equal
    assert [figure.difference for figure in found.figures if figure.key == "parameters.trainable"] == [0]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (
            [{"conv": 2}, {"dense": {"n": 2, "body": [{"conv": 1}]}}],
            [{"conv": 3}, {"dense": {"n": 2, "body": [{"conv": 1}]}}],
            "conv_0",
        ),
        ([{"conv": w} for w in (4, 8, 16)], [{"conv": w} for w in (8, 16, 32)], "conv_0 conv_1 conv_2"),
    ],
)
def test_a_wider_network_keeps_its_names(first: list[Any], second: list[Any], names: str) -> None:
    """A turn of the one takes as many channels as another turn of the other, and is not taken for it."""
    head: dict[str, Any] = {"archspec": 1, "inputs": {"x": [3, 8]}}
    found = diff_networks(first, second, head)
    assert not found.renamed
    changed = [change for change in walk(found.changes) if change.kind == "changed"]
    assert [change.a.name for change in changed if change.a] == names.split()
    assert {change.kind for change in walk(found.changes)} == {"same", "changed", "resized"} - (
        set() if "dense" in str(first) else {"resized"}
    )


def test_a_layer_before_others_moves_their_names() -> None:
    """The control: with a layer in front the others do the same, and are called otherwise."""
    head: dict[str, Any] = {"archspec": 1, "inputs": {"x": [3, 8]}}
    networks = [[{"conv": w} for w in widths] for widths in ((8, 16, 32), (8, 8, 16, 32))]
    found = diff_networks(networks[0], networks[1], head)
    assert summary(found) == {("added", "conv_1")}
    assert found.renamed == {"conv_1": "conv_2", "conv_2": "conv_3"}


def test_one_of_equal_neighbours_is_another() -> None:
    """Folded they are four, and one, one, two; the one that differs is named."""
    networks = [
        [{"repeat": {"n": 4, "body": [{"linear": {"out": 4, "bias": bias}}, "relu"]}}] for bias in (True, "i != 1")
    ]
    found = diff_networks(networks[0], networks[1])
    changed = [change for change in walk(found.changes) if change.kind != "same" and not change.children]
    assert [change.a.ids for change in changed if change.a] == [("repeat_0.i1.linear_0",)]
    assert [change.fields for change in changed] == [{"bias": (True, False)}]
    assert found.partners == {id: id for id in found.a.nodes}


def test_names_that_change_places() -> None:
    """Both have layers `a` and `b`; with the weights by their names the other computes something else."""
    networks = [[{"linear": {"out": 4, "name": name}} for name in names] for names in ("ab", "ba")]
    found = diff_networks(networks[0], networks[1])
    assert found.same_structure
    assert not found.equal
    assert found.renamed == {"a": "b", "b": "a"}


def test_counts_beyond_a_float() -> None:
    found = diff("residual_mlp", "residual_mlp", blocks=2000)
    paths = next(figure for figure in found.figures if figure.key == "paths.op.total")
    assert paths.ratio == 2**1996
    assert paths.to_dict()["ratio"] is None
