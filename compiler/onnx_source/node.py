"""A node of an ONNX file, as rules read it: its operands and its attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn, Self, TypeVar

import onnx

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.wording import cut, write_shape
from compiler.onnx_file.nodes import read_as_written
from compiler.onnx_source.details import Details, tell_value
from compiler.onnx_source.file.names import name_kind, name_node
from compiler.onnx_source.file.schemas import read_defaults
from compiler.onnx_source.file.types import find_types
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.shapes import LostShapeError
from compiler.onnx_source.source_file import SourceFile
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError

Attribute = TypeVar("Attribute")
Item = TypeVar("Item")

HINT = "numbers may decide it; else a tool such as onnxslim or onnx.shape_inference can write it into the file"


@dataclass(frozen=True)
class FileNode:
    """A node with its operands. `kind` is what it computes; where it is `quantized`, it computes with whole numbers
    that stand for others, and its kind is that of its counterpart on these. `types` are those of its results' numbers.
    """

    file: SourceFile
    proto: onnx.NodeProto
    operands: Sequence[Operand]
    kind: str
    types: Sequence[str]
    attributes: Mapping[str, Any]
    quantized: bool = False

    @classmethod
    def read(cls, file: SourceFile, node: onnx.NodeProto, operands: Sequence[Operand], **more: Any) -> Self:
        """Read the node as the file writes it."""
        types = find_types(node, file.opset, [item.type if item else "" for item in operands])
        attributes = {item.name: read_as_written(item) for item in node.attribute if not item.ref_attr_name}
        return cls(file, node, operands, node.op_type, types, attributes, **more)

    @property
    def key(self) -> str:
        """The key of the node's rule: the operation's name, with its domain where that is not ONNX's own."""
        return name_kind(self.proto)

    def fail(self, message: str) -> NoReturn:
        """Raise ArchspecError for a mistake of the file."""
        where = f"{cut(name_node(self.proto), 160)} ({cut(self.proto.op_type, 80)})"
        raise ArchspecError(f"{self.file.path}: node {where}: {message}")

    def attribute(self, name: str, default: Attribute) -> Attribute:
        """Read an attribute of the type that its default has."""
        found = self.attributes.get(name, default)
        if isinstance(found, bytes) and isinstance(default, str):
            found = found.decode("utf-8", "replace")
        if not isinstance(found, type(default)):
            self.fail(f"the attribute {name} should be of type {type(default).__name__}")
        return found

    def ints(self, name: str) -> list[int]:
        """Read an attribute of whole numbers; empty where it is not given."""
        return self._read_list(name, int, "whole numbers")

    def floats(self, name: str) -> list[float]:
        """Read an attribute of numbers; empty where it is not given."""
        return self._read_list(name, float, "numbers")

    def strings(self, name: str) -> list[str]:
        """Read an attribute of texts; empty where it is not given."""
        return [item.decode("utf-8", "replace") for item in self._read_list(name, bytes, "texts")]

    def _read_list(self, name: str, kind: type[Item], items: str) -> list[Item]:
        found = self.attributes.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
            self.fail(f"the attribute {name} should be a list of {items}")
        return found

    def gives(self, position: int) -> bool:
        """True if something reads this result."""
        names = self.proto.output
        return position < len(names) and names[position] in self.file.read_counts

    def find_shape(self, position: int) -> Dims:
        """Find the shape of a result that no rule says. Raises LostShapeError where nothing says it."""
        shape = self.file.shapes.find(self.proto, self.operands, self.proto.output[position])
        if shape is None:
            where = f"node {cut(name_node(self.proto), 160)} ({cut(self.key, 80)})"
            raise LostShapeError(
                f"nothing says the shape of what {where} gives; it is left out, with all that reads it: {HINT}"
            )
        return shape

    def tell(self, *names: str) -> Details:
        """Tell the attributes of these names, or all, that have not their usual value, as text."""
        usual = read_defaults(self.proto, self.file.opset)
        told = []
        for name, value in sorted(self.attributes.items()):
            if name in (names or self.attributes.keys()) and value != usual.get(name):
                told.append((name, tell_value(value)))
        return tuple(told)

    def tell_constants(self) -> Details:
        """Tell what stands for its constant operands of whole numbers and conditions, which say what is done."""
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

    def value(self, position: int = 0) -> FileValue:
        """Return an operand that is computed from the inputs."""
        found = self.operand(position)
        if not isinstance(found, FileValue):
            raise UnknownOpError
        return found

    def stored(self, position: int) -> Constant:
        """Return an operand that is not computed from the inputs."""
        found = self.operand(position)
        if not isinstance(found, Constant):
            raise UnknownOpError
        return found

    def stored_values(self) -> dict[str, Constant]:
        """The constant operands that stand for weights: of more than one number, which may have been trained."""
        constants = (item for item in self.operands if isinstance(item, Constant))
        found = [item for item in constants if item.floating or self.quantized]
        return {f"value_{i}": item for i, item in enumerate(item for item in found if prod(item.shape) > 1)}

    def numbers(self) -> tuple[float | None, ...]:
        """The operands as single numbers; None for values. It is empty where one is neither."""
        given = [item for item in self.operands if item is not None]
        found = tuple(item.number if isinstance(item, Constant) else None for item in given)
        known = all(
            isinstance(item, FileValue) or number is not None for item, number in zip(given, found, strict=True)
        )
        return found if known else ()

    def array(self, position: int) -> Array | None:
        """Return the numbers of a constant operand; None where it is left out."""
        found = self.operand(position)
        if found is None:
            return None
        if not isinstance(found, Constant) or found.array is None:
            raise UnknownOpError
        return found.array

    def given(self, name: str, position: int) -> list[int] | None:
        """Read whole numbers that older versions of an operation take as an attribute, and newer ones as an operand."""
        if name in self.attributes:
            found = self.attributes[name]
            return [found] if isinstance(found, int) else self.ints(name)
        array = self.array(position)
        if array is not None and array.dtype.kind not in "iu":
            self.fail(f"its operand {position} should hold whole numbers")
        return None if array is None else [int(item) for item in array.reshape(-1)]

    def axis(self, axis: int, rank: int) -> int:
        """Count an axis from the front."""
        if not -rank <= axis < rank:
            self.fail(f"has no axis {axis} among {rank}")
        return axis % rank


