"""Collects an ONNX graph: each rule asks for nodes, weights and constants, and names follow from the graph's ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from compiler.graph import Graph, Node
from compiler.passes.base import Array, Arrays, LazyArray


class Emitter:
    """What the rules write to. `node` is the graph's node at work."""

    node: Node

    def __init__(self, graph: Graph, weights: Arrays) -> None:
        self.graph = graph
        self.weights = weights
        self.nodes: list[ir.Node] = []
        self.initializers: dict[str, ir.Value] = {}
        self._parts = 0

    def begin(self, node: Node) -> None:
        self.node, self._parts = node, 0

    def op(self, kind: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> ir.Value:
        """One ONNX node; its result. The last one of a rule gets the id of the graph's node, see `finish`."""
        name = f"{self.node.id}.{kind}_{self._parts}"
        self._parts += 1
        result = ir.Value(name=name)
        self.nodes.append(ir.node(kind, inputs, attributes or None, outputs=[result], name=name))
        return result

    def finish(self, result: ir.Value) -> ir.Value:
        """Name the node's result, and the ONNX node that gives it, as the graph does."""
        # An output's name is the user's to choose, and may be some node's id.
        result.name = f"{self.node.id}.value" if self.node.id in self.graph.outputs else self.node.id
        producer = result.producer()
        if producer is not None:
            producer.name = self.node.id
        return result

    def weight(self, name: str) -> ir.Value:
        """A stored tensor of the node at work, by its short name."""
        return self._initialize(f"{self.node.id}.{name}", self.weights[f"{self.node.id}.{name}"])

    def constant(self, name: str, value: Any, dtype: type[np.generic] = np.float32) -> ir.Value:
        """A constant of the node at work."""
        return self._initialize(f"{self.node.id}.{name}", np.asarray(value, dtype))

    def _initialize(self, name: str, array: Array) -> ir.Value:
        if name not in self.initializers:
            tensor = _as_tensor(name, array)
            value = ir.Value(
                name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype)
            )
            self.initializers[name] = value
        return self.initializers[name]


def _as_tensor(name: str, array: Array) -> ir.TensorProtocol:
    """The array as a tensor of that name; a lazy one is computed when it is written, and not kept."""
    if isinstance(array, LazyArray):
        kind = ir.DataType.from_numpy(array.dtype)
        return ir.LazyTensor(lambda: ir.tensor(np.asarray(array)), dtype=kind, shape=ir.Shape(array.shape), name=name)
    return ir.tensor(np.ascontiguousarray(array), name=name)
