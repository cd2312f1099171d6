"""Collects an ONNX graph: each rule asks for nodes, weights and constants, and names follow from the graph's ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray

from archspec.errors import ArchspecError
from archspec.ops import Shape
from compiler.graph import Graph, Node
from compiler.onnx_target.formats import FLOAT32, FORMATS
from compiler.onnx_target.shapes import NamedShape
from compiler.onnx_target.window_rows import WindowRegion
from compiler.passes.cast_weights import cast
from compiler.passes.weight_arrays import LazyArray, WeightArray, WeightArrays

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class OnnxValue:
    """A value of the ONNX graph: an input, a stored tensor, or what a node computes. Its name may still change."""

    name: str
    producer: OnnxNode | None = None


@dataclass(eq=False, slots=True)
class OnnxNode:
    """One ONNX node, which reads its inputs by reference until it is written; None is left out. Where its kind is none
    of ONNX's own, its domain stands before it. It has one result, and may have another one `beside` it."""

    kind: str
    name: str
    inputs: list[OnnxValue | None]
    output: OnnxValue
    attributes: dict[str, Any]
    beside: OnnxValue | None = None

    def to_proto(self) -> onnx.NodeProto:
        names = [value.name if value else "" for value in self.inputs]
        attributes = [_write_attribute(name, value) for name, value in sorted(self.attributes.items())]
        results = [value.name for value in (self.output, self.beside) if value]
        domain, _, kind = self.kind.rpartition(".")
        return onnx.NodeProto(
            op_type=kind, domain=domain or None, name=self.name, input=names, output=results, attribute=attributes
        )


class ModelEmitter:
    """Collects the nodes and the stored tensors of a model. `graph` is the network that it is of, `shapes` are those of
    its nodes' results, `float_type` is the type of the model's numbers, `rows` are the nodes that are written in rows,
    their channels last, `opset` is the version of ONNX's operations, and `windows` are those in rows that are written
    window by window."""

    def __init__(
        self,
        graph: Graph,
        weights: WeightArrays,
        shapes: Mapping[str, NamedShape],
        float_type: np.dtype[Any] = FLOAT32,
        rows: Collection[str] = (),
        opset: int = FORMATS["fp32"].opset,
        windows: Mapping[str, WindowRegion] = MappingProxyType({}),
    ) -> None:
        self.graph, self.weights, self.shapes, self.float_type = graph, weights, shapes, float_type
        self.rows, self.opset, self.windows = rows, opset, windows
        self.nodes: list[OnnxNode] = []
        self._values: dict[tuple[str, bool], OnnxValue] = {}
        self.tensors: dict[str, WeightArray] = {}
        self.shared: dict[str, OnnxValue] = {}
        self._stored: dict[str, OnnxValue] = {}

    def append(
        self, kind: str, name: str, inputs: Sequence[OnnxValue | None], output: OnnxValue, **attributes: Any
    ) -> OnnxValue:
        """Append one ONNX node of that name, which computes `output`."""
        output.producer = OnnxNode(kind, name, list(inputs), output, attributes)
        self.nodes.append(output.producer)
        return output

    def keep(self, node: str, value: OnnxValue) -> None:
        """Keep the result of a node of the graph for those that read it."""
        self._values[node, node in self.rows] = value

    def read(self, node: str, rows: bool) -> OnnxValue:
        """The result of a node in rows, or in planes; it is transposed once for all that read it so."""
        if (node, rows) not in self._values:
            name = f"{node}.Transpose_{'rows' if rows else 'planes'}"
            given, rank = self._values[node, not rows], self.graph[node].shape.rank
            perm = [0, *range(2, rank + 2), 1] if rows else [0, rank + 1, *range(1, rank + 1)]
            self._values[node, rows] = self.append("Transpose", name, [given], OnnxValue(name), perm=perm)
        return self._values[node, rows]

    def list_values(self) -> Iterator[tuple[str, NamedShape]]:
        """List what the nodes of the graph give, by name, and its shape as it is written: of what is in windows none,
        since nothing names so many samples."""
        for (node, rows), value in self._values.items():
            if node in self.windows:
                continue
            batch, channels, *space = self.shapes[node]
            yield value.name, [batch, *space, channels] if rows else self.shapes[node]

    def name_results(self) -> dict[str, str]:
        """List the nodes of the graph by the names of their results, in rows and in planes."""
        return {value.name: node for (node, _), value in self._values.items()}

    def store(self, name: str, array: WeightArray) -> OnnxValue:
        """Store a tensor; it is the same one for all that ask for its name."""
        if name not in self._stored:
            self.tensors[name] = array
            self._stored[name] = OnnxValue(name)
        return self._stored[name]


