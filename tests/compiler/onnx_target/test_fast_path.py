"""What leaves the blocked layout, against the models that ONNX Runtime optimized itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.api import elaborate, load
from compiler.graph import Graph
from compiler.onnx_target.fast_path import SlowNode, find_slow_nodes
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions, Target
from compiler.onnx_target.write import to_bytes
from tests.support.documents import graph_from

BLOCKED = "com.microsoft.nchwc"
LAYERS = {"conv", "conv_transpose"}

blocks_of_16 = pytest.mark.skipif(
    not any(path.read_text().count("avx512f") for path in [Path("/proc/cpuinfo")] if path.exists()),
    reason="without AVX-512 ONNX Runtime's blocks are smaller",
)

SMALL: dict[str, dict[str, int]] = {
    "densenet_40_12": {},
    "densenet_bc_100_12": {},
    "densenet_figure_11_9": {},
    "resnet20": {},
    "preresnet110": {},
    "resnext29_32x4d": {},
    "shake_shake26_2x32d": {},
    "se_net": {},
    "mobilenet_v2": {"H": 32, "W": 32},
    "efficientnet_b0": {"H": 32, "W": 32},
    "convnext_tiny": {"H": 64, "W": 64},
    "hourglass1": {"H": 64, "W": 64},
    "unet_bilinear": {"H": 32, "W": 32},
    "unet": {"H": 188, "W": 188},
    "unet3d": {"D": 92, "H": 92, "W": 92},
}


def optimize(graph: Graph, folder: Path, target: Target) -> tuple[Graph, onnx.GraphProto]:
    """The graph that is written, and the model that ONNX Runtime makes of the file."""
    weights = {name: np.full(weight.shape, 0.5, np.float32) for name, weight in graph.weights.items()}
    model = build_model(graph, weights, options=ExportOptions(target=target))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3  # it warns that the file is for this machine alone
    onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    return model.graph, onnx.load(options.optimized_model_filepath).graph


KERNELS = {"Conv", "FusedConv", "ConvTranspose"}


def plain_layers(optimized: onnx.GraphProto) -> set[str]:
    """The layers that ONNX Runtime left in plain layout, by the names of their kernels."""
    plain = [node for node in optimized.node if node.op_type in KERNELS and node.domain != BLOCKED]
    return {node.input[1].removesuffix(".weight") for node in plain}


def leavers(graph: Graph, optimized: onnx.GraphProto) -> set[str]:
    """The nodes that read what ONNX Runtime first copied out of the blocked layout, other than layers."""
    copied = {name for node in optimized.node if node.op_type == "ReorderOutput" for name in node.output}
    names = {
        name.removesuffix(".value")
        for node in optimized.node
        if copied & set(node.input) and node.domain != BLOCKED and node.op_type not in KERNELS
        for name in (node.name, *node.output)
    }
    own = {next((end for end in _prefixes(name) if end in graph.nodes), "") for name in names} - {""}
    return {id for id in own if graph[id].op.kind not in LAYERS and any(extent > 1 for extent in graph[id].shape.space)}


def _prefixes(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`: the nodes of a rule are named after the graph's node."""
    while name:
        yield name
        name = name.rpartition(".")[0]


@blocks_of_16
@pytest.mark.parametrize("target", get_args(Target)[:2])
@pytest.mark.parametrize("name", SMALL)
def test_agrees_with_onnx_runtime(name: str, target: Target, tmp_path: Path) -> None:
    graph, optimized = optimize(elaborate(load(name), SMALL[name]), tmp_path, target)
    slow = find_slow_nodes(graph)
    assert {one.node for one in slow if one.kind in LAYERS} == plain_layers(optimized)
    assert {one.node for one in slow if one.kind not in LAYERS} == leavers(graph, optimized)


