"""Cost and paths: against closed forms, published figures, and counting by enumeration."""

from __future__ import annotations

import json
import math
from collections import Counter
from math import comb
from typing import Any

import pytest

from archspec.api import analyze, elaborate, load
from archspec.errors import Place
from archspec.ops import Add, Input, Relu, Shape
from archspec.spec.zoo import zoo_specs
from compiler.analysis.cost.cost import CONVENTIONS
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph, Node, NodeSource
from tests.support.enumeration import enumerate_paths


@pytest.mark.parametrize("name", ["residual_mlp", "se_net", "resnet18", "unet", "resnet_digits"])
def test_paths_are_those_of_an_enumeration(name: str) -> None:
    graph = elaborate(load(name))
    paths = count_paths(graph)
    lengths = Counter(len(path) - 1 for path in enumerate_paths(graph))
    assert paths.op.total == lengths.total()
    assert paths.op.by_length == dict(sorted(lengths.items()))


@pytest.mark.parametrize("blocks", [1, 4, 54])
def test_a_chain_of_residual_blocks_has_binomial_lengths(blocks: int) -> None:
    paths = count_paths(elaborate(load("residual_mlp", {"blocks": blocks})))
    assert paths.block.total == 2**blocks
    assert paths.block.by_length == {length: comb(blocks, length) for length in range(blocks + 1)}
    assert set(paths.through.values()) == {2 ** (blocks - 1)}
    assert len(paths.through) == blocks


def test_short_paths_of_54_blocks() -> None:
    """Veit et al., 2016: lengths 5 to 17 are 0.45 % of the paths of 54 blocks."""
    lengths = count_paths(elaborate(load("residual_mlp", {"blocks": 54}))).block.by_length
    assert lengths is not None
    share = sum(lengths[length] for length in range(5, 18)) / 2**54
    assert share == pytest.approx(0.0045367, rel=1e-4)


def test_four_blocks_of_figure_11_4() -> None:
    """Sixteen paths; eight of them pass through the first block (exercise 11.2 of the book)."""
    paths = count_paths(elaborate(load("residual_mlp")))
    assert paths.op.total == 16
    assert paths.through["repeat_0.i0.residual_0"] == 8


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("resnet18", 2**8),
        ("resnet34", 2**16),
        ("resnet50", 2**16),
        ("resnet101", 2**33),
        ("resnet152", 2**50),
        ("densenet121", 2**58),
        ("resnet110", 2**54),
        ("vgg16", 1),
        ("unet", 5),
        ("se_net", 9),
    ],
)
def test_totals(name: str, total: int) -> None:
    paths = count_paths(elaborate(load(name)))
    assert paths.op.total == paths.block.total == total
    assert sum((paths.op.by_length or {}).values()) == total
    assert sum((paths.block.by_length or {}).values()) == total


def test_outputs_are_counted_apart_and_together() -> None:
    paths = count_paths(elaborate(load("hourglass2")))
    assert paths.op.by_output is not None
    assert {name: level.total for name, level in paths.op.by_output.items()} == {"heatmap0": 5456, "heatmap1": 7447440}
    assert paths.op.total == 5456 + 7447440
    assert paths.block.by_length is not None
    assert sum(paths.block.by_length.values()) == paths.block.total


def test_the_same_value_twice_is_two_paths() -> None:
    source = NodeSource(Place("test.yaml"))
    x = Node("x", Input(dims=(3,)), (), Shape(3), source)
    twice = Node("twice", Add(), ("x", "x"), Shape(3), source)
    relu = Node("relu", Relu(), ("twice",), Shape(3), source)
    graph = Graph("twice", {"x": x, "twice": twice, "relu": relu}, {"y": "relu"})
    assert count_paths(graph).op.by_length == {2: 2}
    assert graph.digraph.number_of_edges("x", "twice") == 2


def test_a_thousand_and_one_layers_are_exact() -> None:
    lengths = count_paths(elaborate(load("residual_mlp", {"blocks": 1001})), by_length=True).block.by_length
    assert lengths is not None
    assert lengths[500] == comb(1001, 500)
    assert sum(lengths.values()) == 2**1001


def test_lengths_are_left_out_where_they_would_take_long() -> None:
    paths = count_paths(elaborate(load("residual_mlp", {"blocks": 10_000})))
    assert paths.op.by_length is None
    assert paths.op.total == 2**10_000


def test_parameters_of_the_exercises() -> None:
    """Problem 11.6: ten hidden layers of twenty units, one input and one output: 3,841; with BatchNorm 4,241."""
    from tests.support.documents import graph_from

    hidden: list[Any] = [{"linear": 20}, "relu"]
    plain: dict[str, Any] = {"archspec": 1, "inputs": {"x": [1]}}
    body = [{"repeat": {"n": 10, "body": hidden}}, {"linear": 1}]
    assert analyze(graph_from({**plain, "network": body})).cost.parameters == 3841
    body = [{"repeat": {"n": 10, "body": [{"linear": 20}, "batch_norm", "relu"]}}, {"linear": 1}]
    assert analyze(graph_from({**plain, "network": body})).cost.parameters == 4241


def test_parameters_of_problem_11_10() -> None:
    """One BN, ReLU, 3×3 convolution on 512 channels: 2,360,320; the bottleneck by 128 channels: 280,064."""
    from tests.support.documents import graph_from

    document: dict[str, Any] = {"archspec": 1, "inputs": {"x": [512, 8, 8]}, "defaults": {"conv": {"bias": False}}}
    one = ["batch_norm", "relu", {"conv": 512}]
    assert analyze(graph_from({**document, "network": [{"residual": {"body": one}}]})).cost.parameters == 2_360_320
    narrow = [{"conv": {"out": 128, "kernel": 1}}, "batch_norm", "relu", {"conv": 128}, "batch_norm", "relu"]
    body = ["batch_norm", "relu", *narrow, {"conv": {"out": 512, "kernel": 1}}]
    assert analyze(graph_from({**document, "network": [{"residual": {"body": body}}]})).cost.parameters == 280_064


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_the_report_is_json_with_the_promised_rows(name: str) -> None:
    report = analyze(elaborate(load(name))).to_dict()
    assert json.loads(json.dumps(report)) == report
    assert list(report)[:6] == ["name", "sizes", "inputs", "outputs", "parameters", "macs"]
    assert report["macs"]["convention"] == "conv-linear"
    assert report["macs"]["conventions"].keys() == CONVENTIONS.keys()
    assert report["parameters"].keys() == {"trainable", "frozen", "buffers"}
    assert report["paths"].keys() == {"op", "block", "ungated"}


def test_resnet50_in_each_convention() -> None:
    """ptflops' aten count is 4,089,185,256, torch's FlopCounterMode 8,178,368,512."""
    macs = analyze(elaborate(load("resnet50"))).cost.macs
    assert macs | {"conv-linear": 4089184256, "conv-linear-bias": 4089185256, "flops": 8178368512} == macs


def test_activations_are_the_sum_of_all_results() -> None:
    graph = elaborate(load("residual_mlp"))
    cost = analyze(graph).cost
    assert cost.activations == sum(math.prod(node.shape) for node in graph if node.inputs)
    assert cost.largest.shape.elements == 100