class Emitter:
    """The emitter that the rule of one `node` of the graph writes to."""

    def __init__(self, model: ModelEmitter, node: Node) -> None:
        self.model, self.node = model, node
        self.rows = node.id in model.rows
        self.windows = model.windows.get(node.id)
        self._parts = 0
        self._leader: OnnxNode | None = None

    @property
    def float_type(self) -> np.dtype[Any]:
        """The type of the model's numbers."""
        return self.model.float_type

    @property
    def opset(self) -> int:
        """The version of ONNX's operations in which the model is written."""
        return self.model.opset

    @property
    def before(self) -> Shape:
        """The shape of the first operand at the sizes of the graph."""
        return self.model.graph[self.node.inputs[0]].shape

    @property
    def named(self) -> NamedShape:
        """The shape of the first operand at all sizes: (batch, channels, *extents), each a number or the name of one
        that follows them."""
        return self.model.shapes[self.node.inputs[0]]

    def axis(self, axis: int) -> int:
        """The axis of the value as it is written, for one of the first operand's shape: 0 are the channels, and
        negative ones count from the last."""
        axis %= len(self.before)
        if not self.rows:
            return axis + 1
        return axis or (2 if self.windows else self.before.rank + 1)

    def reads_rows(self, place: int) -> bool:
        """True if an operand is read in rows: one that lends its extents alone, or names rows of a table, is read as it
        is written."""
        signal = place < len(self.node.data_inputs) and self.node.op.takes == "float"
        return self.rows if signal else self.node.inputs[place] in self.model.rows

    def space(self, place: int = 0) -> dict[str, int]:
        """The axes of space of an operand as it is read, from `start` to `end`, as attributes of Shape."""
        start = 1 if self.reads_rows(place) else 2
        return {"start": start, "end": start + self.model.graph[self.node.inputs[place]].shape.rank}

    def lay_out(self, batch: Sequence[T], channels: Sequence[T], space: Sequence[T]) -> list[T]:
        """Put what belongs to the axes of a value in the order in which they are written."""
        return [*batch, *space, *channels] if self.rows else [*batch, *channels, *space]

    def op(self, kind: str, inputs: Sequence[OnnxValue | None], **attributes: Any) -> OnnxValue:
        """Add one ONNX node, and return its result. The last one of a rule gets the id of the graph's node, see
        `finish`."""
        name = f"{self.node.id}.{kind.rpartition('.')[2]}_{self._parts}"
        self._parts += 1
        return self.model.append(kind, name, inputs, OnnxValue(name), **attributes)

    def beside(self, value: OnnxValue) -> OnnxValue:
        """The second result of the ONNX node that gives a value, as the places of a pooling are."""
        assert value.producer is not None
        value.producer.beside = OnnxValue(f"{value.name}_beside", value.producer)
        return value.producer.beside

    def once(self, what: str, compute: Callable[[], OnnxValue]) -> OnnxValue:
        """Compute what several nodes of the graph need, by one name, where the first of them does."""
        if what not in self.model.shared:
            self.model.shared[what] = compute()
        return self.model.shared[what]

    def cast(self, value: OnnxValue, dtype: np.dtype[Any]) -> OnnxValue:
        """Cast a value to another type."""
        return self.op("Cast", [value], to=onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def reduce(self, kind: str, x: OnnxValue, axes: Sequence[int], name: str = "axes") -> OnnxValue:
        """Reduce along axes of the value as it is written, which stay with extent 1. From opset 18 on all reductions
        take the axes as an operand, stored by that name; before, ReduceSum alone does."""
        if kind == "ReduceSum" or self.opset >= 18:
            return self.op(kind, [x, self.constant(name, axes, np.int64)], keepdims=1)
        return self.op(kind, [x], axes=list(axes), keepdims=1)

    def lead(self, value: OnnxValue) -> OnnxValue:
        """Have the ONNX node that gives this value bear the name of the graph's node, whatever follows it."""
        self._leader = value.producer
        return value

    def finish(self, result: OnnxValue) -> OnnxValue:
        """Name the node's result, and the ONNX node that gives it, or that leads, as the graph does. An input of the
        graph that is given back as it is keeps its name."""
        if result.producer is None:
            return result
        # An output's name is the user's to choose, and may be some node's id.
        result.name = f"{self.node.id}.value" if self.node.id in self.model.graph.outputs else self.node.id
        leader = self._leader or result.producer
        leader.name = self.node.id
        return result

    def array(self, name: str) -> WeightArray:
        """The numbers of a stored tensor of the node, by its short name."""
        return self.model.weights[f"{self.node.home}.{name}"]

    def weight(self, name: str) -> OnnxValue:
        """A stored tensor of the node, by its short name."""
        return self.model.store(f"{self.node.home}.{name}", self.array(name))

    def weight_by_position(self, name: str) -> OnnxValue:
        """A stored number for each channel and position, (C, *S), or (*S, C) in rows."""
        return self.constant(name, np.moveaxis(np.asarray(self.array(name)), 0, -1)) if self.rows else self.weight(name)

    def matrix(self, name: str) -> OnnxValue:
        """A stored kernel (out, in, 1, …) as the matrix (in, out), under its name where no node reads the kernel."""
        stored, home = self.array(name), self.node.home
        alone = all(user in self.model.rows for user in self.model.graph.users[home])
        out, channels = stored.shape[:2]

        def transpose() -> NDArray[Any]:
            return np.ascontiguousarray(np.asarray(stored).reshape(out, channels).T)

        stored_as = f"{home}.{name}" if alone else f"{home}.{name}.matrix"
        return self.model.store(stored_as, LazyArray((channels, out), stored.dtype, transpose))

    def weight_by_channel(self, name: str) -> OnnxValue:
        """A stored number for each channel, as (C, 1, …), or (C) in rows: laid out here, once, and not by a node of the
        model."""
        if self.rows:
            return self.weight(name)
        return self.constant(name, np.asarray(self.array(name)).reshape(-1, *[1] * self.before.rank))

    def constant(self, name: str, value: Any, dtype: DTypeLike | None = None) -> OnnxValue:
        """A constant of the node, of the model's float type unless another is given.

        Raises ArchspecError where a number is too large for it, or so small that it would be zero.
        """
        stored, given = f"{self.node.id}.{name}", np.asarray(value)
        rounded = cast(given, np.dtype(dtype or self.float_type), stored)
        if np.count_nonzero(rounded) < np.count_nonzero(given):
            smallest = np.abs(given[given != 0]).min()
            raise ArchspecError(f"{stored} is {smallest:.3g}, which is zero in {rounded.dtype}: export in bf16 or fp32")
        return self.model.store(stored, rounded)


def _write_attribute(name: str, value: int | float | str | Sequence[int]) -> onnx.AttributeProto:
    """Write an attribute, not by `onnx.helper`, whose checks of every number took longer than the rest of a node."""
    match value:
        case int():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.INT, i=value)
        case float():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.FLOAT, f=value)
        case str():
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.STRING, s=value.encode())
        case _:
            return onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS, ints=value)
