"""Channels of one value that come from different places are known until a layer mixes them."""

from __future__ import annotations

from archspec.api import to_torch
from compiler.onnx_target.int8.channel_segments import find_segments
from compiler.onnx_target.model import build_model
from tests.support.documents import graph_from

BODY = [
    {"concat": [[{"conv": 4}], [{"concat": [[{"conv": 2}], [{"conv": {"out": 3, "groups": 1}}]]}, "sigmoid"]]},
    "relu",
    {"max_pool": 2},
    {"conv": {"out": 9, "kernel": 3, "groups": 9}},
    "global_avg_pool",
    "flatten",
    {"linear": 5},
]


def test_pieces_go_on_until_a_layer_mixes_them() -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [3, 8, 8]}, "network": BODY})
    model = build_model(graph, {name: value.numpy() for name, value in to_torch(graph).state_dict().items()})
    found = find_segments(model)
    kinds = {node.output[0]: node.op_type for node in model.head.graph.node}
    assert {kinds[name] for name in kinds.keys() - found.keys()} == {"Conv", "Gemm"}
    inner = {bounds for name, bounds in found.items() if kinds[name] == "Sigmoid"}
    assert inner == {(0, 2, 5)}
    assert {bounds for name, bounds in found.items() if kinds[name] in ("MaxPool", "Flatten", "GlobalAveragePool")} == {
        (0, 4, 6, 9)
    }
    assert sum(kinds[name] == "Conv" for name in found) == 1  # that of each channel alone
