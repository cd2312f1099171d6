"""One node of an ONNX file at work: what its rule may write to the graph, beside what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from pydantic import ValidationError

from archspec.bounds import MAX_WHOLE
from archspec.ops import Op, OpError, Shape
from archspec.wording import cut, write_shape
from compiler.graph import NodeSource
from compiler.onnx_source.file.names import name_node
from compiler.onnx_source.node import FileNode
from compiler.onnx_source.ops.foreign import Dims, Elementwise, Foreign
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.samples import MixedSamplesError, SampleAxis, agree
from compiler.onnx_source.turned import TurnedRow, turn_row
from compiler.onnx_source.values import Constant, FileValue, Operand
from compiler.onnx_source.writer import GraphWriter

Built = TypeVar("Built", bound=Op)

SAID_ELSEWHERE = {"min", "max", "axis", "broadcast", "consumed_inputs"}
"""The attributes of older versions whose values shapes or operands say in functions of numbers."""


@dataclass(frozen=True, kw_only=True)
class NodeCall(FileNode):
    """A node of the file whose results go to `writer`, as nodes that come from `source`."""

    writer: GraphWriter
    source: NodeSource
    entered: list[str] = field(default_factory=list)
    """The ids of the nodes of the graph that it has become so far."""

    def counterpart(self, kind: str, operands: Sequence[Operand]) -> NodeCall:
        """Make the same node as one of the kind that computes with real numbers on these of its operands."""
        return replace(self, kind=kind, operands=operands, quantized=True)

    def is_map(self, value: FileValue, least: int = 3) -> bool:
        """True if a value is a batch of maps, channels first, as the language has them; or from two axes on of
        vectors."""
        if not least <= len(value.shape) <= 5:
            return False
        batch = self.writer.batch if value.samples else 1
        return value.ordered[0] == batch and (value.samples is None or value.order[value.samples.axis] == 0)

    def is_row(self, value: FileValue) -> bool:
        """True if a value is a batch of rows of tokens: of maps with one axis of space."""
        return len(value.shape) == 3 and self.is_map(value) and len(self.writer.nodes[value.id].shape) == 2

    def find_turned(self, value: FileValue) -> TurnedRow | None:
        """Find the row of tokens that a value is, with its axes in whatever order."""
        return self.writer.turned.get(value) or (turn_row(value) if self.is_row(value) else None)

    def remember(self, value: FileValue, turned: TurnedRow) -> FileValue:
        """Remember that a value is a row with its axes in another order; what moved them is dropped unless something
        else reads it."""
        self.writer.turned[value] = turned
        self.writer.replaced.update(id for id in self.entered if id == value.id)
        return value

    def comes_from(self, value: FileValue, kind: type[Op]) -> bool:
        """True if an operation of this kind computes the value."""
        return isinstance(self.writer.nodes[value.id].op, kind)

    def straighten(self, value: FileValue) -> FileValue:
        """Give the value the axes of the file; it is transposed for that where they are in another order."""
        return self.writer.straighten(value)

    def add(self, op: Op, *xs: FileValue, **stored: Constant | None) -> FileValue:
        """Add an operation of the language, and return its result; `stored` are its weights by their short names."""
        shape = self._infer(op, xs)
        taken = {name: item for name, item in stored.items() if item is not None}
        id = self._enter(op, xs, shape, taken)
        x = xs[0]
        if shape == self.writer.nodes[x.id].shape:
            ordered = x.ordered
        elif len(shape) + 1 == len(x.shape):
            ordered = (x.ordered[0], *shape)
        else:
            straight = tuple(range(len(shape) + 1))
            return FileValue(id, (x.ordered[0], *shape), straight, x.type, SampleAxis(0) if x.samples else None)
        return replace(x, id=id, shape=tuple(ordered[axis] for axis in x.order))

    def foreign(
        self,
        kind: type[Foreign],
        xs: Sequence[FileValue],
        shape: Sequence[int],
        *,
        order: Dims | None = None,
        stored: Mapping[str, Constant] | None = None,
        samples: SampleAxis | None = None,
        **fields: Any,
    ) -> FileValue:
        """Add a foreign operation, and return its result, of this shape in the file; `stored` are its weights, those
        that are no field of its own by the names `value_0`, `value_1`, … Where `samples` does not say it, they lie
        where those of the operands do, counted from the last axis."""
        samples = samples or self.align(xs, len(shape))
        if samples and (samples.axis < 0 or shape[samples.axis] % (samples.apart * self.writer.batch)):
            raise MixedSamplesError
        result = FileValue("", self.check_shape(shape), order or tuple(range(len(shape))), samples=samples)
        gives = self.writer.per_sample(result)
        stores = tuple(item.shape for name, item in (stored or {}).items() if name.startswith("value_"))
        op = kind(gives=gives, stores=stores, **fields)
        return replace(result, id=self._enter(op, xs, Shape(*gives), stored or {}), type=self.types[0])

    def elementwise(
        self,
        xs: Sequence[FileValue],
        shape: Sequence[int],
        *,
        order: Dims | None = None,
        numbers: tuple[float | None, ...] | None = None,
    ) -> FileValue:
        """Add the function that the node is called after, position by position."""
        given = self.numbers() if numbers is None else numbers
        told = tuple(item for item in self.tell() if item[0] not in SAID_ELSEWHERE)
        details = told + (() if given else self.tell_constants())
        fields: dict[str, Any] = {"function": self.kind.lower(), "numbers": given, "details": details}
        return self.foreign(Elementwise, xs, shape, order=order, stored=self.stored_values(), **fields)

    def move(
        self, function: str, x: FileValue, shape: Sequence[int], *, samples: SampleAxis | None = None, **fields: Any
    ) -> FileValue:
        """Add an operation that puts the numbers of a value at other places."""
        return self.foreign(Rearrange, [x], shape, function=function, samples=samples, **fields)

    def align(self, xs: Iterable[FileValue], rank: int) -> SampleAxis | None:
        """Find where the samples lie in a result of so many axes, which are those of the operands from the last one
        on."""
        return agree(replace(x.samples, axis=rank - len(x.shape) + x.samples.axis) for x in xs if x.samples)

    def place(self, x: FileValue, axis: int) -> int:
        """Find an axis of a straight value in the graph, counted from 0 for the channels; -1 for that of the one
        sample."""
        if x.samples and x.samples.axis == axis:
            raise MixedSamplesError
        dropped = self.writer.find_dropped(x)
        return axis - (dropped is not None and axis >= dropped)

    def places(self, x: FileValue, axes: Iterable[int]) -> Dims:
        return tuple(sorted(self.place(x, axis) for axis in axes))

    def keep_samples(self, x: FileValue) -> None:
        """Raise MixedSamplesError where the samples do not lie along the first axis, as operations on maps take
        them."""
        if x.samples and x.order[x.samples.axis] != 0:
            raise MixedSamplesError

    def check_shape(self, shape: Sequence[int]) -> Dims:
        """Return the shape, if something fits into it."""
        if any(not 1 <= extent <= MAX_WHOLE for extent in shape) or len(shape) > 16:
            text = write_shape(cut(str(extent), 24) for extent in shape[:17])
            self.fail(f"would give {text}, which is no shape of a value")
        return tuple(int(extent) for extent in shape)

    def _enter(self, op: Op, xs: Sequence[FileValue], shape: Shape, stored: Mapping[str, Constant]) -> str:
        """A node of the graph for this one of the file, whose name the first of several has; its id."""
        name = name_node(self.proto)
        name = f"{name}.{op.kind}" if self.entered else name
        id = self.writer.add(name, op, xs, shape, source=self.source, type=self.types[0], stored=stored)
        self.entered.append(id)
        return id

    def _infer(self, op: Op, xs: Sequence[FileValue]) -> Shape:
        try:
            shape: Shape = op.infer(*(self.writer.nodes[x.id].shape for x in xs))
        except OpError as error:
            self.fail(str(error))
        self.check_shape(shape)
        return shape


def build(call: NodeCall, kind: type[Built], **fields: Any) -> Built:
    """Build an operation of the language with these fields; what does not fit them is a mistake of the file."""
    try:
        return kind(**fields)
    except ValidationError as error:
        detail = error.errors()[0]
        call.fail(f"{detail['loc'][0]}: {detail['msg']}")


NodeRule: TypeAlias = Callable[[NodeCall], "Operand | list[Operand]"]
"""A function from a node at work, at least one of whose operands is computed, to its result or results. It raises
UnknownOpError where no operation says what the node does, and ArchspecError where the file is wrong."""