RESIDUAL = {"residual": {"body": [{"conv": 16}]}}
BETWEEN: list[Any] = [
    *["relu", "relu6", "sigmoid", "tanh", "hard_swish", "hard_sigmoid", "silu", "gelu", "elu", "prelu", "softplus"],
    *["mish", "selu", "hard_tanh", "exp", "log", "sqrt", "abs", "glu"],
    {"clip": {"low": 0.5}},
    {"prelu": {"per": "network"}},
    {"gelu": {"approximate": "tanh"}},
    {"leaky_relu": 0.1},
    {"scale": {"trainable": True, "per": "channel"}},
    {"shift": 1.0},
    {"max_pool": 2},
    {"avg_pool": 2},
    {"avg_pool": {"kernel": 3, "stride": 2, "padding": 1, "ceil": True}},
    {"upsample": 2},
    {"upsample": {"scale": 2, "mode": "linear"}},
    {"upsample": {"scale": 2, "mode": "linear", "corners": "aligned"}},
    {"upsample": {"scale": 2, "mode": "cubic"}},
    {"upsample": "3 / 2"},
    {"adaptive_avg_pool": 4},
    {"pad_channels": 32},
    {"conv_transpose": 16},
]


@blocks_of_16
@pytest.mark.parametrize("before", [[], [RESIDUAL]], ids=["conv", "sum"])
@pytest.mark.parametrize("op", BETWEEN, ids=str)
def test_agrees_on_every_operation(op: Any, before: list[Any], tmp_path: Path) -> None:
    network = [{"conv": 16}, *before, op, {"conv": 16}]
    document = {"archspec": 1, "inputs": {"x": [16, "H", "W"]}, "sizes": {"H": 8, "W": 8}, "network": network}
    graph, optimized = optimize(graph_from(document), tmp_path, "any")
    slow = find_slow_nodes(graph)
    assert {one.node for one in slow if one.kind not in LAYERS} == leavers(graph, optimized)
    assert bool(slow) == (sum(node.op_type == "ReorderOutput" for node in optimized.node) > 1)


@blocks_of_16
def test_control_another_block_does_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, optimized = optimize(elaborate(load("densenet_40_12")), tmp_path, "any")
    monkeypatch.setattr("compiler.onnx_target.fast_path.BLOCK", 12)
    assert {one.node for one in find_slow_nodes(graph)} != leavers(graph, optimized)


@pytest.mark.parametrize("name", ["densenet_40_12", "densenet_bc_100_12", "resnet20", "resnext50_32x4d"])
def test_forms_for_cpus_leave_nothing_off_the_path(name: str) -> None:
    graph = elaborate(load(name))
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    found = [build_model(graph, weights, options=ExportOptions(target=target)).graph for target in ("any", "cpu")]
    before, after = map(find_slow_nodes, found)
    assert before
    assert not after


def slow_in(channels: int, *network: Any, dims: tuple[str, ...] = ("H", "W")) -> list[SlowNode]:
    sizes = dict.fromkeys(dims, 8)
    document = {"archspec": 1, "inputs": {"x": [channels, *dims]}, "sizes": sizes, "network": list(network)}
    return find_slow_nodes(graph_from(document))


def test_reasons_say_what_a_designer_can_change() -> None:
    grouped = {"out": 32, "groups": 8}
    assert [(one.node, one.kind, one.reason, one.macs) for one in slow_in(32, {"conv": grouped})] == [
        ("conv_0", "conv", "groups of 4 channels are no multiples of 16", 8 * 8 * 32 * 4 * 9)
    ]
    assert slow_in(18, {"conv": 16})[0].reason == "18 input channels are no multiple of 4"
    assert slow_in(16, {"conv_transpose": 16})[0].reason == "conv_transpose has no blocked form"
    assert slow_in(3, {"conv": 20}, {"max_pool": 2})[0].reason == "the 20 channels of max_pool_0 are no multiple of 16"
    assert slow_in(3, {"conv": 16}, "elu")[0].reason == "elu has no blocked form"
    assert (
        slow_in(4, {"conv": 4}, dims=("L",))[0].reason
        == "its result has 1 spatial axes, and only maps of 2 are blocked"
    )


def test_a_designer_s_own_input_is_no_finding() -> None:
    assert slow_in(3, "relu", {"conv": 16}, "relu", {"conv": {"out": 5}}) == []
    assert slow_in(32, {"conv": {"out": 32, "groups": 32}}, {"conv": {"out": 64, "groups": 2}}) == []


def test_as_json() -> None:
    (one,) = slow_in(18, {"conv": 16})
    assert one.to_dict() == {"node": "conv_0", "kind": "conv", "reason": one.reason, "macs": one.macs}
