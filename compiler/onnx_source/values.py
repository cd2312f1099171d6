"""What the nodes of a file read and give: values that depend on an input, and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from archspec.arrays import Array
from compiler.onnx_file.nodes import write_shortest
from compiler.onnx_source.file.types import is_floating
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.samples import SampleAxis


class UnknownOpError(Exception):
    """Neither the language nor the foreign operations say what a node does: it is unknown."""


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value that a node of the graph computes: `shape` as in the file, where axis i is axis `order[i]` of the graph's
    value.

    So a transposition changes the order and is no node: the graph keeps channels first. `samples` is where those of a
    fixed batch lie; None where there is one sample, or all share the value.
    """

    id: str
    shape: Dims
    order: Dims
    type: str = "float32"
    samples: SampleAxis | None = None

    @property
    def straight(self) -> bool:
        return self.order == tuple(range(len(self.order)))

    @property
    def ordered(self) -> Dims:
        """The shape with the graph's order of axes."""
        return tuple(extent for _, extent in sorted(zip(self.order, self.shape, strict=True)))


@dataclass(frozen=True, slots=True)
class ConstantSource:
    """A tensor that lies in the file; `learned` where it may have been trained."""

    name: str
    shape: Dims
    type: str
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that depends on no input. Two of the same `name` hold the same numbers; those of large ones are not read.

    `sources` are the stored tensors that it was computed from, itself if it is one.
    """

    name: str
    shape: Dims
    array: Array | None = None
    type: str = "float32"
    sources: tuple[ConstantSource, ...] = ()

    @property
    def floating(self) -> bool:
        """True if it holds numbers of the kind that is trained."""
        return is_floating(self.type)

    @property
    def number(self) -> float | None:
        """The one number, where it is one and is known; of single precision the shortest decimal, as of attributes."""
        return write_shortest(self.array.reshape(-1)[0]) if self.array is not None and self.array.size == 1 else None


Operand: TypeAlias = FileValue | Constant | None
"""A value that a node reads; None where it leaves an operand out."""
