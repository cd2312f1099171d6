"""The bounds of values: how large those inside a model are, as far as that can be told before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from math import prod
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy.typing as npt

from archspec.extras import extra
from archspec.wording import write_shape
from runtime.session.inputs import MAX_NUMBERS
from runtime.verification.checks import UnansweredError
from runtime.verification.model.inside import ModelInside

with extra("run"):
    import onnx
    from onnx.shape_inference import infer_shapes

    from compiler.onnx_file.nodes import describe_node, find_captured, find_graphs, read_constant

Values: TypeAlias = dict[str, onnx.ValueInfoProto]
Tensors: TypeAlias = dict[str, onnx.TensorProto]
Made: TypeAlias = tuple[onnx.NodeProto, tuple[int, ...]]


def check_extents(inside: ModelInside, feed: Mapping[str, npt.NDArray[Any]] = MappingProxyType({})) -> None:
    """Raises UnansweredError where a value would have more numbers than are made up of an input: for these inputs, or
    without any for what the file makes by itself, which ONNX Runtime may compute when it loads it."""
    model = deepcopy(inside.model)
    for item in model.graph.input:
        shape = feed[item.name].shape if item.name in feed else ()
        for axis, extent in zip(item.type.tensor_type.shape.dim, shape, strict=False):
            axis.dim_value = extent
    for node, shape in _list_made(model, model.graph, {}, {}):
        count = prod(shape)
        if count > MAX_NUMBERS:
            extents = write_shape(shape)
            raise UnansweredError(
                f"{inside.path}: {describe_node(node)} would make {count:,} numbers ({extents}), and verify runs no "
                f"file that makes more than {MAX_NUMBERS:,} of one value: choose smaller sizes, if it takes such"
            )


def _list_made(model: onnx.ModelProto, graph: onnx.GraphProto, outer: Values, stored: Tensors) -> Iterator[Made]:
    """The nodes of a graph, and of the branches and bodies that they hold, with the shape of each result that onnx
    infers; `outer` and `stored` are what the graph may read from where it stands."""
    found = _infer(model, graph, outer, stored)
    shapes = {item.name: item for item in (*found.input, *found.value_info, *found.output)}
    tensors = stored | {tensor.name: tensor for tensor in found.initializer}
    for node in graph.node:
        tensors |= {name: _call(tensor, name) for name, tensor in read_constant(node)}
        for name in shapes.keys() & set(node.output):
            yield node, tuple(axis.dim_value for axis in shapes[name].type.tensor_type.shape.dim)
        if inner := find_graphs(node):
            read = set(find_captured(node))
            values = {name: item for name, item in (*outer.items(), *shapes.items()) if name in read}
            numbers = {name: tensor for name, tensor in tensors.items() if name in read}
            for body in inner:
                yield from _list_made(model, body, values, numbers)


def _infer(model: onnx.ModelProto, graph: onnx.GraphProto, outer: Values, stored: Tensors) -> onnx.GraphProto:
    """A graph by itself with the shapes of its values, whatever it declares of them, which may be a lie; without any
    where onnx cannot follow it."""
    alone = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    alone.graph.CopyFrom(graph)
    del alone.graph.value_info[:]
    for item in alone.graph.output:
        if item.type.HasField("tensor_type"):
            item.type.tensor_type.ClearField("shape")
    own = {item.name for item in (*graph.input, *graph.initializer)} | {
        name for node in graph.node for name in node.output
    }
    alone.graph.initializer.extend(stored[name] for name in stored.keys() - own)
    alone.graph.input.extend(outer[name] for name in outer.keys() - stored.keys() - own)
    try:
        return infer_shapes(alone, data_prop=True).graph
    except Exception:  # of whatever kind onnx raises
        return alone.graph


def _call(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    called = deepcopy(tensor)
    called.name = name
    return called
