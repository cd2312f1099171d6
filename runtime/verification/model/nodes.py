"""What stands in a model beside the initializers of its graph: in Constants, branches, loops and its own functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from archspec.extras import extra

with extra("run"):
    import onnx
    from onnx import TensorProto, numpy_helper

    from compiler.onnx_file.external import is_external
    from compiler.onnx_file.nodes import find_captured, find_graphs, walk_nodes

NUMBERS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
"""The attributes of a Constant that hold its numbers themselves, and their type."""


def list_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model, those of its graph in order."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    yield from walk_nodes(reversed(nodes))


def list_tensors(model: onnx.ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Stored tensors: of Constant nodes by the names of their results, of branches and loops by those of their nodes
    too, and the numbers of sparse tensors. What lies in other files is left out."""
    for item in model.graph.sparse_initializer:
        yield item.values.name, item.values
    for node in list_nodes(model):
        yield from read_constant(node)
        for graph in find_graphs(node):
            for tensor in graph.initializer:
                if not is_external(tensor):
                    yield f"{node.name or node.op_type}.{tensor.name}", tensor


def read_attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    found = next((item for item in node.attribute if item.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def list_operands(node: onnx.NodeProto) -> list[str]:
    """The names that a node reads, in its branches and loops too; names that are these' own are among them."""
    return [name for name in dict.fromkeys((*node.input, *find_captured(node))) if name]


def name_node(node: onnx.NodeProto) -> str:
    """`norm1 (BatchNormalization)`; a node without a name is called as what it gives."""
    called = node.name or next((name for name in node.output if name), "")
    return f"{called} ({node.op_type})"


def read_constant(node: onnx.NodeProto) -> Iterator[tuple[str, TensorProto]]:
    """The tensors that a Constant gives, by name; nothing of any other node, nor where its numbers lie in another
    file."""
    for item in node.attribute if node.op_type == "Constant" else ():
        if item.ref_attr_name:  # which is the caller's of a function
            continue
        if item.name == "value" and not is_external(item.t):
            yield node.output[0], item.t
        elif item.name == "sparse_value":
            yield node.output[0], item.sparse_tensor.values
        elif item.name in NUMBERS:
            numbers = np.asarray(onnx.helper.get_attribute_value(item), NUMBERS[item.name])
            yield node.output[0], numpy_helper.from_array(numbers, node.output[0])
