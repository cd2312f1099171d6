"""Collects an ONNX graph: each rule asks for nodes, weights and constants, and names follow from the graph's ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike

from archspec.errors import ArchspecError
from compiler.graph import Graph, Node
from compiler.onnx_target.formats import FLOAT32
from compiler.onnx_target.shapes import NamedShape
from compiler.passes.base import Array, Arrays
from compiler.passes.cast_weights import cast


@dataclass(eq=False, slots=True)
class Value:
    """A value of the ONNX graph: an input, a stored tensor, or what a node computes. Its name may still change."""

    name: str
    producer: OnnxNode | None = None


@dataclass(eq=False, slots=True)
class OnnxNode:
    """One ONNX node with one result, which reads its inputs by reference until it is written; None is left out."""

    kind: str
    name: str
    inputs: list[Value | None]
    output: Value
    attributes: dict[str, Any]

    def to_proto(self) -> onnx.NodeProto:
        names = [value.name if value else "" for value in self.inputs]
        attributes = [_write_attribute(name, value) for name, value in sorted(self.attributes.items())]
        return onnx.NodeProto(
            op_type=self.kind, name=self.name, input=names, output=[self.output.name], attribute=attributes
        )


class Emitter:
    """What the rules write to. `node` is the graph's node at work, `shapes` are those of all nodes, `float_type` is the
    type of the model's numbers."""

    node: Node
    shapes: Mapping[str, NamedShape]

    def __init__(self, graph: Graph, weights: Arrays, float_type: np.dtype[Any] = FLOAT32) -> None:
        self.graph = graph
        self.weights = weights
        self.float_type = float_type
        self.nodes: list[OnnxNode] = []
        self.tensors: dict[str, Array] = {}
        self._stored: dict[str, Value] = {}
        self._parts = 0

    def begin(self, node: Node) -> None:
        self.node, self._parts = node, 0

    def op(self, kind: str, inputs: Sequence[Value | None], **attributes: Any) -> Value:
        """One ONNX node; its result. The last one of a rule gets the id of the graph's node, see `finish`."""
        name = f"{self.node.id}.{kind}_{self._parts}"
        self._parts += 1
        return self.append(kind, name, inputs, Value(name), **attributes)

    def cast(self, value: Value, dtype: np.dtype[Any]) -> Value:
        """The value in another type."""
        return self.op("Cast", [value], to=onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def append(self, kind: str, name: str, inputs: Sequence[Value | None], output: Value, **attributes: Any) -> Value:
        """One ONNX node of that name, which computes `output`."""
        output.producer = OnnxNode(kind, name, list(inputs), output, attributes)
        self.nodes.append(output.producer)
        return output

    def finish(self, result: Value) -> Value:
        """Name the node's result, and the ONNX node that gives it, as the graph does."""
        # An output's name is the user's to choose, and may be some node's id.
        result.name = f"{self.node.id}.value" if self.node.id in self.graph.outputs else self.node.id
        if result.producer is not None:
            result.producer.name = self.node.id
        return result

    def weight(self, name: str) -> Value:
        """A stored tensor of the node at work, by its short name."""
        return self._store(f"{self.node.id}.{name}", self.weights[f"{self.node.id}.{name}"])

    def constant(self, name: str, value: Any, dtype: DTypeLike | None = None) -> Value:
        """A constant of the node at work, of the model's float type unless another is given.

        Raises ArchspecError where a number is too large for it, or so small that it would be zero.
        """
        stored, given = f"{self.node.id}.{name}", np.asarray(value)
        rounded = cast(given, np.dtype(dtype or self.float_type), stored)
        if np.count_nonzero(rounded) < np.count_nonzero(given):
            smallest = np.abs(given[given != 0]).min()
            raise ArchspecError(f"{stored} is {smallest:.3g}, which is zero in {rounded.dtype}: export in bf16 or fp32")
        return self._store(stored, rounded)

    def _store(self, name: str, array: Array) -> Value:
        if name not in self._stored:
            self.tensors[name] = array
            self._stored[name] = Value(name)
        return self._stored[name]


def _write_attribute(name: str, value: int | float | str | Sequence[int]) -> onnx.AttributeProto:
    """Not by `onnx.helper`, whose checks of every number took longer than the rest of a node."""
    match value:
        case int():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.INT, i=value)
        case float():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.FLOAT, f=value)
        case str():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.STRING, s=value.encode())
        case _:
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS, ints=value)
