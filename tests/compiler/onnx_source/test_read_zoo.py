"""Exported specs, read back: everything that can be counted is what it is in the spec's own graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import elaborate, load, to_onnx
from archspec.ops import Add, Scale, Shape, Sigmoid
from archspec.spec.zoo import zoo_specs
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph, Node
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from compiler.onnx_target.pipeline import EXACT
from compiler.passes.base import run_passes
from tests.support.rewriting import chain

QUICK = [
    *("resnet18", "resnet50", "resnet50_group_norm", "resnext50_32x4d", "wide_resnet16_4", "preresnet110"),
    *("densenet121", "densenet_bc_100_12", "mobilenet_v2", "se_resnet50", "se_net", "convnext_tiny", "efficientnet_b0"),
    *("unet", "unet3d", "unet_plus_plus", "vnet", "hourglass2", "residual_mlp", "mlp_norm", "plain18", "resnet34_a"),
    *("shake_shake26_2x32d", "shortcut_conv", "resnet110_stochastic_depth", "resnet_digits"),
]
MERGED = ["highway10", "highway_conv", "shortcut_exclusive_gate", "shortcut_only_gate"]
"""A learned shift behind a layer without bias reads as its bias, which is the same function."""

IDLE = ["unet_any", "unet_bilinear"]
"""A padding that does nothing at the size in hand is left out."""


IN_A_FILE = {"crop": "cut"}
"""What a file has for a word of the language that its operations lack."""


def read_back(name: str, path: Path) -> tuple[Graph, Graph]:
    """The graph that is written, and the one that is read."""
    graph = elaborate(load(name))
    random = np.random.default_rng(0)
    weights = {key: random.uniform(0.5, 1.5, weight.shape).astype(np.float32) for key, weight in graph.weights.items()}
    to_onnx(graph, weights, path, verify=False)
    written = split_sums(run_passes(EXACT, graph, weights)[0])
    read = verify(read_graph(path))
    path.unlink()  # hundreds of megabytes
    return written, read


def split_sums(graph: Graph) -> Graph:
    """Sums of several values as they are written: two by two."""
    nodes: list[Node] = []
    for node in graph:
        total, *others = node.inputs or ("",)
        if not isinstance(node.op, Add) or len(others) < 2:
            nodes.append(node)
            continue
        for place, other in enumerate(others, start=1):
            last = place == len(others)
            nodes.append(replace(node, id=node.id if last else f"{node.id}.{place}", inputs=(total, other)))
            total = nodes[-1].id
    return graph.with_nodes(nodes)


def measure(graph: Graph) -> dict[str, Any]:
    cost, paths, field = measure_cost(graph), count_paths(graph), measure_receptive_field(graph).to_dict()
    return {
        "parameters": (cost.parameters, cost.buffers),
        "macs": cost.macs["conv-linear"],
        "activations": cost.activations,
        "kinds": sorted(IN_A_FILE.get(node.op.kind, node.op.kind) for node in graph),
        "op": paths.op.by_length,
        "block": paths.block.by_length,
        "ungated": paths.ungated.by_length,
        "through": dict(paths.through),
        "field": [field.get(key) for key in ("size", "stride", "centre")],
        "sizes": dict(graph.sizes),
        "shapes": [node.shape for node in graph.inputs.values()],
    }


@pytest.mark.parametrize("name", QUICK)
def test_what_is_read_is_what_was_written(name: str, tmp_path: Path) -> None:
    written, read = read_back(name, tmp_path / "model.onnx")
    expected, found = measure(written), measure(read)
    assert found == expected
    assert find_unknown(read) == {}


OTHERS = [name for name in sorted(zoo_specs()) if name not in (*QUICK, *MERGED, *IDLE)]


@pytest.mark.parametrize("name", [*MERGED, *IDLE, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_the_rest_of_the_zoo_has_the_same_blocks(name: str, tmp_path: Path) -> None:
    expected, found = map(measure, read_back(name, tmp_path / "model.onnx"))
    for key in ("macs", "block", "ungated", "through", "field", "shapes"):
        assert found[key] == expected[key], key


def test_learned_numbers_that_stand_alone_are_not_told_from_constants(tmp_path: Path) -> None:
    """Behind a sigmoid, where no layer can take it."""
    graph = chain(Shape(4), Sigmoid(), Scale(trainable=True))
    to_onnx(graph, {"n1.factor": np.float32(0.5)}, tmp_path / "model.onnx", verify=False)
    assert measure(graph)["parameters"] == (1, 0)
    assert measure(read_graph(tmp_path / "model.onnx"))["parameters"] == (0, 0)


def test_bodies_have_the_names_that_the_spec_gives_them(tmp_path: Path) -> None:
    written, read = read_back("resnet18", tmp_path / "model.onnx")
    assert [node.body for node in read] == [node.body for node in written]


def test_another_size_is_read_as_the_spec_is(tmp_path: Path) -> None:
    spec = elaborate(load("resnet18"))
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in spec.weights.items()}
    to_onnx(spec, weights, tmp_path / "model.onnx", verify=False)
    graph = read_graph(tmp_path / "model.onnx", sizes={"H": 160, "W": 96})
    expected = elaborate(load("resnet18"), {"H": 160, "W": 96})
    assert measure_cost(graph).macs["conv-linear"] == measure_cost(expected).macs["conv-linear"]
    assert dict(graph.sizes) == {"H": 160, "W": 96}
