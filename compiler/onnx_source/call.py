"""One node of an ONNX file at work: what a rule reads from it, and what it may write to the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

import onnx
import onnx.helper
from pydantic import ValidationError

from archspec.arrays import Array
from archspec.ops import Op, OpError, Shape
from archspec.wording import cut, write_shape
from compiler.onnx_source.details import Details, read_attribute, read_defaults, tell_value
from compiler.onnx_source.file.names import name_kind
from compiler.onnx_source.file.samples import MixedSamplesError, Samples, agree
from compiler.onnx_source.file.types import find_types, is_floating
from compiler.onnx_source.ops.ops import Elementwise, Extents, Foreign, Rearrange

if TYPE_CHECKING:
    from compiler.onnx_source.read import Reader

Attribute = TypeVar("Attribute")
Built = TypeVar("Built", bound=Op)


@dataclass(frozen=True, slots=True)
class Value:
    """What a node of the graph computes: `shape` as in the file, where axis i is axis `order[i]` of the graph's value.

    So a transposition changes the order and is no node: the graph keeps channels first. `samples` is where those of a
    fixed batch lie; None where there is one sample, or all share the value.
    """

    id: str
    shape: Extents
    order: Extents
    type: str = "float32"
    samples: Samples | None = None

    @property
    def straight(self) -> bool:
        return self.order == tuple(range(len(self.order)))

    @property
    def ordered(self) -> Extents:
        """The shape with the graph's order of axes."""
        return tuple(extent for _, extent in sorted(zip(self.order, self.shape, strict=True)))


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that lies in the file; `learned` where it may have been trained."""

    name: str
    shape: Extents
    type: str
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Constant:
    """What depends on no input. Two of the same `name` hold the same numbers; those of large ones are not read.

    `sources` are the stored tensors that it was computed from, itself if it is one.
    """

    name: str
    shape: Extents
    array: Array | None = None
    type: str = "float32"
    sources: tuple[Stored, ...] = ()

    @property
    def floating(self) -> bool:
        """Whether it holds numbers of the kind that is trained."""
        return is_floating(self.type)

    @property
    def number(self) -> float | None:
        """The one number, where it is one and is known."""
        return float(self.array.reshape(-1)[0]) if self.array is not None and self.array.size == 1 else None


Operand: TypeAlias = Value | Constant | None


SAID_ELSEWHERE = {"min", "max", "axis", "broadcast", "consumed_inputs"}
"""Attributes of older versions that in functions of numbers shapes or operands say."""


class Unsaid(Exception):  # noqa: N818  (it is no mistake)
    """Neither the language nor the foreign operations say what a node does: it is unknown."""


class Call:
    """A node with its operands. `reader` is where its results go."""

    def __init__(self, reader: Reader, node: onnx.NodeProto, operands: Sequence[Operand]) -> None:
        self.reader, self.node, self.operands = reader, node, list(operands)
        self.key = name_kind(node)
        """What rules go by."""
        self.kind = node.op_type
        """What it computes; quantized operations compute what their counterparts do."""
        self.quantized = False
        """Whether it computes with whole numbers that stand for others."""
        self.entered: list[str] = []
        """The nodes of the graph that it has become."""
        self.types = find_types(node, reader.opset, [item.type if item else "" for item in operands])
        """Those of the numbers in its results."""
        self.attributes: Mapping[str, Any] = {
            item.name: read_attribute(item) for item in node.attribute if not item.ref_attr_name
        }

    def fail(self, message: str) -> NoReturn:
        self.reader.fail(message, self.node)

    def attribute(self, name: str, default: Attribute) -> Attribute:
        """An attribute of the type that its default has."""
        found = self.attributes.get(name, default)
        if isinstance(found, bytes) and isinstance(default, str):
            found = found.decode("utf-8", "replace")
        if not isinstance(found, type(default)):
            self.fail(f"the attribute {name} should be of type {type(default).__name__}")
        return found

    def ints(self, name: str) -> list[int]:
        """A list of whole numbers; empty where it is not given."""
        found = self.attributes.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, int) for item in found):
            self.fail(f"the attribute {name} should be a list of whole numbers")
        return found

    def gives(self, position: int) -> bool:
        """Whether something reads this result."""
        names = self.node.output
        return position < len(names) and names[position] in self.reader.read_counts

    def find_shape(self, position: int) -> Extents:
        """The shape of a result that no rule says."""
        return self.reader.find_shape(self, self.node.output[position])

    def tell(self, *names: str) -> Details:
        """The attributes of these names, or all, that have not their usual value, as text."""
        usual = read_defaults(self.node, self.reader.opset)
        told = []
        for name, value in sorted(self.attributes.items()):
            if name in (names or self.attributes.keys()) and value != usual.get(name):
                told.append((name, tell_value(value)))
        return tuple(told)

    def tell_constants(self) -> Details:
        """What stands for its constant operands of whole numbers and conditions, which say what is done."""
        items = [item for item in self.operands if isinstance(item, Constant) and not item.floating]
        told = [
            (f"constant_{i}", tell_value(item.array if item.array is not None else item.shape))
            for i, item in enumerate(items)
        ]
        return tuple(told)

    def require_operands(self, least: int, most: int) -> None:
        found = sum(item is not None for item in self.operands)
        if not least <= found <= most:
            self.fail(f"takes {least if least == most else f'{least} to {most}'} operands, found {found}")

    def operand(self, position: int) -> Operand:
        return self.operands[position] if position < len(self.operands) else None

    def value(self, position: int = 0) -> Value:
        """An operand that is computed from the inputs."""
        found = self.operand(position)
        if not isinstance(found, Value):
            raise Unsaid
        return found

    def stored(self, position: int) -> Constant:
        """An operand that is not."""
        found = self.operand(position)
        if not isinstance(found, Constant):
            raise Unsaid
        return found

    def stored_values(self) -> dict[str, Constant]:
        """The constant operands that stand for weights: of more than one number, which may have been trained."""
        constants = (item for item in self.operands if isinstance(item, Constant))
        found = [item for item in constants if item.floating or self.quantized]
        return {f"value_{i}": item for i, item in enumerate(item for item in found if prod(item.shape) > 1)}

    def numbers(self) -> tuple[float | None, ...]:
        """The operands as single numbers; None for values. Nothing where one is neither."""
        given = [item for item in self.operands if item is not None]
        found = tuple(item.number if isinstance(item, Constant) else None for item in given)
        known = all(isinstance(item, Value) or number is not None for item, number in zip(given, found, strict=True))
        return found if known else ()

    def array(self, position: int) -> Array | None:
        """The numbers of a constant operand; None where it is left out."""
        found = self.operand(position)
        if found is None:
            return None
        if not isinstance(found, Constant) or found.array is None:
            raise Unsaid
        return found.array

    def given(self, name: str, position: int) -> list[int] | None:
        """Whole numbers that older versions of an operation take as an attribute, and newer ones as an operand."""
        if name in self.attributes:
            found = self.attributes[name]
            return [found] if isinstance(found, int) else self.ints(name)
        array = self.array(position)
        if array is not None and array.dtype.kind not in "iu":
            self.fail(f"its operand {position} should hold whole numbers")
        return None if array is None else [int(item) for item in array.reshape(-1)]

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= axis < rank:
            self.fail(f"has no axis {axis} among {rank}")
        return axis % rank

    def is_map(self, value: Value, least: int = 3) -> bool:
        """Whether it is a batch of maps, channels first, as the language has them; or from two axes on of vectors."""
        if not least <= len(value.shape) <= 5:
            return False
        batch = self.reader.batch if value.samples else 1
        return value.ordered[0] == batch and (value.samples is None or value.order[value.samples.axis] == 0)

    def comes_from(self, value: Value, kind: type[Op]) -> bool:
        """Whether an operation of this kind computes the value."""
        return isinstance(self.reader.nodes[value.id].op, kind)

    def straighten(self, value: Value) -> Value:
        """The value with the axes of the file, transposed for that where they are in another order."""
        return value if value.straight else self.reader.straighten(value)

    def add(self, op: Op, *xs: Value, **stored: Constant | None) -> Value:
        """The result of an operation of the language; `stored` are its weights by their short names."""
        shape = self._infer(op, xs)
        taken = {name: item for name, item in stored.items() if item is not None}
        id = self.reader.add(self, op, xs, shape, taken)
        x = xs[0]
        if shape == self.reader.nodes[x.id].shape:
            ordered = x.ordered
        elif len(shape) + 1 == len(x.shape):
            ordered = (x.ordered[0], *shape)
        else:
            straight = tuple(range(len(shape) + 1))
            return Value(id, (x.ordered[0], *shape), straight, x.type, Samples(0) if x.samples else None)
        return replace(x, id=id, shape=tuple(ordered[axis] for axis in x.order))

    def foreign(
        self,
        kind: type[Foreign],
        xs: Sequence[Value],
        shape: Sequence[int],
        *,
        order: Extents | None = None,
        stored: Mapping[str, Constant] | None = None,
        samples: Samples | None = None,
        **fields: Any,
    ) -> Value:
        """The result of a foreign operation, of this shape in the file; `stored` are its weights, those that are no
        field of its own by the names `value_0`, `value_1`, … Where `samples` does not say it, they lie where those of
        the operands do, counted from the last axis."""
        samples = samples or self.align(xs, len(shape))
        if samples and (samples.axis < 0 or shape[samples.axis] % (samples.apart * self.reader.batch)):
            raise MixedSamplesError
        result = Value("", self.check_shape(shape), order or tuple(range(len(shape))), samples=samples)
        gives = self.reader.per_sample(result)
        stores = tuple(item.shape for name, item in (stored or {}).items() if name.startswith("value_"))
        op = kind(gives=gives, stores=stores, **fields)
        return replace(result, id=self.reader.add(self, op, xs, Shape(*gives), stored or {}), type=self.types[0])

    def elementwise(
        self,
        xs: Sequence[Value],
        shape: Sequence[int],
        *,
        order: Extents | None = None,
        numbers: tuple[float | None, ...] | None = None,
    ) -> Value:
        """The result of the function that the node is called after, position by position."""
        given = self.numbers() if numbers is None else numbers
        told = tuple(item for item in self.tell() if item[0] not in SAID_ELSEWHERE)
        details = told + (() if given else self.tell_constants())
        fields: dict[str, Any] = {"function": self.kind.lower(), "numbers": given, "details": details}
        return self.foreign(Elementwise, xs, shape, order=order, stored=self.stored_values(), **fields)

    def move(
        self, function: str, x: Value, shape: Sequence[int], *, samples: Samples | None = None, **fields: Any
    ) -> Value:
        """The numbers of a value at other places."""
        return self.foreign(Rearrange, [x], shape, function=function, samples=samples, **fields)

    def align(self, xs: Iterable[Value], rank: int) -> Samples | None:
        """Where the samples lie in a result of so many axes, which are those of the operands from the last one on."""
        return agree(replace(x.samples, axis=rank - len(x.shape) + x.samples.axis) for x in xs if x.samples)

    def place(self, x: Value, axis: int) -> int:
        """An axis of a straight value in the graph, counted from 0 for the channels; -1 for that of the one sample."""
        if x.samples and x.samples.axis == axis:
            raise MixedSamplesError
        dropped = self.reader.find_dropped(x)
        return axis - (dropped is not None and axis >= dropped)

    def places(self, x: Value, axes: Iterable[int]) -> Extents:
        return tuple(sorted(self.place(x, axis) for axis in axes))

    def keep_samples(self, x: Value) -> None:
        """Raise where the samples do not lie along the first axis, as operations on maps take them."""
        if x.samples and x.order[x.samples.axis] != 0:
            raise MixedSamplesError

    def check_shape(self, shape: Sequence[int]) -> Extents:
        """The shape, if something fits into it."""
        if any(not 1 <= extent < 1 << 31 for extent in shape) or len(shape) > 16:
            text = write_shape(cut(str(extent), 24) for extent in shape[:17])
            self.fail(f"would give {text}, which is no shape of a value")
        return tuple(int(extent) for extent in shape)

    def _infer(self, op: Op, xs: Sequence[Value]) -> Shape:
        try:
            shape: Shape = op.infer(*(self.reader.nodes[x.id].shape for x in xs))
        except OpError as error:
            self.fail(str(error))
        self.check_shape(shape)
        return shape


def build(call: Call, kind: type[Built], **fields: Any) -> Built:
    """An operation of the language with these fields; what does not fit them is a mistake of the file."""
    try:
        return kind(**fields)
    except ValidationError as error:
        detail = error.errors()[0]
        call.fail(f"{detail['loc'][0]}: {detail['msg']}")


def resolve_shape(call: Call, shape: Sequence[int], wanted: Sequence[int]) -> Extents:
    """The shape that Reshape gives: 0 keeps an extent, and -1 takes what is left."""
    keep = not call.attribute("allowzero", 0)
    if any(extent == 0 and keep and axis >= len(shape) for axis, extent in enumerate(wanted)):
        call.fail(f"keeps an axis that {write_shape(shape)} does not have")
    found = [shape[axis] if extent == 0 and keep else extent for axis, extent in enumerate(wanted)]
    known = prod(extent for extent in found if extent != -1)
    if found.count(-1) == 1 and known and prod(shape) % known == 0:
        found[found.index(-1)] = prod(shape) // known
    if prod(found) != prod(shape) or min(found, default=1) < 0:
        call.fail(f"cannot lay out {write_shape(shape)} as {write_shape(wanted)}")
    return tuple(found)


def broadcast(call: Call, shapes: Sequence[Sequence[int]]) -> Extents:
    """The shape of numbers combined position by position, where extents of one are repeated."""
    rank = max(map(len, shapes))
    padded = [(*[1] * (rank - len(shape)), *shape) for shape in shapes]
    result = []
    for extents in zip(*padded, strict=True):
        others = set(extents) - {1}
        if len(others) > 1:
            call.fail(f"cannot combine the shapes {' and '.join(write_shape(shape) for shape in shapes)}")
        result.append(others.pop() if others else 1)
    return tuple(result)
