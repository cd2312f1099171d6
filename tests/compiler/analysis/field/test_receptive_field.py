"""Receptive fields: against published tables, and against the gradient of real networks, position by position."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from archspec.api import elaborate, load
from archspec.ops import (
    DeformConv,
    GlobalAvgPool,
    MaxUnpool,
    Vote,
)
from archspec.spec.zoo import zoo_specs
from compiler.analysis.field import receptive_field
from compiler.analysis.field.fields import OutputField
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.documents import graph_from
from tests.support.fields import look, measure_signal, only_field
from tests.support.strategies import MODERATE, Document, specs


def measure(name: str, **params: Any) -> OutputField:
    return only_field(measure_receptive_field(elaborate(load(name, params))))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # torchvision's networks, strides in the 3×3 convolutions: the sizes that its modules have
        *[("resnet18", 435), ("resnet34", 899), ("resnet50", 427), ("resnet101", 971), ("resnet152", 1451)],
        ("vgg11", 150),
        # Araujo, Norris and Sim, Distill, 2019, table of sizes
        *[("vgg16", 212), ("densenet121", 2071), ("mobilenet_v2", 491)],
    ],
)
def test_published_sizes(name: str, size: int) -> None:
    field = measure(name).field
    assert field.size == field.local == (size, size)
    assert field.stride == (Fraction(32), Fraction(32))


@pytest.mark.parametrize(
    ("depths", "size"),
    [([3, 4, 6, 3], 483), ([3, 4, 23, 3], 1027), ([3, 8, 36, 3], 1507), ([3, 24, 36, 3], 1763)],
    ids=["resnet50", "resnet101", "resnet152", "resnet200"],
)
def test_stride_in_the_first_convolution(depths: list[int], size: int) -> None:
    """ResNets as their paper has them, with the stride in the first 1×1: Araujo, Norris and Sim, 2019."""
    narrow = [{"conv": {"out": "width", "kernel": 1, "stride": "stride"}}, "relu", {"conv": "width"}, "relu"]
    body = [*narrow, {"conv": {"out": "4 * width", "kernel": 1}}]
    project = [{"conv": {"out": "4 * width", "kernel": 1, "stride": "stride"}}]
    stage = {"bottleneck": {"width": "width", "stride": "2 if i > 0 and j == 0 else 1"}}
    stages = {
        "each": {"depth": "depths", "width": [2, 4, 8, 16]},
        "body": [{"repeat": {"n": "depth", "as": "j", "body": [stage]}}],
    }
    document: Document = {
        "archspec": 1,
        "params": {"depths": depths},
        "inputs": {"image": [3, 224, 224]},
        "blocks": {
            "bottleneck": {
                "args": {"width": "int", "stride": "int"},
                "body": [{"residual": {"body": body, "project": project}}, "relu"],
            }
        },
        "network": [
            {"conv": {"out": 4, "kernel": 7, "stride": 2}},
            {"max_pool": {"kernel": 3, "stride": 2, "padding": 1}},
            {"repeat": stages},
            "global_avg_pool",
        ],
    }
    assert only_field(measure_receptive_field(graph_from(document))).field.size == (size, size)


# Against gradients


@settings(MODERATE, max_examples=25)
@given(specs())
def test_clipped_runs_are_those_of_the_gradient(document: Document) -> None:
    graph = graph_from(document)
    if any(isinstance(node.op, Vote) for node in graph):  # it has no gradient
        return
    wider = [
        getattr(node.op, "causal", False)
        or not getattr(node.op, "both", True)
        or isinstance(node.op, DeformConv | MaxUnpool)
        for node in graph
    ]
    if any(wider):  # said to see what comes after too, what no offset happens to reach, and what is not the largest
        return
    for own, *others in filter(None, measure_receptive_field(graph).outputs.values()):
        node = graph[own.field.node]
        (seen,) = look(graph, node.id, [[(extent - 1) // 2 for extent in node.shape.space]])
        for output in (own, *others):
            if len(output.clipped or ()) != node.shape.rank:  # the middle of the map that a row was laid out of
                continue
            assert output.clipped == tuple(seen.get(output.field.input, ())), node.id


# What else a field says


def test_gates_show_everything_and_are_told_apart() -> None:
    graph = elaborate(load("se_net"))
    found = measure_receptive_field(graph)
    field = only_field(found)
    assert field.field.local == (13, 13) < (32, 32) == field.field.size
    assert field.clipped == ((0, 31), (0, 31))
    assert {type(graph[id].op) for id in found.everywhere} == {GlobalAvgPool}
    assert [*look(graph, field.field.node, [[3, 3]])] == [{"image": [(0, 31), (0, 31)]}]


def test_statistics_of_a_map_show_everything() -> None:
    shown = only_field(measure_signal([{"conv": 2}, {"group_norm": 1}, {"conv": 2}])).field
    assert (shown.size, shown.local) == ((64,), (5,))
    local = only_field(measure_signal([{"conv": 2}, {"layer_norm": {"over": "channels"}}, {"conv": 2}])).field
    assert (local.size, local.local) == ((5,), (5,))


def test_vectors_have_no_field() -> None:
    found = measure_receptive_field(elaborate(load("residual_mlp")))
    assert found.outputs == {"output": ()}
    assert found.to_dict()["size"] == []


def test_each_output_and_each_input_has_its_own() -> None:
    fields = measure_receptive_field(elaborate(load("hourglass2"))).outputs
    assert {name: field.field.size[0] for name, (field,) in fields.items()} == {"heatmap0": 713, "heatmap1": 1353}
    body = [{"add": [[{"conv": 2}], [{"from": "b"}]]}]
    two = {"archspec": 1, "inputs": {"a": [2, 9], "b": [2, 9]}, "network": body}
    both = measure_receptive_field(graph_from(two))
    assert {name: field.field.size for name, field in both.by_output["output"].items()} == {"a": (3,), "b": (1,)}
    told = both.to_dict()["by_output"]
    assert {name: field["size"] for name, field in told["output"].items()} == {"a": [3], "b": [1]}


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_spec_of_the_zoo_is_measured(name: str) -> None:
    graph = elaborate(load(name))
    found = measure_receptive_field(graph)
    free = {node.id for node in graph if node.op.kind == "resize" or getattr(node.op, "corners", "") == "aligned"}
    assert {*found.unmeasured} <= free, "only what lays positions by the extents may be far from a progression"
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    for node in graph:
        for field in found.of(node.id):
            assert len(field.size) == found.graph[node.id].shape.rank  # a row of tokens has its map's
            assert all(0 < local <= size for local, size in zip(field.local, field.size, strict=True))


def test_of_too_many_outputs_only_the_theory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    network: list[Any] = [{"conv": 2}, {"output": "first"}, {"conv": 2}, {"output": "second"}]
    monkeypatch.setattr(receptive_field, "MAX_WALKED", 6)  # three nodes, two outputs
    assert [field.clipped for (field,) in measure_signal(network).outputs.values()] == [((30, 32),), ((29, 33),)]
    monkeypatch.setattr(receptive_field, "MAX_WALKED", 5)
    found = measure_signal(network)
    assert [field.field.size for (field,) in found.outputs.values()] == [(3,), (5,)]
    assert [(field.clipped, field.seen) for (field,) in found.outputs.values()] == [(None, None)] * 2
    json.dumps(found.to_dict(), allow_nan=False)
