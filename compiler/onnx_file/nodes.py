"""The nodes of a model, with those of its branches, loops and own functions: what they read, say and store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
import onnx.helper
from onnx import numpy_helper

from compiler.onnx_file.external import is_external

NUMBERS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
"""The attributes of a Constant that hold its numbers themselves, and their type."""


def read_opset(model: onnx.ModelProto) -> int:
    """Read the version of ONNX's own operations: the first, where a model names none, as before IR version 3."""
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 1)


def find_captured(node: onnx.NodeProto) -> list[str]:
    """Find the names that the branches and loops of a node read from around it, and others that are their own."""
    names: dict[str, None] = {}
    todo = find_graphs(node)
    while todo:
        graph = todo.pop()
        for inner in graph.node:
            names.update(dict.fromkeys(inner.input))
            todo += find_graphs(inner)
        names.update(dict.fromkeys(item.name for item in graph.output))
    return list(names)


def find_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Find the branches and bodies that a node holds."""
    held = [item for item in node.attribute if item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)]
    return [graph for item in held for graph in (item.g, *item.graphs)]


def walk_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes, and those of the branches and bodies that they hold."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        todo += [inner for graph in find_graphs(node) for inner in graph.node]


def count_reads(graph: onnx.GraphProto) -> Counter[str]:
    """Count how often each name is read, by nodes and by the outside."""
    counts = Counter(item.name for item in graph.output)
    for node in graph.node:
        counts.update((*node.input, *find_captured(node)))
    return counts


def list_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node of a model, those of its graph in order."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    yield from walk_nodes(reversed(nodes))


def list_tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield the tensors that a model stores beside its initializers: those of Constant nodes by the names of their
    results, of branches and loops by those of their nodes too, and the numbers of sparse tensors. What lies in other
    files is left out."""
    for item in model.graph.sparse_initializer:
        yield item.values.name, item.values
    for node in list_nodes(model):
        yield from read_constant(node)
        for graph in find_graphs(node):
            for tensor in graph.initializer:
                if not is_external(tensor):
                    yield f"{node.name or node.op_type}.{tensor.name}", tensor


def read_attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """Read the value of an attribute of a node by its name; `default` where the node does not have it."""
    found = next((item for item in node.attribute if item.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def read_as_written(item: onnx.AttributeProto) -> Any:
    """Read the value of an attribute. A number in single precision is the shortest decimal that is stored so: 0.1, as
    it was written, and not 0.10000000149011612."""
    value = onnx.helper.get_attribute_value(item)
    return write_shortest(np.float32(value)) if item.type == onnx.AttributeProto.FLOAT else value


def write_shortest(number: Any) -> float:
    """Give the shortest decimal that is stored as this number, where it is one of single precision."""
    return float(str(number)) if isinstance(number, np.float32) else float(number)


def list_operands(node: onnx.NodeProto) -> list[str]:
    """List the names that a node reads, in its branches and loops too; names that are these' own are among them."""
    return [name for name in dict.fromkeys((*node.input, *find_captured(node))) if name]


def describe_node(node: onnx.NodeProto) -> str:
    """Write which node it is, as in `norm1 (BatchNormalization)`; one without a name is called as what it gives."""
    called = node.name or next((name for name in node.output if name), "")
    return f"{called} ({node.op_type})"


def read_constant(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield the tensors that a Constant gives, by name; nothing of any other node, nor where its numbers lie in another
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
