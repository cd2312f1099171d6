"""The dense, encoder-decoder, plain and mobile families against torchvision's models, against networks written in plain
torch from the papers, and against the papers' own figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import accepted_sizes, elaborate, load, to_torch
from archspec.errors import SpecError
from archspec.ops import Dropout, StochasticDepth
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare
from tests.support.torchvision_models import build_on_meta, import_torchvision_models
from tests.zoo.other_witnesses import (
    CifarDenseNet,
    FigureOf11x9,
    FullScaleUNet,
    NestedUNet,
    StackedHourglass,
    VNet,
    unet,
    unet3d,
    unet_bilinear,
)
from tests.zoo.side_by_side import assert_equal_figures, assert_equal_outputs, lean, stored

TORCHVISIONS = [
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("vgg11", "vgg13", "vgg16", "vgg16_bn", "vgg19"),
    *("mobilenet_v2", "convnext_tiny", "efficientnet_b0"),
]
"""Specs that equal the models of torchvision with their names."""

WITNESSES: dict[str, Callable[[], nn.Module]] = {
    "densenet_bc_100_12": lambda: CifarDenseNet(16, bc=True),
    "densenet_40_12": lambda: CifarDenseNet(12, bc=False),
    "densenet_figure_11_9": FigureOf11x9,
    "unet": lambda: unet(1, 2, (64, 128, 256, 512), pad=0),
    "unet_same": lambda: unet(1, 1, (64, 128, 256, 512)),
    "unet_any": lambda: unet(1, 1, (64, 128, 256, 512)),
    "unet_bn": lambda: unet(3, 1, (64, 128, 256, 512), norm=True),
    "unet_bilinear": unet_bilinear,
    "unet3d": lambda: unet3d(3, 3, (64, 128, 256)),
    "vnet": lambda: VNet((16, 32, 64, 128)),
    "unet_plus_plus": lambda: NestedUNet((32, 64, 128, 256, 512)),
    "unet_3_plus": lambda: FullScaleUNet((64, 128, 256, 512, 1024)),
    "hourglass1": lambda: StackedHourglass(1),
    "hourglass2": lambda: StackedHourglass(2),
    "hourglass8": lambda: StackedHourglass(8),
}

SMALL: list[tuple[str, dict[str, Any], dict[str, int], Callable[[], nn.Module]]] = [
    ("densenet_bc_100_12", {"layers": 2}, {"H": 32, "W": 24}, lambda: CifarDenseNet(2, bc=True)),
    ("densenet_40_12", {"layers": 3}, {"H": 32, "W": 24}, lambda: CifarDenseNet(3, bc=False)),
    ("densenet_figure_11_9", {"layers": 3}, {"H": 9, "W": 12}, lambda: FigureOf11x9(3)),
    ("unet", {"widths": [8, 16, 32, 64]}, {"H": 188, "W": 204}, lambda: unet(1, 2, (8, 16, 32, 64), pad=0)),
    ("unet_same", {"widths": [8, 16, 32]}, {"H": 32, "W": 48}, lambda: unet(1, 1, (8, 16, 32))),
    ("unet_any", {"widths": [8, 16, 32]}, {"H": 47, "W": 47}, lambda: unet(1, 1, (8, 16, 32))),
    ("unet_bn", {"widths": [8, 16, 32]}, {"H": 32, "W": 48}, lambda: unet(3, 1, (8, 16, 32), norm=True)),
    ("unet_bilinear", {}, {"H": 32, "W": 48}, unet_bilinear),
    ("unet3d", {"widths": [4, 8, 16]}, {"D": 92, "H": 92, "W": 100}, lambda: unet3d(3, 3, (4, 8, 16))),
    ("vnet", {"widths": [4, 8, 16, 32]}, {"D": 16, "H": 32, "W": 48}, lambda: VNet((4, 8, 16, 32))),
    ("unet_plus_plus", {"widths": [4, 8, 12, 16, 20]}, {"H": 32, "W": 48}, lambda: NestedUNet((4, 8, 12, 16, 20))),
    ("unet_3_plus", {"widths": [4, 6, 8, 10, 12]}, {"H": 32, "W": 48}, lambda: FullScaleUNet((4, 6, 8, 10, 12))),
    ("hourglass2", {"features": 32, "joints": 5}, {"H": 64, "W": 128}, lambda: StackedHourglass(2, 32, 5)),
]
"""A spec with params and sizes that keep it quick, and its witness."""


@cache
def at_home(name: str) -> Graph:
    return elaborate(load(name))


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_figures_and_stored_shapes_are_torchvisions(name: str) -> None:
    graph, model = at_home(name), build_on_meta(name)
    assert_equal_figures(graph, model)
    shapes = [lean(value.shape) for value in stored(model)]
    assert [lean(weight.shape) for weight in graph.weights.values()] == shapes


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2", "convnext_tiny", "efficientnet_b0"])
def test_outputs_are_torchvisions(name: str) -> None:
    graph = elaborate(load(name, {"classes": 10}), {"H": 64, "W": 96})
    assert_equal_outputs(graph, getattr(import_torchvision_models(), name)(num_classes=10))


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0"])
def test_blocks_survive_as_often_as_torchvisions(name: str) -> None:
    ops = [node.op for node in at_home(name) if isinstance(node.op, StochasticDepth)]
    rates = [m.p for key, m in build_on_meta(name).named_modules() if key.endswith("stochastic_depth")]
    blocks = [node for node in at_home(name) if node.op.kind == "add"]
    used = [rate for rate in rates if rate > 0]
    if name == "efficientnet_b0":  # torchvision's blocks that change the shape have a rate that is never used
        used = [rates[i] for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)]
    assert [1 - op.survival for op in ops] == pytest.approx(used)
    assert all(op.rescale and op.draw == "sample" for op in ops)
    assert len(blocks) == len(ops) + (name == "convnext_tiny")  # its first block always survives


@pytest.mark.parametrize("name", WITNESSES)
def test_figures_are_those_of_an_independent_network(name: str) -> None:
    with torch.device("meta"):
        witness = WITNESSES[name]()
    assert_equal_figures(at_home(name), witness)


@pytest.mark.parametrize(("name", "params", "sizes", "build"), SMALL, ids=[row[0] for row in SMALL])
def test_outputs_are_those_of_an_independent_network(
    name: str, params: dict[str, Any], sizes: dict[str, int], build: Callable[[], nn.Module]
) -> None:
    assert_equal_outputs(elaborate(load(name, params), sizes), build())


@pytest.mark.parametrize(
    ("name", "params", "published"),
    [
        ("densenet_bc_100_12", {}, "0.8"),  # Huang et al., 2017, table 2
        ("densenet_40_12", {}, "1.0"),  # the same
        ("unet_plus_plus", {"deep": False}, "9.04"),  # Zhou et al., 2018, table 2
        ("ecapa_tdnn", {}, "14.7"),  # Desplanques et al., 2020, table 1
        ("ecapa_tdnn", {"width": 512}, "6.2"),  # the same
        ("unet_3_plus", {}, "26.97"),  # Huang et al., 2020, table 1
    ],
)
def test_parameters_round_to_the_papers_millions(name: str, params: dict[str, Any], published: str) -> None:
    digits = len(published.partition(".")[2])
    assert f"{measure_cost(elaborate(load(name, params))).parameters / 1e6:.{digits}f}" == published


def test_parameters_of_the_3d_u_nets_paper() -> None:
    """19,069,955 (Çiçek et al., 2016, section 3) are one number for each normalized channel, where the spec has two."""
    one_number = {"norm": {"affine": False}, "conv": {"bias": True}}
    assert (
        measure_cost(graph_from({"archspec": 1, "extends": "unet3d", "defaults": one_number})).parameters == 19_069_955
    )
    normalized = sum(node.shape.channels for node in at_home("unet3d") if node.op.kind == "batch_norm")
    assert measure_cost(at_home("unet3d")).parameters - normalized == 19_069_955


def test_u_net_runs_at_three_sizes(tmp_path: Path) -> None:
    graph = elaborate(load("unet", {"widths": [8, 16, 32, 64]}))
    sizes = [{"H": 188, "W": 188}, {"H": 204, "W": 236}, {"H": 252, "W": 188}]
    assert [tuple(graph.resize(chosen)[graph.outputs["output"]].shape) for chosen in sizes] == [
        *((2, 4, 4), (2, 20, 52), (2, 68, 4))
    ]
    assert compare(graph, tmp_path, batches=(2,), sizes=sizes) < TOLERANCE


@pytest.mark.parametrize(("size", "nearest"), [(570, 572), (180, 188), (600, 604)])
def test_u_net_refuses_a_size_and_names_the_nearest(size: int, nearest: int) -> None:
    with pytest.raises(SpecError) as caught:
        elaborate(load("unet"), {"H": size, "W": size})
    assert f"H accepts 188 + 16·k; nearest: {nearest}" in str(caught.value)


def test_u_net_for_any_size_runs_at_odd_ones(tmp_path: Path) -> None:
    graph = elaborate(load("unet_any", {"widths": [4, 8, 12, 16]}))
    assert {axis: str(rule) for axis, rule in accepted_sizes(graph).items()} == dict.fromkeys("HW", "any from 16")
    sizes = [{"H": 16, "W": 17}, {"H": 33, "W": 47}, {"H": 101, "W": 64}, {"H": 31, "W": 75}]
    for chosen in sizes:
        assert graph.resize(chosen)[graph.outputs["output"]].shape.space == tuple(chosen.values())
    assert compare(graph, tmp_path, batches=(2,), sizes=sizes) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "widths", "sizes"),
    [
        ("vnet", [4, 8, 16, 32], [{"D": 16, "H": 16, "W": 32}, {"D": 32, "H": 48, "W": 16}]),
        ("unet3d", [4, 8, 16], [{"D": 92, "H": 92, "W": 92}, {"D": 100, "H": 92, "W": 108}]),
    ],
)
def test_volumes_run_at_two_sizes(name: str, widths: list[int], sizes: list[dict[str, int]], tmp_path: Path) -> None:
    graph = elaborate(load(name, {"widths": widths}))
    assert compare(graph, tmp_path, batches=(2,), sizes=sizes) < TOLERANCE


def nested_node(i: int, j: int) -> str:
    block = "double_conv_0.relu_1"
    return f"repeat_0.i{i}.{block}" if j == 0 else f"repeat_1.j{j - 1}.repeat_0.i{i}.{block}"


def test_each_node_of_unet_plus_plus_reads_those_before_it_and_the_one_below() -> None:
    graph = at_home("unet_plus_plus")
    for j in range(1, 5):
        for i in range(5 - j):
            *before, up = graph[f"repeat_1.j{j - 1}.repeat_0.i{i}.concat_0.concat"].inputs
            assert before == [nested_node(i, k) for k in range(j)]
            assert graph[up].op.kind == "conv_transpose"
            assert graph[up].inputs == (nested_node(i + 1, j - 1),)
    assert {name: graph[id].inputs for name, id in graph.outputs.items()} == {
        f"mask{j}": (nested_node(0, j),) for j in range(1, 5)
    }


def test_paths_of_unet_plus_plus_follow_its_recurrence() -> None:
    """Each node has the paths of all that it reads: 1 for x_i0, and their sum for x_ij."""
    paths = {(i, 0): 1 for i in range(5)}
    for j in range(1, 5):
        for i in range(5 - j):
            paths[i, j] = sum(paths[i, k] for k in range(j)) + paths[i + 1, j - 1]
    found = count_paths(at_home("unet_plus_plus"), by_length=False).op.by_output or {}
    expected = {f"mask{j}": paths[0, j] for j in range(1, 5)}
    assert {name: level.total for name, level in found.items()} == expected
    assert expected["mask4"] == 34


def test_unet_plus_plus_without_deep_supervision_has_its_last_output() -> None:
    graph = elaborate(load("unet_plus_plus", {"deep": False}))
    with torch.device("meta"):
        assert_equal_figures(graph, NestedUNet((32, 64, 128, 256, 512), deep=False))
    assert list(graph.outputs) == ["mask4"]
    assert measure_cost(graph).parameters == 9_042_177
    assert measure_cost(graph).macs["conv-linear"] == 4_188_930_048


def test_unet_3_plus_with_deep_supervision_has_an_output_of_each_depth() -> None:
    widths = (4, 6, 8, 10, 12)
    graph = elaborate(load("unet_3_plus", {"widths": [*widths], "deep": True}), {"H": 32, "W": 48})
    assert {name: tuple(graph[id].shape) for name, id in graph.outputs.items()} == {
        f"mask{i}": (1, 32, 48) for i in range(5)
    }
    assert_equal_outputs(graph, FullScaleUNet(widths, deep=True))


def test_channels_of_figure_11_9() -> None:
    graph = elaborate(load("densenet_figure_11_9", {"layers": 4}))
    joined = [node.shape.channels for node in graph if node.op.kind == "concat"]
    assert [graph["image"].shape.channels, *joined] == [3, 35, 67, 99, 131]
    assert [node.shape.channels for node in graph if node.op.kind == "conv"] == [32] * 4
    assert at_home("densenet_figure_11_9")[at_home("densenet_figure_11_9").outputs["output"]].shape.channels == 67


@pytest.mark.parametrize(("name", "count"), [("densenet_bc_100_12", 98), ("densenet_40_12", 38)])
def test_dropout_stands_behind_each_convolution_but_the_first(name: str, count: int) -> None:
    graph = elaborate(load(name, {"drop": 0.2}))
    dropouts = [node for node in graph if isinstance(node.op, Dropout)]
    convs = [node.id for node in graph if node.op.kind == "conv"]
    assert [node.inputs[0] for node in dropouts] == convs[1:]
    assert len(dropouts) == count
    assert graph.weights.keys() == at_home(name).weights.keys()


@pytest.mark.parametrize("stacks", [1, 2, 8])
def test_each_stack_of_hourglasses_has_heatmaps_that_reach_the_next(stacks: int) -> None:
    graph = at_home(f"hourglass{stacks}")
    assert {name: tuple(graph[id].shape) for name, id in graph.outputs.items()} == {
        f"heatmap{i}": (16, 64, 64) for i in range(stacks)
    }
    for i, id in enumerate(graph.outputs.values()):
        assert len(graph.readers[id]) == (i < stacks - 1)


def test_loss_on_the_first_heatmap_leaves_the_second_stack_alone() -> None:
    graph = elaborate(load("hourglass2", {"features": 16, "joints": 3}), {"H": 64, "W": 64})
    module = to_torch(graph)
    module(torch.randn(2, 3, 64, 64))["heatmap0"].square().mean().backward()
    touched = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    first = {name for name, _ in module.named_parameters() if not name.startswith("repeat_0.i1.")}
    behind = {name for name in first if ".when_0." in name and name.startswith("repeat_0.i0.")}
    assert touched == first - behind
    assert behind