def resolve_shape(node: FileNode, shape: Sequence[int], wanted: Sequence[int]) -> Dims:
    """Resolve the shape that Reshape gives: 0 keeps an extent, and -1 takes what is left."""
    keep = not node.attribute("allowzero", 0)
    if any(extent == 0 and keep and axis >= len(shape) for axis, extent in enumerate(wanted)):
        node.fail(f"keeps an axis that {write_shape(shape)} does not have")
    found = [shape[axis] if extent == 0 and keep else extent for axis, extent in enumerate(wanted)]
    known = prod(extent for extent in found if extent != -1)
    if found.count(-1) == 1 and known and prod(shape) % known == 0:
        found[found.index(-1)] = prod(shape) // known
    if prod(found) != prod(shape) or min(found, default=1) < 0:
        node.fail(f"cannot lay out {write_shape(shape)} as {write_shape(wanted)}")
    return tuple(found)


def broadcast(node: FileNode, shapes: Sequence[Sequence[int]]) -> Dims:
    """Broadcast the shapes of numbers combined position by position, where extents of one are repeated."""
    rank = max(map(len, shapes))
    padded = [(*[1] * (rank - len(shape)), *shape) for shape in shapes]
    result = []
    for extents in zip(*padded, strict=True):
        others = set(extents) - {1}
        if len(others) > 1:
            node.fail(f"cannot combine the shapes {' and '.join(write_shape(shape) for shape in shapes)}")
        result.append(others.pop() if others else 1)
    return tuple(result)
