"""Channels of one value that come from different places, as a concatenation joins them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from compiler.onnx_file.nodes import read_attribute
from compiler.onnx_target.onnx_model import OnnxModel

CHANNELWISE = frozenset(
    {
        *("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Identity"),
        *("Selu", "Abs", "Exp", "Log", "Sqrt"),
        *("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Resize", "Pad", "Flatten"),
        *("BatchNormalization", "Add", "Mul"),
    }
)
"""The ONNX operations that compute each channel from the channels of that place in its operands."""


def find_segments(model: OnnxModel) -> dict[str, tuple[int, ...]]:
    """Find the channel at which each segment of a value begins, by its name, and behind them how many channels there
    are. Of values in rows none are found.

    Segments are a concatenation's operands, and the same channels behind it until a layer mixes them.
    """
    graph = model.head.graph
    channels = {item.name: _count_channels(item) for item in (*graph.input, *graph.value_info, *graph.output)}
    found: dict[str, tuple[int, ...]] = {}
    for node in graph.node:
        result = node.output[0]
        if node.name in model.rows:
            continue
        if (
            node.op_type == "Concat"
            and read_attribute(node, "axis") == 1
            and all(name in channels for name in node.input)
        ):
            bounds, first = {0}, 0
            for name in node.input:
                bounds |= {first + bound for bound in found.get(name, (channels[name],))}
                first += channels[name]
            found[result] = tuple(sorted(bounds))
        elif node.op_type in CHANNELWISE or _keeps_channels_apart(node, channels):
            bounds = {bound for name in node.input for bound in found.get(name, ())}
            if bounds:
                found[result] = tuple(sorted(bounds))
    return found


def _keeps_channels_apart(node: onnx.NodeProto, channels: Mapping[str, int]) -> bool:
    groups = next((item.i for item in node.attribute if item.name == "group"), 1)
    return node.op_type == "Conv" and 1 < groups == channels.get(node.input[0]) == channels.get(node.output[0])


def _count_channels(item: onnx.ValueInfoProto) -> int:
    dims = item.type.tensor_type.shape.dim
    return dims[1].dim_value if len(dims) > 1 else 1
